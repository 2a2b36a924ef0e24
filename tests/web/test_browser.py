"""The frame of all pages in a real browser, and that the test bed sees what it is there to see."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from lab.service import Service
from tests.web.browser import LOGIN, Complaints, assert_accessible, assert_fits, violations, visiting


def test_the_first_page_renews_itself(page: Page) -> None:
    page.clock.install()
    page.goto("/ui")
    page.clock.run_for(12_000)
    expect(page.locator("#offline")).to_be_hidden()


def test_a_page_opened_with_the_login_in_its_address_works(
    browser: Browser, service: Service, complaints: Complaints
) -> None:
    """fetch() refuses addresses with a login in them, and relative ones inherit it."""
    address = service.url.replace("http://", f"http://{LOGIN[0]}:{LOGIN[1]}@")
    with visiting(browser, service.url, login=None, complaints=complaints) as visitor:
        page = visitor.page()
        page.clock.install()
        page.goto(f"{address}/ui")
        page.clock.run_for(12_000)
        expect(page.locator("#offline")).to_be_hidden()


@pytest.mark.parametrize("path", ["docs", "redoc"])
def test_the_pages_of_the_api_load_its_document(page: Page, complaints: Complaints, path: str) -> None:
    complaints.allow(r"cdn\.redoc\.ly")  # Redoc's logo, which our policy refuses
    page.goto(f"/{path}")
    # The document is large, and drawn in one go: seconds on a machine with other work.
    expect(page.get_by_text("Save a prompt", exact=False).first).to_be_attached(timeout=60_000)


def test_the_keyboard_reaches_the_content_first(page: Page) -> None:
    page.goto("/ui")
    page.keyboard.press("Tab")
    expect(page.locator(".skip")).to_be_focused()
    page.keyboard.press("Enter")
    assert page.url.endswith("#content")


def test_what_goes_wrong_behind_the_reader_is_seen(page: Page, complaints: Complaints) -> None:
    page.goto("/ui")
    page.route("**/broken", lambda route: route.abort("connectionrefused"))
    page.evaluate("console.error('one')")
    page.evaluate("setTimeout(() => { throw new Error('two'); })")
    page.evaluate("fetch('/missing')")
    page.evaluate("fetch('/broken').catch(() => 0)")
    page.evaluate("document.body.setAttribute('onclick', 'three()')")
    page.wait_for_timeout(300)
    found = "\n".join(complaints.found)
    for sign in ("console: one", "two", "404", "ERR_CONNECTION_REFUSED", "Content Security Policy"):
        assert sign in found
    complaints.allow("")


def test_a_page_that_keeps_people_out_is_seen(page: Page) -> None:
    def answer(route: Route) -> None:
        route.fulfill(
            content_type="text/html",
            body="<!doctype html><html lang=en><title>x</title><style>"
            "@media (prefers-color-scheme: dark) { p { color: #777; background: #666 } }"
            "b { display: block; width: 2000px }</style>"
            "<main><h1>x</h1><p>too pale in the dark</p><b>wide</b><input></main>",
        )

    page.route("**/ui/keeps-out", answer)
    page.goto("/ui/keeps-out")
    assert [one.split()[1] for one in violations(page, "light")] == ["label"]
    assert {one.split()[1] for one in violations(page, "dark")} == {"label", "color-contrast"}
    with pytest.raises(AssertionError, match="label"):
        assert_accessible(page)
    with pytest.raises(AssertionError, match="B "):
        assert_fits(page)
