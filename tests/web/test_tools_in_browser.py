"""The pages of tools as their users have them: in a real browser, with keyboard and scripts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Dialog, FilePayload, HttpCredentials, Locator, Page, expect

from lab.service import Service
from tests.web.browser import LOGIN, Complaints, assert_accessible, assert_fits

SCHEMA = {
    "type": "object",
    "properties": {
        "order_id": {"type": "string", "description": "The number", "pattern": "^[A-Z][0-9]+$", "x-mine": 1},
        "either": {"oneOf": [{"type": "string"}, {"type": "integer"}], "description": "One or the other"},
    },
    "required": ["order_id"],
    "additionalProperties": False,
}


def api(page: Page, method: str, path: str, body: Any = None) -> Any:
    """What the service's own API says, called as a page does."""
    return page.evaluate(
        """async ([method, path, body]) => {
            const headers = { "Content-Type": "application/json" };
            const options = { method, headers, body: body && JSON.stringify(body) };
            const answer = await fetch(new URL(path, location.origin).href, options);
            return answer.status === 204 ? null : answer.json();
        }""",
        [method, path, body],
    )


def parameters(page: Page) -> Locator:
    return page.locator("#f-parameters")


def schema(page: Page) -> Any:
    return json.loads(parameters(page).input_value())


def write_schema(page: Page, text: str) -> None:
    """As somebody types it: over everything that is there."""
    page.locator("#schema-text .cm-content").click()
    page.keyboard.press("Control+a")
    page.keyboard.press("Delete")
    page.keyboard.insert_text(text)


def row(page: Page, number: int) -> Locator:
    return page.locator("#schema-form .schema-row").nth(number)


@pytest.fixture
def tool(page: Page, service: Service) -> Iterator[int]:
    """A tool of the service's own example, that goes away with the test."""
    page.goto("/ui/tools")
    body = {
        "name": "find_order",
        "description": "Finds an order.",
        "parameters": SCHEMA,
        "request": {
            "method": "GET",
            "url": service.url + "/api/example/orders/{{ order_id }}",
            "headers": {"X-Api-Key": "secret-of-the-test", "X-Line": "{{ call.called_number }}"},
        },
    }
    made = api(page, "POST", "/api/tools", body)
    yield made["id"]
    page.goto("about:blank")
    page.goto("/ui/tools")
    api(page, "DELETE", f"/api/tools/{made['id']}")


