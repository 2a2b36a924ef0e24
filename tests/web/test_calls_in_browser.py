"""Calls from the view of who sits at the browser: a real call appears while it happens, and its page says what was."""

from __future__ import annotations

import asyncio
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Browser, Page, expect

from lab.asterisk import Asterisk
from lab.caller import Caller
from lab.service import Service, ari_settings
from tests.fixtures.gateway import StubProcess, stub_settings
from tests.fixtures.leaks import keep
from tests.web.browser import LOGIN, Complaints, assert_accessible, assert_fits, require_browser

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module")
def service(
    asterisk: Asterisk, stub_process: StubProcess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    """A gateway that serves the lab's calls."""
    require_browser()
    settings = {**ari_settings(asterisk), **stub_settings(stub_process), "WEB_UI_PASSWORD": LOGIN[1]}
    with Service(tmp_path_factory.mktemp("calls"), settings, ready="ari.connected") as service:
        keep(service)
        yield service


@contextmanager
def calling(caller: Caller, say: str, conversation: str) -> Iterator[None]:
    """A call that goes on beside the block, and has ended after it."""
    thread = threading.Thread(
        target=lambda: asyncio.run(caller.call("100", say=say, conversation=conversation, timeout=20))
    )
    thread.start()
    try:
        yield
    finally:
        thread.join()


def until_stored(page: Page, text: str) -> None:
    """Wait for the record of a turn that has ended: it is written behind the calls."""
    for _ in range(100):
        if page.request.get("/api/calls/turns", params={"text": text}).json()["total"]:
            return
        page.wait_for_timeout(100)
    raise AssertionError(f"{text!r} was not stored")


def live(page: Page, path: str = "/ui/calls/live") -> None:
    page.goto(path)
    expect(page.locator("[data-live-state]")).to_have_text("Live")


def test_a_call_appears_while_it_happens_and_its_waterfall_opens(page: Page, caller: Caller) -> None:
    live(page)
    running = page.get_by_role("region", name="Calls now")
    with calling(caller, "stub:delay=2500ms stub:say=We are open.", "c-live"):
        row = running.get_by_role("row").filter(has_text="We are open.")
        expect(row).to_contain_text("receptionist")
        expect(page.locator("[data-live-words]")).to_have_text("1 call now.")
        assert_accessible(page)
    expect(row).to_have_count(0)
    ended = page.get_by_role("region", name="Turns that just ended").get_by_role("row").filter(has_text="We are open.")
    expect(ended).to_contain_text("Answered")
    expect(page.locator("[data-live-words]")).to_have_text("No call now.")
    ended.get_by_role("link").click()
    expect(page).to_have_url(re.compile(r"/ui/calls/\d+#turn-[0-9a-f]+$"))
    where = page.get_by_role("region", name="Where the time of turn 1 went")
    expect(where).to_be_visible()
    waited = where.get_by_role("row").filter(has_text="Model: until its first words")
    milliseconds = waited.get_by_role("cell").nth(1).inner_text()
    assert float(milliseconds.removesuffix(" ms").replace(",", "")) > 2_400
    page.get_by_text("Variables that went back").click()
    expect(page.get_by_role("row", name="AI_RESPONSE_1")).to_contain_text("We are open.")
    assert_accessible(page)


def test_the_list_says_that_calls_ended_since_it_was_loaded(page: Page, caller: Caller) -> None:
    live(page, "/ui/calls")
    with calling(caller, "stub:say=Once more.", "c-newer"):
        pass
    page.get_by_role("link", name=re.compile("ended since this list was loaded")).click()
    expect(page.get_by_role("region", name="Conversations")).to_contain_text("Once more.")


def test_a_lost_connection_is_said_and_found_again(page: Page, service: Service, complaints: Complaints) -> None:
    complaints.allow("ERR_|Failed to load resource")
    live(page)
    service.stop()
    expect(page.locator("[data-live-state]")).to_contain_text("Connection lost")
    service.start()
    expect(page.locator("[data-live-state]")).to_have_text("Live", timeout=30_000)


def test_thousands_of_events_neither_freeze_nor_flood_the_page(page: Page, complaints: Complaints) -> None:
    turn = {"conversation": "c", "caller_number": "100", "prompt": "main", "started_at": datetime.now(UTC).isoformat()}
    begun = [{**turn, "turn_id": f"r{n}", "caller_text": "hello", "tools": []} for n in range(300)]
    over = [
        {**turn, "turn_id": f"e{n}", "caller_text": "<b>hi</b>", "answer_text": "x" * 500, "status": "OK",
         "latency_ms": 800} for n in range(2_000)
    ]  # fmt: skip
    events = [("now", {"turns": begun}), *(("turn_ended", each) for each in over), ("missed", {"events": 7})]
    body = "retry: 600000\n\n" + "".join(f"event: {kind}\ndata: {json.dumps(data)}\n\n" for kind, data in events)
    page.route("**/api/calls/live", lambda route: route.fulfill(content_type="text/event-stream", body=body))
    page.goto("/ui/calls/live")
    expect(page.get_by_text("and 200 more calls")).to_be_visible()
    expect(page.locator("[data-live-words]")).to_have_text(
        "300 calls now. This page was too slow for 7 events.", timeout=20_000
    )
    assert page.locator("[data-live-running] tbody tr").count() == 100
    assert page.locator("[data-live-ended] tbody tr").count() == 50
    expect(page.locator("[data-live-ended] tbody tr").first).to_contain_text("<b>hi</b>")


def test_times_are_those_of_the_browser_and_without_scripts_utc(
    browser: Browser, service: Service, page: Page, caller: Caller
) -> None:
    with calling(caller, "stub:say=What time is it?", "c-zone"):
        pass
    until_stored(page, "What time")
    login = {"username": LOGIN[0], "password": LOGIN[1]}
    context = browser.new_context(base_url=service.url, timezone_id="Asia/Tokyo", http_credentials=login)  # type: ignore[arg-type]
    try:
        away = context.new_page()
        away.goto("/ui/calls?text=What+time")
        shown = away.locator("table.calls time").first
        expect(shown).not_to_contain_text("UTC")
        stamp = datetime.fromisoformat(shown.get_attribute("datetime") or "")
        assert shown.inner_text() == f"{stamp + timedelta(hours=9):%Y-%m-%d %H:%M:%S}"
        expect(away.get_by_text("Times are in Asia/Tokyo.")).to_be_visible()
        away.get_by_label("From", exact=True).fill("2026-01-01T09:00")
        away.get_by_role("button", name="Filter").click()
        expect(away).to_have_url(re.compile(r"from=2026-01-01T00%3A00"))
        expect(away.get_by_label("From", exact=True)).to_have_value("2026-01-01T09:00")
        expect(away.get_by_role("list", name="Filters in force")).to_contain_text("From 2026-01-01 09:00:00")
        away.get_by_role("link", name="Remove the filter From").click()
        expect(away).not_to_have_url(re.compile("from="))
        away.get_by_role("link", name="Today").click()
        expect(away).to_have_url(re.compile(r"when=today&offset=540"))
    finally:
        context.close()
    plain = browser.new_context(base_url=service.url, java_script_enabled=False, http_credentials=login)  # type: ignore[arg-type]
    try:
        still = plain.new_page()
        still.goto("/ui/calls?text=What+time")
        expect(still.locator("table.calls time").first).to_contain_text("UTC")
        still.locator("table.calls tbody a").first.click()
        expect(still.get_by_role("region", name="Where the time of turn 1 went")).to_be_visible()
        expect(still.get_by_text("Times are in UTC.")).to_be_visible()
    finally:
        plain.close()


def test_the_pages_fit_a_phone(phone: Page, caller: Caller) -> None:
    with calling(caller, "stub:fault=500 stub:say=never", "c-phone"):
        pass
    until_stored(phone, "never")
    phone.goto("/ui/calls?status=FAILED&number=1&text=stub&when=7d")
    assert_fits(phone)
    phone.goto("/ui/calls")
    assert_fits(phone)
    phone.locator("table.calls tbody a").first.click()
    expect(phone.locator("article.turn")).to_be_visible()
    assert_fits(phone)
    assert_accessible(phone)
