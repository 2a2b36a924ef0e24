"""The main path of a person at the browser, with a real Asterisk: a prompt is written, broken, mended, tried and
published; a caller hears it, the call is seen as it happens and looked into; a second version, a replay of what was
said before a third is published, and the way back.

The stub model says what the prompt's text tells it to (``stub:say=``): what a caller hears shows which version it was.
"""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from lab.asterisk import Asterisk
from lab.caller import Caller, CallResult
from lab.service import Service, ari_settings
from tests.fixtures.gateway import StubProcess, stub_settings
from tests.fixtures.leaks import keep
from tests.web.browser import LOGIN, Complaints, require_browser, visiting

pytestmark = pytest.mark.lab

NAME = "front desk"
FIRST = "Good morning, this is the front desk of the Seaview."
SECOND = "Good evening, the front desk is closed until seven."
THIRD = "Good night, nobody is at the front desk any more."
QUESTION = "When do you open?"


def content(answer: str) -> str:
    """The text of a prompt whose calls hear ``answer``, a few letters at a time."""
    return f"You are at the front desk, {{{{ caller_number }}}} calls. stub:say={answer} stub:piece=6 stub:gap=40ms"


@pytest.fixture(scope="module")
def service(
    asterisk: Asterisk, stub_process: StubProcess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    """A new installation that serves the lab's calls."""
    require_browser()
    settings = {**ari_settings(asterisk), **stub_settings(stub_process), "WEB_UI_PASSWORD": LOGIN[1]}
    with Service(tmp_path_factory.mktemp("main"), settings, ready="ari.connected") as service:
        keep(service)
        yield service


class Telephone:
    """Calls the lab, and keeps what came back of its last call."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller
        self.heard: CallResult | None = None

    @contextmanager
    def calling(self, say: str) -> Iterator[None]:
        """A call that names the prompt goes on beside the block, and has ended after it."""
        self.heard = None

        def call() -> None:
            self.heard = asyncio.run(self._caller.call("100", say=say, prompt=NAME, timeout=30))

        thread = threading.Thread(target=call)
        thread.start()
        try:
            yield
        finally:
            thread.join()

    def hears(self, answer: str, version: int) -> None:
        """The dialplan got this, of that version."""
        assert self.heard is not None
        assert (self.heard.status, self.heard.response) == ("OK", answer), self.heard
        assert self.heard.variables["AI_PROMPT_VERSION"] == f"{NAME}:{version}"


@pytest.fixture
def telephone(caller: Caller) -> Telephone:
    return Telephone(caller)


def editor(page: Page, field: str) -> Locator:
    """What of a field's editor is typed into."""
    return page.locator(f".editor:has(textarea[name={field}]) .cm-content")


def type_into(page: Page, field: str, text: str) -> None:
    """In the place of what is there; at once, as pasted text comes."""
    editor(page, field).click()
    page.keyboard.press("Control+a")
    # Text put over coloured text is given its colour by Chromium itself, in a style attribute that our policy refuses.
    page.keyboard.press("Delete")
    page.keyboard.insert_text(text)


def flash(page: Page) -> Locator:
    """What the page says about what was just done."""
    return page.locator(".banner.ok")


def watch_calls(page: Page) -> Locator:
    """The table of calls that go on now, on a page that follows them."""
    page.goto("/ui/calls/live")
    expect(page.locator("[data-live-state]")).to_have_text("Live")
    return page.get_by_role("region", name="Calls now")


def open_ended(page: Page, answer: str) -> None:
    """From the page of calls now to the page of the one that just ended with this answer."""
    ended = page.get_by_role("region", name="Turns that just ended").get_by_role("row").filter(has_text=answer)
    expect(ended).to_contain_text("Answered")
    ended.get_by_role("link").click()
    expect(page.locator("article.turn")).to_contain_text(answer)


def call_and_open(page: Page, telephone: Telephone, answer: str, version: int) -> None:
    """Call, and open the page of that call."""
    watch_calls(page)
    with telephone.calling(QUESTION):
        pass
    telephone.hears(answer, version)
    open_ended(page, answer)
    expect(page.locator("article.turn")).to_contain_text(f"{NAME}, version {version}")


def write_the_prompt(page: Page) -> None:
    """A new prompt, all of it, with metadata that is no JSON; sent, said, and mended."""
    page.goto("/ui")
    page.get_by_role("navigation").get_by_role("link", name="Prompts").click()
    page.get_by_role("button", name="New prompt").click()
    page.get_by_label("Name", exact=True).fill(NAME)
    type_into(page, "content", content(FIRST))
    page.get_by_label("Greeting").fill("Seaview, good day.")
    page.get_by_label("Deadline").fill("20")
    page.get_by_label("Only these").check()
    page.get_by_role("button", name="Add an action").click()
    page.get_by_label("Name of action").fill("transfer")
    page.get_by_label("Targets").fill("night porter")
    page.get_by_label("Note").fill("the first words")
    type_into(page, "metadata", '{"house": "Seaview",')
    page.get_by_role("button", name="Save and publish").click()

    expect(page.locator("#form-errors")).to_be_focused()
    beside = page.locator(".field:has([name=metadata]) .wrong")
    expect(beside).to_be_visible()
    expect(beside).to_contain_text("Line 1")
    expect(page.locator(".wrong")).to_have_count(1)
    expect(page.get_by_label("Name", exact=True)).to_have_value(NAME)
    expect(editor(page, "content")).to_have_text(content(FIRST))
    expect(page.get_by_label("Greeting")).to_have_value("Seaview, good day.")
    expect(editor(page, "metadata")).to_have_text('{"house": "Seaview",')
    expect(page.get_by_label("Deadline")).to_have_value("20")
    expect(page.get_by_label("Only these")).to_be_checked()
    expect(page.get_by_label("Name of action")).to_have_value("transfer")
    expect(page.get_by_label("Targets")).to_have_value("night porter")
    expect(page.get_by_label("Note")).to_have_value("the first words")

    page.locator("#form-errors").get_by_role("link").click()
    expect(editor(page, "metadata")).to_be_focused()
    type_into(page, "metadata", '{"house": "Seaview"}')
    expect(page.locator(".editor:has(textarea[name=metadata]) .editor-message")).to_have_text("")


def try_the_draft(page: Page) -> None:
    """What is in the editor answers in the playground, word by word, and is found again in the editor."""
    page.get_by_role("button", name="Try it unsaved").click()
    expect(page.get_by_role("heading", name=f"{NAME}, unsaved")).to_be_visible()
    page.evaluate(
        """() => {
          const seen = (window.seen = []);
          new MutationObserver(() => {
            const text = document.querySelector(".written")?.textContent ?? "";
            if (text && seen.at(-1) !== text) seen.push(text);
          }).observe(document.getElementById("columns"), { subtree: true, childList: true, characterData: true });
        }"""
    )
    page.get_by_label("What the caller says").fill(QUESTION)
    page.keyboard.press("Enter")
    log = page.get_by_role("log")
    expect(log.get_by_text("Answered", exact=True)).to_be_visible()
    expect(log.locator(".written")).to_have_text(FIRST)
    seen = page.evaluate("window.seen")
    assert len(seen) > 2
    assert all(FIRST.startswith(text.strip()) for text in seen)
    page.get_by_role("link", name="Back to the editor").click()
    expect(page.locator("#saving")).to_contain_text("What you tried is here again.")
    expect(editor(page, "content")).to_have_text(content(FIRST))
    expect(page.get_by_label("Targets")).to_have_value("night porter")


def look_into(page: Page) -> None:
    """The page of the first call: where its time went, what went back, and which version it was."""
    expect(page.locator("article.turn")).to_contain_text(QUESTION)
    expect(page.locator("article.turn")).to_contain_text(f"{NAME}, version 1")
    where = page.get_by_role("region", name="Where the time of turn 1 went")
    for part in ("Memory", "Model: until its first words"):
        expect(where.get_by_role("row").filter(has_text=part).first).to_be_visible()
    first_words = where.get_by_role("row").filter(has_text="Model: until its first words")
    waited = first_words.get_by_role("cell").nth(1).inner_text()
    assert float(waited.removesuffix(" ms").replace(",", "")) > 2_900
    page.get_by_text("Variables that went back").click()
    for name, value in (("AI_STATUS", "OK"), ("AI_RESPONSE", FIRST), ("AI_PROMPT_VERSION", f"{NAME}:1")):
        expect(page.get_by_role("rowheader", name=name, exact=True).locator("..")).to_contain_text(value)


def publish_the_second(page: Page) -> None:
    """From the page of the call to its prompt, which says something else from now on."""
    page.locator("article.turn").get_by_role("link", name=NAME).click()
    expect(page.get_by_role("heading", name=NAME, exact=True)).to_be_visible()
    type_into(page, "content", content(SECOND))
    page.get_by_label("Note").fill("closed at night")
    page.get_by_role("button", name="Save and publish").click()
    expect(flash(page)).to_contain_text("Version 2 is published.")


def replay_the_first_call(page: Page, address: str, conversation: str) -> None:
    """What the first caller would hear of a third version, before there is one."""
    page.goto(address)
    type_into(page, "content", content(THIRD))
    page.get_by_role("button", name="Replay calls with it").click()
    expect(page.get_by_label("Prompt", exact=True)).to_have_value("draft")
    page.get_by_role("checkbox", name=re.compile(rf"^Conversation {conversation} ")).check()
    page.get_by_role("button", name="Replay", exact=True).click()
    expect(page.locator("#progress")).to_have_text("Done.")
    expect(page.locator("#rows tr")).to_have_count(1)
    turn = page.locator("article.turn")
    expect(turn).to_contain_text(QUESTION)
    then, now = turn.locator(".sides > div").all()
    expect(then).to_contain_text(FIRST)
    expect(then).to_contain_text(f"{NAME}, version 1")
    expect(now.locator("ins")).not_to_have_count(0)
    expect(now).to_contain_text(f"{NAME}, draft")
    page.get_by_role("link", name="Back to the editor").click()
    expect(editor(page, "content")).to_have_text(content(THIRD))


def roll_back(page: Page) -> None:
    """Calls use version 1 again; the draft of the third was never saved, and is left without a word to the contrary."""
    page.once("dialog", lambda dialog: dialog.accept())
    page.get_by_role("link", name="Versions (2)").click()
    page.get_by_role("link", name="Roll back to this version 1").click()
    expect(page.get_by_role("main")).to_contain_text("Calls use version 2 now.")
    page.get_by_role("button", name="Roll back to version 1").click()
    expect(flash(page)).to_contain_text("Version 1 is published.")
    expect(page.get_by_role("row", name=re.compile("the first words"))).to_contain_text("Published")


def test_from_a_new_prompt_to_a_call_and_back_again(page: Page, telephone: Telephone, complaints: Complaints) -> None:
    complaints.allow(r"422 .*/ui/prompts/new|status of 422")
    write_the_prompt(page)
    try_the_draft(page)
    page.get_by_role("button", name="Save and publish").click()
    expect(flash(page)).to_contain_text("Version 1 is published.")
    prompt = page.url

    desk = page.context.new_page()
    complaints.watch(desk)
    row = watch_calls(desk).get_by_role("row").filter(has_text=QUESTION)
    with telephone.calling(f"{QUESTION} stub:delay=3s"):
        expect(row).to_contain_text(NAME)
        expect(desk.locator("[data-live-words]")).to_have_text("1 call now.")
    telephone.hears(FIRST, 1)
    expect(row).to_have_count(0)
    open_ended(desk, FIRST)
    conversation = re.sub(r".*/ui/calls/(\d+).*", r"\1", desk.url)
    look_into(desk)

    publish_the_second(desk)
    call_and_open(desk, telephone, SECOND, 2)

    # A tab in the background is drawn once a second.
    page.bring_to_front()
    replay_the_first_call(page, prompt, conversation)
    roll_back(page)
    desk.bring_to_front()
    call_and_open(desk, telephone, FIRST, 1)


def test_of_two_editors_the_second_is_told_and_nothing_is_lost(
    browser: Browser, service: Service, page: Page, complaints: Complaints
) -> None:
    complaints.allow(r"409 .*/ui/prompts/\d+|status of 409")
    name, password = "shared desk", "a long password"
    page.goto("/ui/users/new")
    page.get_by_label("Name", exact=True).fill("eve")
    for label in ("Password", "The same again"):
        page.get_by_label(label, exact=True).fill(password)
    page.get_by_label("Role").select_option("editor")
    page.get_by_role("button", name="Add the user").click()
    expect(flash(page)).to_be_visible()

    page.goto("/ui/prompts/new")
    page.get_by_label("Name", exact=True).fill(name)
    type_into(page, "content", "You answer for both.")
    page.get_by_role("button", name="Save and publish").click()
    expect(flash(page)).to_contain_text("Version 1 is published.")

    # The second types first, and saves last.
    type_into(page, "content", "You answer for admin.")
    page.get_by_label("Fallback sentence").fill("One moment, please.")
    page.get_by_label("Note").fill("mine")
    with visiting(browser, service.url, login=("eve", password), complaints=complaints) as visitor:
        theirs = visitor.page()
        theirs.goto(page.url)
        type_into(theirs, "content", "You answer for eve.")
        theirs.get_by_label("Note").fill("theirs")
        theirs.get_by_role("button", name="Save and publish").click()
        expect(flash(theirs)).to_contain_text("Version 2 is published.")

    page.get_by_role("button", name="Save and publish").click()
    expect(page.locator("#form-errors")).to_be_focused()
    expect(page.locator("#form-errors")).to_contain_text(f"eve saved {name} as version 2 in the meantime")
    expect(page.get_by_role("heading", name="What eve changed")).to_be_visible()
    expect(page.locator(".conflict .compare").first).to_contain_text("You answer for eve.")
    expect(page.locator(".conflict .compare").last).to_contain_text("You answer for admin.")
    expect(page.locator("#prompt-form .editor:has([name=content]) .cm-content")).to_have_text("You answer for admin.")
    expect(page.get_by_label("Fallback sentence")).to_have_value("One moment, please.")
    expect(page.get_by_label("Note")).to_have_value("mine")
    page.get_by_role("button", name="Save on top and publish").click()
    expect(flash(page)).to_contain_text("Version 3 is published.")

    # Both are kept, with who saved them and why.
    page.get_by_role("link", name="Versions (3)").click()
    expect(page.get_by_role("row", name=re.compile("by eve theirs"))).to_be_visible()
    expect(page.get_by_role("row", name=re.compile(f"by {LOGIN[0]} mine"))).to_contain_text("Published")
    page.get_by_role("link", name="Version 2", exact=True).click()
    expect(page.locator(".cm-content").first).to_have_text("You answer for eve.")