def test_a_tool_is_made_from_nothing_by_form_and_keyboard_and_tried_before_it_is_saved(
    page: Page, service: Service
) -> None:
    page.goto("/ui/tools")
    page.get_by_role("button", name="New tool").click()
    page.get_by_label("Name", exact=True).fill("where_is_it")
    page.get_by_label("Description", exact=True).fill("Says where an order is.")
    page.get_by_role("button", name="Add a parameter").press("Enter")
    first = row(page, 0)
    expect(first.get_by_label("Name")).to_be_focused()
    page.keyboard.insert_text("order_id")
    page.keyboard.press("Tab")
    expect(first.get_by_label("Type")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    first.get_by_label("What it is, for the model").fill("The number of the order")
    assert schema(page) == {
        "type": "object",
        "properties": {"order_id": {"type": "string", "description": "The number of the order"}},
        "required": ["order_id"],
    }
    url = page.get_by_label("URL", exact=True)
    url.fill(service.url + "/api/example/orders/")
    page.get_by_role("button", name="Insert order_id").click()
    expect(url).to_have_value(service.url + "/api/example/orders/{{ order_id }}")

    trying = page.locator("#try")
    trying.get_by_label("order_id", exact=True).fill("A1042")
    trying.get_by_role("button", name="Run").click()
    expect(trying.get_by_role("status").first).to_contain_text("HTTP 200")
    expect(trying.get_by_label("Body of the response")).to_contain_text('"order_id": "A1042"')
    expect(trying.get_by_label("What the model would be told")).to_contain_text("shipped")
    expect(trying.get_by_label("The request", exact=True)).to_contain_text("/api/example/orders/A1042")

    page.get_by_role("button", name="Create the tool").click()
    expect(page.get_by_text("where_is_it is there.")).to_be_visible()
    expect(page.locator("#try").get_by_label("order_id", exact=True)).to_have_value("")
    assert_accessible(page)


def test_the_text_follows_the_form_and_keeps_what_it_cannot_show(page: Page, tool: int) -> None:
    page.goto(f"/ui/tools/{tool}")
    expect(row(page, 1)).to_contain_text("kept as it is in the schema: oneOf")
    expect(page.locator("#schema-form")).to_contain_text("kept as it is in the schema: additionalProperties")
    row(page, 0).get_by_label("Name").fill("number")
    row(page, 0).get_by_text("Default and limits").click()
    row(page, 0).get_by_label("Shortest, in characters").fill("2")
    row(page, 1).get_by_label("What it is, for the model").fill("Whichever")
    changed = schema(page)
    assert list(changed["properties"]) == ["number", "either"]
    assert changed["required"] == ["number"]
    assert changed["properties"]["number"] == {**SCHEMA["properties"]["order_id"], "minLength": 2}  # type: ignore[index]
    assert changed["properties"]["either"]["oneOf"] == SCHEMA["properties"]["either"]["oneOf"]  # type: ignore[index]
    assert changed["additionalProperties"] is False
    row(page, 0).get_by_role("button", name="Move down number").click()
    assert list(schema(page)["properties"]) == ["either", "number"]
    row(page, 1).get_by_role("button", name="Remove number").click()
    assert "required" not in schema(page)
    page.locator("#schema-text .cm-content").click()
    page.keyboard.press("Control+z")
    expect(row(page, 1).get_by_label("Name")).to_have_value("number")


def test_the_form_follows_the_text_and_waits_while_it_is_no_json(page: Page, tool: int) -> None:
    page.goto(f"/ui/tools/{tool}")
    write_schema(page, '{"type": "object", "properties": {"when": {"type": "string", "enum": ["today", "later"]}}}')
    expect(row(page, 0).get_by_label("Name")).to_have_value("when")
    expect(row(page, 0).get_by_label("Type")).to_have_value("choice")
    expect(row(page, 0).get_by_label("Allowed values")).to_have_value("today\nlater")
    write_schema(page, '{"type": "object",')
    expect(page.locator("#schema-form .schema-trouble")).to_contain_text("waits until the text is JSON again")
    expect(row(page, 0).get_by_label("Name")).to_be_disabled()
    write_schema(page, '{"type": "object", "properties": ["a"]}')
    expect(page.locator("#schema-form .schema-trouble")).to_contain_text("The form cannot show this")
    write_schema(page, '{"type": "object", "properties": {}}')
    expect(page.locator("#schema-form .schema-row")).to_have_count(0)


def test_a_name_that_cannot_be_is_said_and_the_old_one_stays(page: Page, tool: int) -> None:
    page.goto(f"/ui/tools/{tool}")
    name = row(page, 0).get_by_label("Name")
    for typed, words in (("either", "Another parameter has this name"), ("two words", "no spaces"), ("", "Give the")):
        name.fill(typed)
        expect(row(page, 0)).to_contain_text(words)
        expect(name).to_have_attribute("aria-invalid", "true")
        assert list(schema(page)["properties"]) == ["order_id", "either"]
    page.get_by_role("button", name="Save as version 2").click()
    expect(name).to_be_focused()  # the browser does not send it
    name.fill("order_id")
    expect(row(page, 0)).not_to_contain_text("Give the")


def test_what_is_wrong_is_said_beside_its_field_while_one_types(page: Page, tool: int) -> None:
    page.goto(f"/ui/tools/{tool}")
    url = page.get_by_label("URL", exact=True)
    good = url.input_value()
    url.fill("https://shop.example.com/{{ nobody }}")
    expect(page.locator('[id="f-request.url-error"]')).to_contain_text("is no parameter of the tool")
    expect(url).to_have_attribute("aria-invalid", "true")
    expect(page.locator("#problems")).to_contain_text("Look at: URL")
    url.fill(good)
    expect(page.locator("#problems")).to_be_hidden()
    page.get_by_role("button", name="Add a header").click()
    page.get_by_label("Header 3").fill("X Bad")
    expect(page.locator('[data-lines="header"]')).to_contain_text("is no header name")
    page.locator('[data-lines="header"] .line').nth(2).get_by_role("button", name="Remove this header").click()
    expect(page.locator("#problems")).to_be_hidden()


def test_a_new_form_does_not_complain_of_what_nobody_has_filled_in_yet(page: Page) -> None:
    page.goto("/ui/tools/new")
    with page.expect_response("**/ui/tools/check"):
        page.get_by_label("Name", exact=True).fill("a b")
    expect(page.locator("#problems")).to_be_hidden()
    with page.expect_response("**/ui/tools/check"):
        page.get_by_label("Description", exact=True).focus()
    expect(page.locator("#problems")).to_contain_text("Look at: Name.")
    page.get_by_label("Name", exact=True).fill("")


def test_a_secret_is_masked_kept_and_replaced(page: Page, tool: int) -> None:
    page.goto(f"/ui/tools/{tool}")
    value = page.get_by_label("Value 1", exact=True)
    expect(value).to_have_value("***")
    expect(value).not_to_be_editable()
    trying = page.locator("#try")
    trying.get_by_label("order_id", exact=True).fill("A1042")
    trying.get_by_label("call.called_number").fill("500")
    trying.get_by_role("button", name="Run").click()
    expect(trying.get_by_role("status").first).to_contain_text("HTTP 200")
    sent = trying.locator("section", has_text="What was sent")
    sent.get_by_text("Headers (").click()
    expect(sent).to_contain_text("***")
    expect(sent).to_contain_text("500")
    assert "secret-of-the-test" not in page.content()
    page.get_by_role("button", name="Replace").click()
    expect(value).to_be_focused()
    value.fill("another-secret")
    page.get_by_role("button", name="Save as version 2").click()
    expect(page.get_by_text("Saved as version 2.")).to_be_visible()
    assert "another-secret" not in page.content()


def test_trying_says_in_words_what_went_wrong(page: Page, tool: int) -> None:
    page.goto(f"/ui/tools/{tool}")
    trying = page.locator("#try")
    trying.get_by_role("button", name="Run").click()
    expect(trying.locator(".banner.error")).to_contain_text("do not match its schema")
    expect(trying.get_by_label("What the model would be told")).to_contain_text("was not called")
    expect(trying.get_by_role("status").first).to_contain_text("Nothing was sent")
    trying.get_by_label("Write it as JSON").check()
    trying.locator(".cm-content").click()
    page.keyboard.press("Control+a")
    page.keyboard.press("Delete")
    page.keyboard.insert_text('{"order_id": ')
    trying.get_by_role("button", name="Run").click()
    expect(trying.locator(".banner.error")).to_contain_text("Not sent: the arguments cannot be read")
    page.get_by_label("Method").fill("DELETE")
    expect(trying).to_contain_text("DELETE usually changes something")
    expect(trying.get_by_role("button", name="Really run this DELETE")).to_be_visible()
    assert_accessible(page)


def test_a_page_that_was_changed_asks_before_it_is_left(page: Page, tool: int) -> None:
    page.goto(f"/ui/tools/{tool}")
    page.get_by_label("Description", exact=True).click()
    page.keyboard.type("More words. ")
    asked: list[str] = []

    def leave(dialog: Dialog) -> None:
        asked.append(dialog.type)
        dialog.accept()

    page.on("dialog", leave)
    page.get_by_role("link", name="Back to the list").click()
    expect(page.get_by_role("heading", name="Tools", exact=True)).to_be_visible()
    assert asked == ["beforeunload"]


def test_of_two_editors_the_second_sees_what_differs(page: Page, tool: int, complaints: Complaints) -> None:
    complaints.allow("409")
    page.goto(f"/ui/tools/{tool}")
    other = api(page, "GET", f"/api/tools/{tool}")
    fields = ("name", "parameters", "request")
    changed = {name: other[name] for name in fields} | {"description": "By another", "expected_version": 1}
    api(page, "PUT", f"/api/tools/{tool}", changed)
    page.get_by_label("Description", exact=True).fill("By me")
    page.get_by_role("button", name="Save as version 2").click()
    expect(page.get_by_text("saved find_order as version 2 in the meantime").first).to_be_visible()
    comparison = page.locator("[data-compare]")
    expect(comparison).to_contain_text("They differ in one place.")
    expect(comparison).to_contain_text("By another")
    assert_accessible(page)
    page.get_by_role("button", name="Save over version 2").click()
    expect(page.get_by_text("Saved as version 3.")).to_be_visible()
    page.goto(f"/ui/tools/{tool}/compare?left=2&right=3")
    expect(page.locator("[data-compare]")).to_contain_text("By me")
    assert_accessible(page)


def test_the_switch_in_the_list_works_in_place_and_says_so(page: Page, tool: int) -> None:
    page.goto("/ui/tools?search=find")
    page.get_by_role("button", name="Disable find_order").press("Enter")
    expect(page.locator("#said")).to_have_text("find_order is disabled now.")
    expect(page.get_by_role("button", name="Enable find_order")).to_be_focused()
    expect(page.get_by_text("Disabled", exact=True)).to_be_visible()
    assert page.url.endswith("?search=find")


def test_tools_are_imported_from_a_document(page: Page) -> None:
    document = {
        "openapi": "3.0.3",
        "info": {"title": "Shop", "version": "1"},
        "servers": [{"url": "https://shop.example.com"}],
        "paths": {
            "/shops": {"get": {"operationId": "listShops", "summary": "Lists the shops", "responses": {}}},
            "/upload": {
                "post": {
                    "operationId": "upload",
                    "requestBody": {
                        "required": True,
                        "content": {"multipart/form-data": {"schema": {"type": "object"}}},
                    },
                }
            },
        },
    }
    page.goto("/ui/tools/import")
    file = FilePayload(name="shop.json", mimeType="application/json", buffer=json.dumps(document).encode())
    page.get_by_label("File").set_input_files(file)
    page.get_by_role("button", name="Show what it offers").click()
    expect(page.get_by_role("cell", name="Cannot be imported", exact=True)).to_be_visible()
    page.get_by_role("button", name="Choose none").click()
    page.get_by_label("Import listShops").check()
    assert_accessible(page)
    page.get_by_role("button", name="Import what is chosen").click()
    expect(page.get_by_text("Imported 1 tool: 1 new.")).to_be_visible()
    expect(page.get_by_role("link", name="listShops")).to_be_visible()


@pytest.mark.parametrize(
    "path", ["", "/new", "/import", "/1", "/1/versions", "/1/versions/1", "/1/duplicate", "/1/delete"]
)
def test_every_page_is_accessible_and_fits_a_phone(page: Page, phone: Page, path: str) -> None:
    for each in (page, phone):
        each.goto(f"/ui/tools{path}")
        if each.locator("#schema-form").count():
            expect(each.locator("#schema-form")).to_be_visible()
        assert_accessible(each)
        assert_fits(each)


def test_without_scripts_the_text_alone_does(browser: Browser, service: Service) -> None:
    login = HttpCredentials(username=LOGIN[0], password=LOGIN[1])
    context = browser.new_context(base_url=service.url, java_script_enabled=False, http_credentials=login)
    page = context.new_page()
    page.goto("/ui/tools/new")
    page.get_by_label("Name", exact=True).fill("plain_form")
    page.get_by_label("Description", exact=True).fill("Made without scripts.")
    page.get_by_label("The same as JSON Schema").fill('{"type": "object", "properties": {"a": {"type": "string"}}}')
    page.get_by_label("URL", exact=True).fill("https://example.com/{{ a }}")
    page.get_by_label("Header 1").fill("X-A")
    page.get_by_label("Value 1", exact=True).first.fill("b")
    page.get_by_role("button", name="Create the tool").click()
    expect(page.get_by_text("plain_form is there.")).to_be_visible()
    context.close()
