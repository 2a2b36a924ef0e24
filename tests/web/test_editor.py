"""The editor of prompts, JSON and YAML as its users have it: the form's field behind it, the keyboard, the messages."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, Route, expect

from app.api.headers import policy_with_styles
from tests.web.browser import Complaints, assert_accessible, assert_fits, visiting

STATIC = Path(__file__).resolve().parents[2] / "app/web/static"
ADDRESS = "http://editor.test"
NONCE = "bm9uY2U"
KINDS = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
BODY = """
<form method="post" action="/sent">
<label for="f-content">Prompt</label>
<textarea id="f-content" name="content" rows="8" data-language="jinja">Hello {{ company }}.</textarea>
<label for="f-metadata">Metadata</label>
<textarea id="f-metadata" name="metadata" data-language="json" aria-describedby="help" maxlength="100">
{"a": 1}</textarea>
<small id="help">Whatever you like to keep.</small>
<label for="f-file">File</label>
<textarea id="f-file" name="file" data-language="yaml" readonly>a: 1</textarea>
<label for="f-greeting">Greeting</label>
<textarea id="f-greeting" name="greeting" data-language="text" required></textarea>
<a href="#f-content">To the prompt</a>
<button>Save</button>
</form>
<div id="comparison"></div>
"""
PAGE = f"""<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Editor</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" content="light dark">
<meta name="csp-nonce" content="{NONCE}"><link rel="icon" href="/static/icon.svg">
<link rel="stylesheet" href="/static/vendor/pico/pico.min.css"><link rel="stylesheet" href="/static/app.css">
<script src="/static/vendor/htmx/htmx.min.js" defer></script><script type="module" src="/static/editor.js"></script>
</head><body><main class="container"><h1>Editor</h1>{BODY}</main></body></html>"""


def serve(route: Route) -> None:
    """The page and our static files, under the policy of a real page."""
    path = route.request.url.removeprefix(ADDRESS).partition("#")[0]
    if path.startswith("/static/"):
        file = STATIC / path.removeprefix("/static/")
        route.fulfill(body=file.read_bytes(), content_type=KINDS[file.suffix])
    else:
        body = "<title>x</title><p>sent" if path == "/sent" else PAGE
        policy = policy_with_styles(NONCE)
        route.fulfill(body=body, content_type="text/html", headers={"Content-Security-Policy": policy})


@pytest.fixture
def page(browser: Browser, complaints: Complaints) -> Iterator[Page]:
    with visiting(browser, ADDRESS, login=None, complaints=complaints) as visitor:
        visitor.context.route(f"{ADDRESS}/**", serve)
        page = visitor.page()
        page.goto("/")
        page.wait_for_selector(".cm-editor")
        yield page


def editor(page: Page, label: str) -> Locator:
    return page.get_by_role("textbox", name=label, exact=True)


def value(page: Page, name: str) -> Any:
    return page.evaluate("(name) => document.forms[0].elements[name].value", name)


def sent(page: Page, name: str) -> Any:
    """What the form would send."""
    return page.evaluate("(name) => new FormData(document.forms[0]).get(name)", name)


def with_editor(page: Page, script: str, argument: object = None) -> Any:
    """Run a function of ``(it, argument)``, where ``it`` is what editor.js exports."""
    return page.evaluate(
        f"async (argument) => ({script})(await import('/static/editor.js'), argument)",
        argument,
    )


def message(page: Page, name: str) -> Locator:
    return page.locator(f".editor:has(#f-{name}) .editor-message")


def test_what_is_typed_is_in_the_form_and_told_to_other_scripts(page: Page) -> None:
    page.evaluate(
        """() => {
          window.seen = [];
          const note = (it) => seen.push(`${it.type} ${it.target.name}`);
          for (const kind of ["input", "change"]) addEventListener(kind, note);
        }"""
    )
    editor(page, "Prompt").click()
    page.keyboard.press("Control+End")
    page.keyboard.type(" Bye.")
    assert value(page, "content") == sent(page, "content") == "Hello {{ company }}. Bye."
    page.keyboard.press("Tab")
    # The editor tells that it was left a moment later; the page's policy does not let a script wait for that.
    for _ in range(100):
        if page.evaluate("seen.at(-1)") == "change content":
            break
        page.wait_for_timeout(20)
    assert page.evaluate("seen.at(-1)") == "change content"
    assert "input content" in page.evaluate("seen")


def test_setting_the_field_changes_the_editor_without_an_event_and_can_be_undone(page: Page) -> None:
    page.evaluate("window.seen = 0; addEventListener('input', () => { seen += 1; })")
    page.evaluate("document.forms[0].content.value = 'One'")
    expect(editor(page, "Prompt")).to_have_text("One")
    with_editor(page, "(it) => it.setValue(document.getElementById('f-content'), 'Two')")
    expect(editor(page, "Prompt")).to_have_text("Two")
    assert sent(page, "content") == "Two"
    assert page.evaluate("seen") == 0
    editor(page, "Prompt").click()
    page.keyboard.press("Control+z")
    page.keyboard.press("Control+z")
    assert sent(page, "content") == "Hello {{ company }}."
    page.evaluate("document.forms[0].reset()")
    expect(editor(page, "Prompt")).to_have_text("Hello {{ company }}.")


def test_tab_goes_on_and_labels_and_links_lead_to_the_editor(page: Page) -> None:
    page.get_by_text("Prompt", exact=True).click()
    expect(editor(page, "Prompt")).to_be_focused()
    outline = page.evaluate("getComputedStyle(document.querySelector('.cm-focused')).outlineWidth")
    assert outline == "2px"
    page.keyboard.press("Tab")
    expect(editor(page, "Metadata")).to_be_focused()
    page.keyboard.press("Shift+Tab")
    expect(editor(page, "Prompt")).to_be_focused()
    page.keyboard.press("Control+End")
    page.keyboard.type(" {{ l")
    page.keyboard.press("Escape")
    page.keyboard.press("Tab")
    expect(editor(page, "Metadata")).to_be_focused()
    page.get_by_role("link", name="To the prompt").click()
    expect(editor(page, "Prompt")).to_be_focused()


def test_json_is_checked_in_words_with_line_and_column(page: Page) -> None:
    with_editor(page, "(it) => it.setValue(document.getElementById('f-metadata'), '{\\n  \"a\": 1,,\\n}')")
    expect(message(page, "metadata")).to_contain_text("line 2, column 10")
    expect(editor(page, "Metadata")).to_have_attribute("aria-invalid", "true")
    described = (editor(page, "Metadata").get_attribute("aria-describedby") or "").split()
    assert described == ["help", message(page, "metadata").get_attribute("id")]
    page.evaluate("document.forms[0].metadata.value = ''")
    expect(message(page, "metadata")).to_be_empty()
    expect(editor(page, "Metadata")).not_to_have_attribute("aria-invalid", "true")


def test_a_text_that_is_too_long_is_said_and_not_sent(page: Page) -> None:
    page.evaluate("document.forms[0].metadata.value = JSON.stringify('x'.repeat(1000))")
    expect(message(page, "metadata")).to_have_text("This is 902 characters too long: at most 100 fit.")
    page.evaluate("document.forms[0].greeting.value = 'Hello'")
    page.get_by_role("button", name="Save").click()
    expect(editor(page, "Metadata")).to_be_focused()
    page.evaluate("document.forms[0].metadata.value = '1'")
    page.get_by_role("button", name="Save").click()
    page.wait_for_url("**/sent")


def test_a_required_field_that_is_empty_is_shown_by_the_browser(page: Page) -> None:
    page.get_by_role("button", name="Save").click()
    expect(editor(page, "Greeting")).to_be_focused()
    assert page.url.rstrip("/") == ADDRESS


def test_a_field_that_is_read_only_can_be_read_and_not_changed(page: Page) -> None:
    editor(page, "File").click()
    page.keyboard.type("x")
    assert value(page, "file") == "a: 1"
    expect(editor(page, "File")).to_have_attribute("aria-readonly", "true")
    page.evaluate("document.forms[0].file.readOnly = false")
    page.keyboard.type("x")
    assert "x" in value(page, "file")


def test_a_page_adds_checks_that_ask_the_server(page: Page) -> None:
    with_editor(
        page,
        """(it) => {
          const area = document.getElementById("f-content");
          window.known = [];
          window.asked = [];
          it.checkWith(area, async (text, signal) => {
            asked.push([text, signal]);
            await new Promise((resolve) => setTimeout(resolve, 50));
            return [...text.matchAll(/{{ (\\w+) }}/g)].filter(([, name]) => !known.includes(name))
              .map(([all, name]) => ({ line: 1, column: text.indexOf(all) + 4, length: name.length, severity: "warning",
                                       message: `No call has sent ${name} yet.` }));
          });
        }""",
    )
    expect(message(page, "content")).to_have_text("Line 1, column 10: No call has sent company yet.")
    expect(page.locator(".cm-lintRange-warning")).to_have_text("company")
    expect(editor(page, "Prompt")).not_to_have_attribute("aria-invalid", "true")
    page.evaluate("known.push('company')")
    with_editor(page, "(it) => it.recheck(document.getElementById('f-content'))")
    expect(message(page, "content")).to_be_empty()
    with_editor(
        page, "(it) => it.checkWith(document.getElementById('f-content'), async () => { throw new Error('down'); })"
    )
    page.evaluate("document.forms[0].content.value += '!'")
    expect(message(page, "content")).to_contain_text("could not be checked just now")


def test_names_are_offered_inside_of_tags_and_not_in_prose(page: Page) -> None:
    with_editor(
        page,
        """(it) => it.completeWith(document.getElementById("f-content"),
          async () => [{ label: "caller_number", detail: "call" }, { label: "caller_name" }])""",
    )
    editor(page, "Prompt").click()
    page.keyboard.press("Control+End")
    page.keyboard.type(" caller")
    page.wait_for_timeout(300)
    expect(page.get_by_role("listbox")).to_have_count(0)
    page.keyboard.type(" {{ caller_nu")
    expect(page.get_by_role("option", name="caller_number")).to_be_visible()
    page.wait_for_timeout(100)  # a list that has just opened takes no Enter, by design
    page.keyboard.press("Enter")
    assert value(page, "content").endswith(" caller {{ caller_number}}")


def test_what_htmx_brings_becomes_an_editor_and_what_it_takes_is_let_go(page: Page) -> None:
    page.evaluate(
        """() => {
          document.querySelector("form").innerHTML = `<label for="f-new">New</label>
            <textarea id="f-new" name="new" data-language="json">[1</textarea>`;
          document.dispatchEvent(new Event("htmx:after:swap"));
        }"""
    )
    expect(editor(page, "New")).to_have_text("[1")
    expect(message(page, "new")).to_contain_text("line 1, column 3")
    assert page.locator(".cm-editor").count() == 1


@pytest.mark.parametrize("line", ["x", "word ", '{"a": [1, 2]}, ', "a line of text\n"])
@pytest.mark.parametrize("name", ["content", "metadata", "file", "greeting"])
def test_a_megabyte_does_not_freeze_the_page(page: Page, name: str, line: str) -> None:
    page.evaluate("document.forms[0].file.readOnly = false; document.forms[0].metadata.removeAttribute('maxlength')")
    longest = page.evaluate(
        """async ([name, line]) => {
          const area = document.forms[0].elements[name];
          const painted = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
          let longest = 0, last = performance.now(), going = true;
          const watch = () => {
            longest = Math.max(longest, performance.now() - last);
            last = performance.now();
            if (going) setTimeout(watch);
          };
          watch();
          area.value = line.repeat(Math.ceil(1_000_000 / line.length));
          await painted();
          area.focus();
          document.execCommand("insertText", false, "y");
          await painted();
          await new Promise((done) => setTimeout(done, 800));
          going = false;
          return longest;
        }""",
        [name, line],
    )
    assert value(page, name).startswith("y")
    assert longest < 1500  # as measured 0.1 to 0.3 s; a browser asks about stopping a script after some seconds


def test_two_versions_are_compared_side_by_side(page: Page) -> None:
    left = [f"Line {number}" for number in range(60)]
    right = [*left[:10], "Line ten", *left[11:40], *left[41:]]
    with_editor(
        page,
        """(it, [left, right]) => {
          window.away = it.compare(document.getElementById("comparison"), left, right,
                                   { labels: ["Version 3", "Version 4"], language: "jinja" });
        }""",
        ["\n".join(left), "\n".join(right)],
    )
    comparison = page.locator("#comparison")
    expect(comparison.get_by_text("They differ in 2 places.")).to_be_visible()
    expect(comparison.get_by_text("Version 3", exact=True)).to_be_visible()
    expect(editor(page, "Version 4")).to_contain_text("Line ten")
    expect(editor(page, "Version 3")).not_to_contain_text("Line 25")
    editor(page, "Version 3").focus()
    page.keyboard.type("x")
    expect(editor(page, "Version 3")).not_to_contain_text("x")
    assert_accessible(page)
    comparison.get_by_role("button", name="Show all lines").click()
    expect(editor(page, "Version 3")).to_contain_text("Line 25")
    page.evaluate("away()")
    assert comparison.inner_html() == ""
    with_editor(page, "(it) => { it.compare(document.getElementById('comparison'), 'a', 'a'); }")
    expect(comparison.get_by_text("Both are the same.")).to_be_visible()


def test_the_editor_and_its_search_keep_nobody_out(page: Page) -> None:
    page.evaluate("document.forms[0].metadata.value = '{'")
    expect(message(page, "metadata")).to_contain_text("line 1")
    assert_accessible(page)
    editor(page, "Prompt").click()
    page.keyboard.press("Control+f")
    expect(page.locator(".cm-search")).to_be_visible()
    assert_accessible(page)
    page.set_viewport_size({"width": 390, "height": 844})
    assert_fits(page)
    page.keyboard.press("Escape")
    expect(editor(page, "Prompt")).to_be_focused()
    editor(page, "Metadata").click()
    page.keyboard.press("Control+Shift+M")
    expect(page.locator(".cm-panel-lint")).to_be_visible()
    assert_accessible(page)


def test_numbers_stand_beside_their_lines_before_one_has_scrolled_there(page: Page) -> None:
    page.evaluate(
        """async () => {
          const area = document.createElement("textarea");
          area.dataset.language = "json";
          area.value = '{\\n"a": 1,\\n"b": 2,\\n"c": 3\\n}';
          document.querySelector("main").style.paddingTop = "5000px";
          document.querySelector("form").append(area);
          (await import("/static/editor.js")).attach();
          area.closest(".editor").id = "late";
        }"""
    )
    page.wait_for_timeout(300)  # whatever the editor still measures
    tops = page.evaluate(
        """() => {
          const top = (it) => Math.round(it.getBoundingClientRect().top);
          const editor = document.getElementById("late");
          const numbers = [...editor.querySelectorAll(".cm-lineNumbers .cm-gutterElement")];
          const lines = [...editor.querySelectorAll(".cm-line")];
          return [numbers.filter((it) => it.clientHeight).map(top), lines.map(top)];
        }"""
    )
    assert tops[1][0] > 2_000
    assert tops[0] == tops[1]


def test_what_the_browser_brings_back_is_in_the_editor(page: Page) -> None:
    page.evaluate(
        """() => {
          const area = document.getElementById("f-content");
          Object.getOwnPropertyDescriptor(HTMLTextAreaElement.prototype, "value").set.call(area, "Brought back");
          dispatchEvent(new PageTransitionEvent("pageshow"));
        }"""
    )
    expect(page.locator(".editor .cm-content").first).to_have_text("Brought back")
