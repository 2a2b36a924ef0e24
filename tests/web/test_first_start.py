"""The first start as its operator sees it: from an empty installation to an answered call, on a real Asterisk, with
nothing but what the pages say."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from lab.asterisk import Asterisk
from lab.service import Service, ari_settings
from tests.cli.phone import WORDS, Phone, filled
from tests.web.browser import LOGIN, Complaints, assert_accessible, require_browser, visiting

pytestmark = pytest.mark.lab

# Of its own: another service may be connected to the same Asterisk.
APP = "first_start"


def step(page: Page, name: str) -> None:
    """The step ticks itself."""
    expect(page.locator(f"#mark-{name}")).to_have_text("Done", timeout=30_000)


def test_an_empty_installation_leads_to_its_first_call(
    browser: Browser, asterisk: Asterisk, tmp_path: Path, complaints: Complaints
) -> None:
    require_browser()
    # It is restarted beside the page, which loses its connection.
    complaints.allow("ERR_|status of 5|response: 5")
    with (
        Service(tmp_path, {"WEB_UI_PASSWORD": LOGIN[1]}) as service,
        visiting(browser, service.url, complaints=complaints) as visitor,
    ):
        page = visitor.page()
        page.goto("/ui")
        setup = page.get_by_role("region", name="Setup")
        expect(setup).to_contain_text("Next: Connect Asterisk.")
        setup.get_by_role("button", name="Go on").click()
        expect(page.locator("#progress")).to_contain_text("2 of 5 steps are done. Next: Connect Asterisk.")
        expect(page.get_by_role("region", name="/etc/asterisk/ari.conf")).to_contain_text("type = user")
        file = page.get_by_role("region", name=re.compile(r"\.env$"))
        expect(file).to_contain_text("ASTERISK_ARI_URL=")

        # What it asked for, with the lab's values; the page says what is left to do, and goes on by itself after it.
        lines = {**ari_settings(asterisk), "ASTERISK_APP_NAME": APP}
        (tmp_path / ".env").write_text("".join(f"{name}={value}\n" for name, value in lines.items()))
        expect(page.locator("#progress")).to_contain_text("Restart the service")
        expect(page.locator("#progress")).to_contain_text("ASTERISK_ARI_URL")
        service.stop()
        service.start()
        step(page, "asterisk")

        # The dialplan, as copied from the page, into Asterisk.
        page.locator("#progress").get_by_role("link", name="Add an extension").click()
        dialplan = page.get_by_role("region", name="The dialplan")
        expect(dialplan).to_be_visible()
        expect(dialplan).to_contain_text(f"Stasis({APP},")
        text = dialplan.inner_text().replace("Read(USER_INPUT,beep,20,,1,10)", "Hangup()")
        phone = Phone(asterisk)
        assert phone.load(filled(text)) == ""

        page.locator("summary").filter(has_text="Make a test call").click()
        waiting = page.locator("#first-call")
        expect(waiting).to_contain_text("Waiting for the first call")
        assert_accessible(page)
        phone.call("talk")
        step(page, "call")
        step(page, "dialplan")
        expect(page.locator("#progress")).to_contain_text("All steps are done.")
        waiting.get_by_role("link", name="Look at the call").click()
        expect(page.locator("article.turn")).to_contain_text(WORDS)
        page.goto("/ui")
        expect(page.get_by_role("heading", name="Dashboard")).to_be_visible()
        expect(setup).to_have_count(0)
