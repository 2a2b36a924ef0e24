"""Prompts in a real browser: written, broken, mended, tried, published, compared and rolled back."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from tests.web.browser import SCHEMES, Complaints, Scheme, violations

NAME = "night desk"


def editor(page: Page, field: str) -> Locator:
    """The editor of a field, which stands before its textarea."""
    return page.locator(f".editor:has(textarea[name={field}]) .cm-content")


def type_into(page: Page, field: str, text: str) -> None:
    """In the place of what is there; not key by key, so that no bracket is closed by the editor.

    What is there is deleted first: Chromium, asked to replace marked text, tries an inline style to keep its looks.
    """
    editor(page, field).click()
    page.keyboard.press("Control+a")
    page.keyboard.press("Delete")
    page.keyboard.insert_text(text)


def said(page: Page, field: str) -> Locator:
    return page.locator(f".editor:has(textarea[name={field}]) .editor-message")


def create(page: Page, name: str, content: str = "You answer.") -> None:
    page.goto("/ui/prompts/new")
    page.get_by_label("Name", exact=True).fill(name)
    type_into(page, "content", content)
    page.get_by_role("button", name="Save and publish").click()
    expect(page.get_by_role("heading", name=name, exact=True)).to_be_visible()


def test_a_prompt_from_its_first_word_to_its_rollback(page: Page, complaints: Complaints) -> None:
    complaints.allow(r"422 .*/ui/prompts/new|status of 422")
    page.goto("/ui/prompts")
    page.get_by_role("button", name="New prompt").click()

    # An unknown variable is shown while typing, with a guess.
    page.get_by_label("Name", exact=True).fill("RECEPTIONIST")
    type_into(page, "content", "You answer at night.\nThe number is {{ caller_numbr }}.")
    expect(said(page, "content")).to_contain_text("Line 2, column 18: No call has had a variable caller_numbr.")
    expect(page.locator(".cm-lintRange-warning")).to_have_text("caller_numbr")
    expect(page.locator("#unknown")).to_contain_text("Did you mean caller_number?")
    # So is a name that is taken.
    expect(page.locator("[data-live=name]")).to_contain_text("There is a prompt named receptionist already")
    page.get_by_label("Name", exact=True).fill(NAME)
    expect(page.locator("[data-live=name]")).to_have_text("")
    # A known one comes with a press.
    type_into(page, "content", "You answer at night. The number is ")
    page.locator("#variables").get_by_role("button", name="caller_number").click()
    expect(editor(page, "content")).to_have_text("You answer at night. The number is {{ caller_number }}")
    expect(said(page, "content")).to_have_text("")

    # Metadata that is broken is said before and after it is sent, and nothing is lost.
    type_into(page, "metadata", '{"team": "night",}')
    expect(said(page, "metadata")).to_contain_text("in line 1, column 18")
    page.get_by_role("button", name="Add an action").click()
    page.get_by_label("Name of action 1").fill("transfer")
    page.get_by_label("Targets").fill("sales\nsupport")
    page.get_by_role("button", name="Save and publish").click()
    expect(page.locator("#form-errors")).to_be_focused()
    expect(page.locator("#f-metadata-error")).to_contain_text("Line 1")
    expect(editor(page, "metadata")).to_have_text('{"team": "night",}')
    expect(page.get_by_label("Targets")).to_have_value("sales\nsupport")
    type_into(page, "metadata", '{"team": "night"}')
    page.get_by_role("button", name="Save as draft").click()
    expect(page.get_by_role("heading", name=NAME, exact=True)).to_be_visible()
    expect(page.locator(".banner.ok")).to_contain_text("Version 1 is saved as a draft.")
    address = page.url

    # Tried before it is saved; coming back, it is as it was typed.
    type_into(page, "content", "You answer by day, to {{ caller_number }}.")
    page.get_by_role("button", name="Try it unsaved").click()
    page.wait_for_url("**/ui/playground?draft=1")
    draft: dict[str, Any] = json.loads(page.evaluate("sessionStorage.getItem('asterisk-ai.draft')"))
    assert draft["content"] == "You answer by day, to {{ caller_number }}."
    assert (draft["metadata"], draft["tools"], draft["timeout"]) == ({"team": "night"}, None, None)
    assert draft["actions"] == [
        {
            "name": "transfer",
            "description": "",
            "targets": ["sales", "support"],
            "via": "dialplan",
            "place": "",
            "caller_id": "",
        }
    ]
    page.goto(address)
    expect(page.locator("#saving")).to_contain_text("What you tried is here again.")
    expect(editor(page, "content")).to_have_text("You answer by day, to {{ caller_number }}.")

    # Published, compared, rolled back.
    page.get_by_label("Note").fill("by day")
    page.get_by_role("button", name="Save and publish").click()
    expect(page.locator(".banner.ok")).to_contain_text("Version 2 is published.")
    page.get_by_role("link", name="Versions (2)").click()
    expect(page.get_by_role("row", name=re.compile("by day"))).to_contain_text("Published")
    page.get_by_role("link", name="Compare with 1").click()
    expect(page.locator(".compare-head")).to_contain_text("They differ in one place.")
    expect(page.locator(".compare")).to_contain_text("You answer at night.")
    page.get_by_role("link", name="Roll back to version 1").click()
    expect(page.locator(".compare-titles")).to_contain_text("Now: version 2")
    page.get_by_role("button", name="Roll back to version 1").click()
    expect(page.locator(".banner.ok")).to_contain_text("Version 1 is published.")
    expect(page.get_by_role("row", name=re.compile("Version 1"))).to_contain_text("Published")


def test_two_editors_of_one_prompt_lose_nothing(page: Page, complaints: Complaints) -> None:
    complaints.allow(r"409 .*/ui/prompts/\d+|status of 409")
    create(page, "shared")
    other = page.context.new_page()
    complaints.watch(other)
    other.goto(page.url)
    type_into(other, "content", "Theirs.")
    other.get_by_role("button", name="Save and publish").click()
    expect(other.locator(".banner.ok")).to_contain_text("Version 2 is published.")

    type_into(page, "content", "Mine.")
    page.get_by_role("button", name="Save and publish").click()
    expect(page.locator("#form-errors")).to_contain_text("admin saved shared as version 2 in the meantime")
    expect(page.locator(".conflict .compare").first).to_contain_text("Theirs.")
    expect(editor(page, "content").last).to_have_text("Mine.")
    page.get_by_role("button", name="Save on top and publish").click()
    expect(page.locator(".banner.ok")).to_contain_text("Version 3 is published.")


def test_ten_megabytes_are_told_before_they_are_sent(page: Page) -> None:
    create(page, "large")
    expect(editor(page, "content")).to_have_text("You answer.")
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url) if "/ui/prompts/" in request.url else None)
    page.evaluate("document.querySelector('[name=content]').value = 'ten chars\\n'.repeat(1_000_000)")
    expect(said(page, "content")).to_contain_text("This is 9,000,000 characters too long: at most 1,000,000 fit.")
    page.get_by_role("button", name="Save and publish").click()
    expect(page.locator("#saving")).to_contain_text("The content is 9,000,000 characters too long. Nothing was sent")
    # Within the limit of a field, and over that of all of them.
    page.evaluate("document.querySelector('[name=content]').value = 'Short.'")
    page.evaluate("document.querySelector('[name=metadata]').value = JSON.stringify({x: 'y'.repeat(9_000_000)})")
    page.get_by_role("button", name="Save and publish").click()
    expect(page.locator("#saving")).to_contain_text("This is 9.0 MB in all")
    assert sent == []


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_form_is_accessible(page: Page, scheme: Scheme) -> None:
    create(page, f"accessible {scheme}", "Hello {{ nobody_knows }}.")
    expect(said(page, "content")).to_contain_text("nobody_knows")
    assert violations(page, scheme) == []


def test_a_prompt_is_written_on_a_phone(phone: Page) -> None:
    create(phone, "on the go")
    phone.get_by_role("button", name="Add an action").click()
    phone.get_by_label("Name of action").fill("hangup")
    assert phone.evaluate("document.documentElement.scrollWidth") <= 390
    phone.get_by_role("button", name="Save and publish").click()
    expect(phone.locator(".banner.ok")).to_contain_text("Version 2 is published.")


def test_the_back_button_brings_back_what_could_not_be_saved(page: Page, complaints: Complaints) -> None:
    complaints.allow("503")
    away = "<title>Away</title><h1>The database does not answer</h1>"
    text = "What I typed for an hour."
    for address, name in (("/ui/prompts/new", "late"), ("/ui/tools/new", "late_one")):
        page.goto(address)
        page.fill("#f-name", name)
        if address == "/ui/prompts/new":
            type_into(page, "content", text)
        else:
            page.fill("#f-description", text)
        page.route("**" + address, lambda it: it.fulfill(status=503, body=away, content_type="text/html"))
        page.evaluate("document.querySelector('main form[id]').noValidate = true")
        page.evaluate("document.querySelector('main form[id]').requestSubmit()")
        expect(page.get_by_role("heading", name="The database does not answer")).to_be_visible()
        page.unroute("**" + address)
        page.go_back()
        expect(page.locator("#f-name")).to_have_value(name)
        if address == "/ui/prompts/new":
            expect(editor(page, "content")).to_have_text(text)
            expect(page.locator("#saving")).to_contain_text("What you sent is here again.")
        else:
            expect(page.locator("#f-description")).to_have_value(text)
        page.evaluate("addEventListener('beforeunload', (event) => event.stopImmediatePropagation(), true)")


def test_two_presses_send_once_and_what_was_stopped_can_be_sent_again(page: Page) -> None:
    page.goto("/ui/prompts/1/duplicate")
    sent: list[str] = []

    def answer(route: Route) -> None:
        sent.append(route.request.method)
        route.fulfill(status=204)  # the browser stays where it is, as when somebody stops it

    page.route("**/duplicate", answer)
    button = page.locator("main form button")
    for presses, arrived in ((2, 1), (1, 2)):
        for _ in range(presses):
            button.click(no_wait_after=True)
        page.wait_for_timeout(300)
        assert len(sent) == arrived
        page.evaluate("document.querySelector('main form').dataset.sent -= 5000")
