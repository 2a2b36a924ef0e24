"""The playground in a real browser, on a service whose models are the demo and a stub."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from lab.service import Service
from tests.fixtures.gateway import StubProcess
from tests.fixtures.leaks import keep
from tests.web.browser import LOGIN, Complaints, assert_accessible, assert_fits, require_browser


@pytest.fixture(scope="module")
def service(stub_process: StubProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    require_browser()
    settings = {
        "WEB_UI_PASSWORD": LOGIN[1],
        "OPENAI_API_KEY": "sk-test-0123456789abcdef",
        "OPENAI_BASE_URL": f"{stub_process.url}/v1",
        "DEFAULT_AI_MODEL": "demo",
        "HISTORY_PRICES": json.dumps({"openai:gpt-6-luna": {"input": 1, "output": 4}}),
    }
    with Service(tmp_path_factory.mktemp("service"), settings) as service:
        keep(service)
        yield service


def post(page: Page, path: str, body: dict[str, Any], method: str = "POST") -> Any:
    answer = page.request.fetch(path, method=method, data=body)
    assert answer.ok, answer.text()
    return answer.json()


@pytest.fixture(scope="module")
def made() -> set[str]:
    return set()


@pytest.fixture
def night(page: Page, made: set[str]) -> str:
    """A prompt with a published version and a newer draft."""
    name = f"night {len(made)}"
    made.add(name)
    prompt = post(page, "/api/prompts", {"name": name, "content": "You are the porter of {{ house }}."})
    newer = {"name": name, "content": "Be short.", "expected_version": 1, "publish": False}
    post(page, f"/api/prompts/{prompt['id']}", newer, "PUT")
    return name


def say(page: Page, words: str) -> None:
    page.get_by_label("What the caller says").fill(words)
    page.keyboard.press("Enter")


def test_an_answer_comes_with_its_tools_times_tokens_and_variables(page: Page) -> None:
    page.goto("/ui/playground?prompt=receptionist")
    log = page.get_by_role("log")
    expect(log).to_contain_text("Nothing was said yet.")
    expect(log).to_have_attribute("aria-live", "polite")
    say(page, "Where is my order A1042?")
    expect(log.get_by_text("Answered", exact=True)).to_be_visible()
    expect(log.locator(".written")).to_contain_text("A1042 is shipped")
    expect(log.locator(".figures")).to_contain_text("demo:demo")
    expect(log.locator(".figures")).to_contain_text(re.compile(r"\d+ tokens in, \d+ out"))
    tool = log.locator("details", has_text="get_order_status").first
    expect(tool.locator("summary")).to_contain_text(re.compile(r"answered after \d+ ms"))
    tool.locator("summary").click()
    expect(tool).to_contain_text('"order_id": "A1042"')
    log.get_by_text("What the dialplan gets").click()
    expect(log.locator("tr", has_text="AI_STATUS")).to_contain_text("OK")
    log.get_by_text("Where the time went").click()
    expect(log.locator("table.times tr", has_text="Model, message 2")).to_be_visible()
    log.get_by_text("What the model was told").click()
    expect(log).to_contain_text("tools: get_order_status")
    say(page, "Thank you")
    expect(log.locator(".figures").last).to_contain_text("turn 2")
    page.get_by_role("button", name="New conversation").click()
    say(page, "Hello")
    expect(log.locator(".figures")).to_contain_text("turn 1")
    assert_accessible(page)


def test_the_text_streams_and_can_be_stopped(page: Page) -> None:
    page.goto("/ui/playground?model=openai:stub:gap=200ms")
    say(page, "stub:gap=200ms stub:piece=4 stub:say=One two three four five six seven eight nine ten.")
    written = page.locator(".written")
    expect(written).to_have_text(re.compile("^One "))
    expect(page.get_by_role("button", name="Say it")).to_be_disabled()
    page.get_by_role("button", name="Stop").click()
    expect(page.locator(".figures")).to_contain_text("This turn is not remembered.")
    assert "ten" not in written.inner_text()
    say(page, "stub:say=Again.")
    expect(page.locator(".figures").last).to_contain_text("turn 1")


def test_versions_and_models_answer_side_by_side(page: Page, night: str) -> None:
    page.goto(f"/ui/playground?prompt={night}&version=1&version=2&model=demo&model=openai")
    one, other = page.get_by_role("log").all()
    expect(page.get_by_role("heading", name=f"A: {night}, version 1")).to_be_visible()
    expect(page.get_by_role("heading", name=f"B: {night}, version 2")).to_be_visible()
    say(page, "stub:say=From the stub.")
    expect(one.locator(".figures")).to_contain_text("demo:demo")
    expect(other.locator(".figures")).to_contain_text("openai:gpt-6-luna")
    expect(other.locator(".figures")).to_contain_text("cost 0.0000")
    expect(other.locator(".written")).to_have_text("From the stub.")
    page.get_by_role("button", name="Add a column").click()
    expect(page.get_by_role("log")).to_have_count(3)
    expect(page.get_by_role("button", name="Add a column")).to_be_hidden()
    page.get_by_role("button", name="Remove column C").click()
    expect(page.get_by_role("log")).to_have_count(2)
    assert_accessible(page)
    assert_fits(page)


def test_variables_that_the_text_uses_are_there_and_reach_the_prompt(page: Page, night: str) -> None:
    page.goto(f"/ui/playground?prompt={night}")
    expect(page.locator("#setup-summary")).to_contain_text("0 of 1 variables")
    page.locator("#setup > summary").click()
    page.get_by_label("Value of house").fill("the Grand Hotel")
    page.get_by_role("button", name="Add a variable").click()
    page.keyboard.type("tier")
    page.get_by_label("Value", exact=True).fill("gold")
    expect(page.locator("#setup-summary")).to_contain_text("2 of 2 variables")
    say(page, "Hello")
    log = page.get_by_role("log")
    log.get_by_text("What the model was told").click()
    expect(log).to_contain_text("You are the porter of the Grand Hotel.")
    page.get_by_label("Version", exact=True).select_option("2")
    expect(page.locator("#setup-summary")).to_contain_text("2 of 2")
    assert_accessible(page)


def test_the_editors_draft_is_tried_without_being_saved(page: Page, night: str) -> None:
    page.goto("/ui/playground")
    draft = {"id": 1, "name": "unsaved one", "content": "Draft for {{ who }}.", "expected_version": 3}
    page.evaluate("(draft) => sessionStorage.setItem('asterisk-ai.draft', JSON.stringify(draft))", draft)
    page.goto("/ui/playground?draft=1&model=openai")
    expect(page.get_by_role("heading", name="unsaved one, unsaved")).to_be_visible()
    expect(page.locator("#setup-summary")).to_contain_text("0 of 1")
    say(page, "stub:say=Yes.")
    log = page.get_by_role("log")
    log.get_by_text("What the dialplan gets").click()
    expect(log.locator("tr", has_text="AI_PROMPT_VERSION")).to_contain_text("unsaved one:draft")
    names = [each["name"] for each in page.request.get("/api/prompts").json()["items"]]
    assert "unsaved one" not in names


def test_from_the_editor_to_the_playground_and_back(page: Page) -> None:
    page.goto("/ui/prompts/new")
    page.locator("[name=name]").fill("brand new")
    page.locator("[name=content]").evaluate("(area) => { area.value = 'Be {{ mood }}.'; }")
    page.get_by_role("button", name="Try it unsaved").click()
    expect(page.get_by_role("heading", name="brand new, unsaved")).to_be_visible()
    expect(page.locator("#setup-summary")).to_contain_text("0 of 1 variables")
    say(page, "Hello")
    expect(page.locator(".figures")).to_contain_text("Answered")
    page.get_by_role("link", name="Back to the editor").click()
    expect(page.locator("[name=name]")).to_have_value("brand new")


def test_a_draft_that_cannot_be_used_says_why_and_keeps_the_words(page: Page, complaints: Complaints) -> None:
    complaints.allow("422")
    page.goto("/ui/playground")
    page.evaluate("sessionStorage.setItem('asterisk-ai.draft', JSON.stringify({name: 'x', content: '{{ oh'}))")
    page.goto("/ui/playground?draft=1")
    say(page, "Hello there")
    expect(page.get_by_role("log")).to_contain_text("content: Line 1:")
    expect(page.get_by_label("What the caller says")).to_have_value("Hello there")
    page.evaluate("sessionStorage.clear()")
    page.goto("/ui/playground?draft=1")
    expect(page.locator("#no-draft")).to_be_visible()


def test_an_unknown_model_is_said_beside_its_field(page: Page, complaints: Complaints) -> None:
    complaints.allow("422")
    page.goto("/ui/playground")
    page.get_by_label("Model (optional)").fill("nobody:x")
    say(page, "Hello")
    field = page.get_by_label("Model (optional)")
    expect(field).to_have_attribute("aria-invalid", "true")
    expect(page.locator(".field .wrong")).to_contain_text("There is no provider 'nobody'")
    assert_accessible(page)
    field.fill("demo")
    expect(page.locator(".field .wrong")).to_be_hidden()


def test_a_prompt_that_is_gone_is_told(page: Page) -> None:
    page.goto("/ui/playground?prompt=long%20gone")
    expect(page.get_by_role("log")).to_contain_text("There is no prompt long gone here")


def test_a_failure_shows_what_the_caller_would_hear_and_what_to_do(page: Page) -> None:
    page.goto("/ui/playground?model=openai")
    say(page, "stub:status=401")
    log = page.get_by_role("log")
    expect(log).to_contain_text("The provider refused the key.")
    expect(log.locator(".heard")).to_contain_text("I am sorry")
    expect(log.locator(".figures")).to_contain_text("Failed")
    say(page, "stub:say=**Bold** words.")
    expect(log.locator(".heard").last).to_contain_text("Bold words.")
    assert_accessible(page)


def test_it_fits_a_phone(phone: Page) -> None:
    phone.goto("/ui/playground?prompt=receptionist")
    say(phone, "Where is my order A1042?")
    expect(phone.get_by_text("Answered", exact=True)).to_be_in_viewport()
    assert_fits(phone)
    assert_accessible(phone)
