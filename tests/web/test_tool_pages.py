"""The pages of tools, as a browser without JavaScript uses them."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from typing import Any, NoReturn
from urllib.parse import urlencode

import httpx2
import pytest
from fastapi import FastAPI

from app.api.parts import Parts
from app.core.permissions import Role
from app.db.errors import DatabaseUnavailable
from app.tools.definition import McpCall
from app.tools.mcp.rules import McpServerDraft
from app.tools.records import ToolRecord
from app.tools.validation import parse_definition
from tests.api.conftest import client_for

SCRIPT = "<script>alert(1)</script>"
ORIGIN = {"Origin": "http://service.test"}
PASSWORD = "a long password"

TOOL: dict[str, Any] = {
    "name": "book_table",
    "description": "Books a table. Use it when the caller wants one.",
    "parameters": {
        "type": "object",
        "properties": {"people": {"type": "integer", "description": "How many"}},
        "required": ["people"],
    },
    "request": {
        "method": "POST",
        "url": "https://shop.example.com/tables?floor=1",
        "headers": {"X-Api-Key": "very-secret-1", "Accept": "application/json"},
        "query": {"language": "{{ call.language }}", "numbers": [1, 2]},
        "json_body": {"people": "{{ people }}"},
        "timeout": 2.5,
        "max_response_bytes": 5000,
    },
}


async def add(parts: Parts, **changes: Any) -> ToolRecord:
    return await parts.tools.create(parse_definition({**TOOL, **changes}), by="admin")


def fields_in(page: str) -> list[tuple[str, str]]:
    """What a browser would send of the page's form, as it stands."""
    (form,) = re.findall(r'<form method="post" action="[^"]*" id="tool-form".*?</form>', page, re.DOTALL)
    found: list[tuple[str, str]] = []
    pattern = r"<input[^>]*>|<textarea[^>]*>.*?</textarea>|<select[^>]*>.*?</select>"
    for control in re.findall(pattern, form, re.DOTALL):
        name = re.search(r'\bname="([^"]*)"', control)
        if name is None:
            continue
        if control.startswith("<textarea"):
            value = re.sub(r"^<[^>]*>\n?|</textarea>$", "", control)
        elif control.startswith("<select"):
            value = [*re.findall(r'value="([^"]*)" selected', control), *re.findall(r'value="([^"]*)"', control)][0]
        else:
            if re.search(r'type="(checkbox|radio)"', control) and not re.search(r"\bchecked\b", control):
                continue
            value = (re.search(r'\bvalue="([^"]*)"', control) or ["", "on"])[1]
        found.append((html.unescape(name[1]), html.unescape(value)))
    return found


def changed(fields: list[tuple[str, str]], **changes: str | None) -> list[tuple[str, str]]:
    """The fields with others in their place; None: an unticked box. ``request_url`` stands for ``request.url``."""
    wanted = {re.sub(r"^request_", "request.", name): value for name, value in changes.items()}
    kept = [(name, value) for name, value in fields if name not in wanted]
    return kept + [(name, value) for name, value in wanted.items() if value is not None]


async def send(client: httpx2.AsyncClient, path: str, fields: Any = (), **more: Any) -> httpx2.Response:
    body = urlencode(list(fields.items()) if isinstance(fields, Mapping) else list(fields))
    headers = {"Content-Type": "application/x-www-form-urlencoded", **ORIGIN, **more}
    return await client.post(path, content=body, headers=headers)


async def read(client: httpx2.AsyncClient, path: str) -> str:
    response = await client.get(path)
    assert response.status_code == 200, response.text
    return response.text


async def opened(client: httpx2.AsyncClient, path: str) -> list[tuple[str, str]]:
    return fields_in(await read(client, path))


def errors_in(page: str) -> str:
    return html.unescape(" ".join(re.findall(r'class="wrong"[^>]*>([^<]*)<', page)))


FULL: dict[str, Any] = {
    **TOOL,
    "parameters": {"type": "object", "properties": {"people": {"type": "integer"}, "who": {"type": "string"}}},
    "bound": {"who": "{{ call.caller_number }}", "people": 4},
    "request": {
        "method": "PATCH",
        "url": "https://shop.example.com/tables",
        "body": {"kind": "form", "fields": {"people": "{{ people }}", "tag": ["a", "b"]}},
    },
    "result": {"select": "a.b", "template": "It is {{ result }}.", "max_bytes": 900, "statuses": {"404": "None."}},
    "behaviour": {"retries": 2, "repeatable": True, "per_minute": 30, "filler": "One moment.", "breaker_seconds": 12.5},
    "authorisation": {"type": "api_key", "place": "header", "name": "X-Key", "key": "shop-key", "prefix": "Key "},
}


async def full_tool(parts: Parts, **changes: Any) -> ToolRecord:
    servers = ["https://shop.example.com"]
    await parts.secrets.create("shop-key", "not shown", servers=servers, by="admin")
    await parts.secret_catalog.refresh()
    return await add(parts, **{**FULL, **changes})


# -- the list


async def test_the_list_can_be_searched_filtered_and_sorted(client: httpx2.AsyncClient, parts: Parts) -> None:
    await add(parts)
    await add(parts, name="cancel_table", enabled=False)
    page = await read(client, "/ui/tools")
    assert page.index("book_table") < page.index("cancel_table") < page.index("get_order_status")
    assert "very-secret-1" not in page
    page = await read(client, "/ui/tools?sort=-name")
    assert page.index("get_order_status") < page.index("book_table")
    page = await read(client, "/ui/tools?search=TABLE&enabled=no")
    assert "cancel_table" in page
    assert "book_table" not in page
    assert "No tool is like that" in await read(client, "/ui/tools?search=nothing")


async def test_a_long_list_has_pages_that_keep_the_filter(client: httpx2.AsyncClient, parts: Parts) -> None:
    for number in range(51):
        await add(parts, name=f"tool_{number:02}")
    page = await read(client, "/ui/tools?search=tool_")
    assert "1 to 50 of 51" in page
    assert "?search=tool_&amp;page=2" in page
    assert "tool_50" in await read(client, "/ui/tools?search=tool_&page=2")
    assert "none on this page" in await read(client, "/ui/tools?page=9")


async def test_a_switch_in_the_list_keeps_its_place(client: httpx2.AsyncClient, parts: Parts) -> None:
    record = await add(parts)
    tool_id = record.definition.id
    response = await send(client, f"/ui/tools/{tool_id}/enabled", {"back": "search=book&page=1&evil=//x"})
    assert response.status_code == 303
    assert response.headers["location"] == f"/ui/tools?search=book&page=1#tool-{tool_id}"
    assert not (await parts.tools.get(tool_id)).summary.enabled
    row = await send(client, f"/ui/tools/{tool_id}/enabled", {"enabled": "on"}, **{"HX-Request": "true"})
    assert row.status_code == 200
    assert "<html" not in row.text
    assert 'data-said="book_table is enabled now."' in row.text
    assert (await parts.tools.get(tool_id)).summary.enabled


# -- creating and editing


async def test_a_tool_is_created_by_the_form(client: httpx2.AsyncClient, parts: Parts) -> None:
    fields = await opened(client, "/ui/tools/new")
    fields = changed(
        fields,
        name=" find_doctor ",
        description="Finds a doctor.\r\nUse it at night.",
        parameters='{"type": "object", "properties": {"city": {"type": "string", "description": "Where"}}}',
        request_method="POST",
        request_url="https://example.com/doctors",
        request_json_body='{"where": "{{ city }}"}',
        header_name="X-Line",
        header_value="{{ call.called_number }}",
        query_mode="rows",
        query_name="limit",
        query_value="3",
        request_timeout="1,5",
        note="The first one",
    )
    response = await send(client, "/ui/tools/new", fields)
    assert response.status_code == 303, errors_in(response.text)
    record = await parts.tools.find("find_doctor")
    assert response.headers["location"] == f"/ui/tools/{record.definition.id}"
    request = record.definition.http
    assert record.definition.description == "Finds a doctor.\nUse it at night."
    assert (request.method, request.url, request.timeout) == ("POST", "https://example.com/doctors", 1.5)
    assert request.headers == {"X-Line": "{{ call.called_number }}"}
    assert request.query == {"limit": "3"}
    assert request.json_body == {"where": "{{ city }}"}
    assert (record.note, record.created_by, record.summary.enabled) == ("The first one", "admin", True)
    assert "find_doctor is there." in await read(client, response.headers["location"])


async def test_saving_what_was_not_touched_changes_nothing(client: httpx2.AsyncClient, parts: Parts) -> None:
    record = await add(parts)
    path = f"/ui/tools/{record.definition.id}"
    response = await send(client, path, await opened(client, path))
    assert response.status_code == 303, errors_in(response.text)
    saved = (await parts.tools.get(record.definition.id)).definition
    assert saved.version == 2
    assert (saved.name, saved.description, saved.parameters, saved.request) == (
        record.definition.name,
        record.definition.description,
        record.definition.parameters,
        record.definition.request,
    )


async def test_a_stored_secret_is_not_shown_stays_and_can_be_replaced(client: httpx2.AsyncClient, parts: Parts) -> None:
    record = await add(parts)
    path = f"/ui/tools/{record.definition.id}"
    page = await read(client, path)
    assert "very-secret-1" not in page
    assert "*** stands for a secret" in page
    fields = fields_in(page)
    assert ("header_value", "***") in fields
    replaced = [(name, "new-secret-2" if value == "***" else value) for name, value in fields]
    assert (await send(client, path, replaced)).status_code == 303
    assert (await parts.tools.get(record.definition.id)).definition.http.headers["X-Api-Key"] == "new-secret-2"


async def test_a_secret_does_not_follow_the_address_to_another_server(client: httpx2.AsyncClient, parts: Parts) -> None:
    record = await add(parts)
    path = f"/ui/tools/{record.definition.id}"
    fields = changed(await opened(client, path), request_url="https://elsewhere.example.net/")
    response = await send(client, path, fields)
    assert response.status_code == 422
    assert "leads to another server now" in errors_in(response.text)


@pytest.mark.parametrize(
    ("field", "typed", "words"),
    [
        ("name", "two words", "letters, digits"),
        ("name", "", "name"),
        ("name", "end_call", "built-in"),
        ("name", "GET_order_STATUS", "There is a tool named get_order_status already"),
        ("description", " ", "Describe what the tool does"),
        ("parameters", '{"type": "object",}', "This is not JSON: line 1, column"),
        ("parameters", '{"type": "object", "properties": {"a": {"type": "texts"}}}', "texts"),
        ("parameters", '"x"', "JSON Schema"),
        ("parameters", '{"type": "object", "properties": {"a": {"type": "string", "pattern": "("}}}', "pattern"),
        ("parameters", "[" * 100_000, "nested too deeply"),
        ("request.url", "ftp://example.com", "http:// or https://"),
        ("request.url", "https://example.com/{{ nobody }}", "no parameter of the tool"),
        ("request.url", "https://example.com/{{ people", "never closed"),
        ("request.json_body", '{"a": ', "This is not JSON"),
        ("request.json_body", '{"a": "{{ nobody }}"}', "no parameter of the tool"),
        ("request.timeout", "soon", "Write a number"),
        ("request.timeout", "500", "from 0.1 to 120"),
        ("request.max_response_bytes", "1", "from 1,000"),
        ("request.method", "CONNECT", "for proxies"),
        ("header_value", "two\nlines", "without line breaks"),
        ("header_value", "{{ nobody }}", "no parameter of the tool"),
        ("query_value", "{{ 1 + 1 }}", "is no placeholder"),
        ("note", "n" * 501, "500"),
    ],
)
async def test_what_is_wrong_is_said_beside_its_field_and_stays_typed(
    client: httpx2.AsyncClient, parts: Parts, field: str, typed: str, words: str
) -> None:
    record = await add(parts)
    path = f"/ui/tools/{record.definition.id}"
    fields = await opened(client, path)
    at = next(index for index, (name, _) in enumerate(fields) if name == field)
    fields[at] = (field, typed)
    response = await send(client, path, fields)
    assert response.status_code in (409, 422)
    assert words in errors_in(response.text)
    assert "Nothing is saved yet" in response.text or "not carried out" in response.text
    again = fields_in(response.text)
    assert (field, typed) in again or field == "request.method"
    assert ("description", TOOL["description"]) in again or field == "description"
    assert (await parts.tools.get(record.definition.id)).summary.version == 1


async def test_several_mistakes_are_all_said_at_once(client: httpx2.AsyncClient) -> None:
    fields = changed(
        await opened(client, "/ui/tools/new"), name="a b", request_url="x", parameters="{", header_value="v"
    )
    response = await send(client, "/ui/tools/new", fields)
    assert response.status_code == 422
    said = errors_in(response.text)
    for words in ("letters, digits", "http://", "This is not JSON", "Describe what", "This value has no name"):
        assert words in said, words


async def test_a_header_that_is_there_twice_is_said_beside_it(client: httpx2.AsyncClient, parts: Parts) -> None:
    record = await add(parts)
    path = f"/ui/tools/{record.definition.id}"
    fields = [*(await opened(client, path)), ("header_name", "accept"), ("header_value", "text/plain")]
    response = await send(client, path, fields)
    assert response.status_code == 422
    assert "twice" in errors_in(response.text)


async def test_markup_in_every_field_is_text(client: httpx2.AsyncClient, parts: Parts) -> None:
    schema = f'{{"type": "object", "properties": {{"a": {{"type": "string", "description": "{SCRIPT}"}}}}}}'
    fields = [
        *changed(
            await opened(client, "/ui/tools/new"),
            name="scripted",
            description=SCRIPT,
            parameters=schema,
            request_url=f"https://example.com/?x={SCRIPT}",
            request_json_body=f'"{SCRIPT}</textarea>"',
            query_mode="rows",
            note=SCRIPT,
        ),
        ("header_name", "X-A"),
        ("header_value", f'"{SCRIPT}'),
        ("query_name", f'"{SCRIPT}'),
        ("query_value", f'"{SCRIPT}'),
    ]
    response = await send(client, "/ui/tools/new", fields)
    assert response.status_code == 303, errors_in(response.text)
    path = response.headers["location"]
    version = await read(client, f"{path}/versions/1")
    pages = [version, *[await read(client, f"{path}{part}") for part in ("", "/versions", "/delete", "/duplicate")]]
    pages += [await read(client, "/ui/tools"), await read(client, f"{path}/compare?left=1&right=1")]
    broken = await send(
        client, "/ui/tools/new", changed(fields, name=SCRIPT, request_timeout=SCRIPT, query_mode=SCRIPT)
    )
    assert broken.status_code == 422
    for page in [*pages, broken.text]:
        assert SCRIPT not in page
        assert not re.search(r"<script(?![^>]*\bsrc=)", page)


async def test_a_huge_form_is_refused_and_a_large_one_is_told_what_is_too_large(client: httpx2.AsyncClient) -> None:
    fields = await opened(client, "/ui/tools/new")
    response = await send(client, "/ui/tools/new", changed(fields, description="x" * 12_000_000))
    assert response.status_code == 413
    large = changed(fields, name="big", request_url="https://example.com", description="x" * 5_000)
    response = await send(client, "/ui/tools/new", large)
    assert response.status_code == 422
    assert "4,000 characters" in errors_in(response.text)
    many = '{"type": "object", "properties": {"a": {"type": "string", "description": "' + "x" * 150_000 + '"}}}'
    response = await send(client, "/ui/tools/new", changed(fields, parameters=many))
    assert "100,000 bytes" in errors_in(response.text)


async def test_of_two_editors_the_second_is_told_and_loses_nothing(client: httpx2.AsyncClient, parts: Parts) -> None:
    record = await add(parts)
    path = f"/ui/tools/{record.definition.id}"
    first, second = await opened(client, path), await opened(client, path)
    assert (await send(client, path, changed(first, description="From the first"))).status_code == 303
    response = await send(client, path, changed(second, description="From the second", request_timeout="9"))
    assert response.status_code == 409
    assert "saved book_table as version 2 in the meantime" in response.text
    assert "From the first" in response.text
    assert "Save over version 2" in response.text
    assert "very-secret-1" not in response.text
    again = fields_in(response.text)
    assert ("description", "From the second") in again
    assert ("request.timeout", "9") in again
    assert (await send(client, path, again)).status_code == 303
    saved = await parts.tools.get(record.definition.id)
    assert (saved.summary.version, saved.definition.description) == (3, "From the second")
    assert saved.definition.http.headers["X-Api-Key"] == "very-secret-1"


async def test_a_tool_that_was_deleted_meanwhile_can_be_saved_as_a_new_one(
    client: httpx2.AsyncClient, parts: Parts
) -> None:
    record = await add(parts, request={"method": "GET", "url": "https://example.com"})
    path = f"/ui/tools/{record.definition.id}"
    fields = await opened(client, path)
    await parts.tools.delete(record.definition.id)
    response = await send(client, path, changed(fields, description="Not lost"))
    assert response.status_code == 409
    assert "Somebody deleted this tool" in response.text
    assert 'action="/ui/tools/new"' in response.text
    again = fields_in(response.text)
    assert ("description", "Not lost") in again
    assert (await send(client, "/ui/tools/new", again)).status_code == 303


async def test_what_a_provider_would_not_take_is_said(client: httpx2.AsyncClient, parts: Parts) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string"}}}
    record = await add(parts, parameters=schema, request={"method": "GET", "url": "https://example.com"})
    page = await read(client, f"/ui/tools/{record.definition.id}")
    assert "What language models make of it" in page
    assert "Describe a:" in page


# -- versions, copies, deletion


async def test_versions_are_listed_shown_and_compared(client: httpx2.AsyncClient, parts: Parts) -> None:
    record = await add(parts)
    path = f"/ui/tools/{record.definition.id}"
    fields = changed(await opened(client, path), description="Now better", note="Why not")
    assert (await send(client, path, fields)).status_code == 303
    page = await read(client, f"{path}/versions")
    assert "Why not" in page
    assert f"{path}/compare?left=1&amp;right=2" in page
    old = await read(client, f"{path}/versions/1")
    assert TOOL["description"] in old
    assert "whole number" in old
    assert "very-secret-1" not in old
    compared = html.unescape(await read(client, f"{path}/compare?left=1&right=2"))
    assert "Now better" in compared
    assert TOOL["description"] in compared
    assert "very-secret-1" not in compared
    begun = await read(client, f"{path}?version=1")
    assert "This is version 1" in begun
    assert ("description", TOOL["description"]) in fields_in(begun)
    assert (await send(client, path, fields_in(begun))).status_code == 303
    assert (await parts.tools.get(record.definition.id)).summary.version == 3
    for missing in ("/versions/9", "/compare?left=1&right=9", "?version=9"):
        assert (await client.get(path + missing)).status_code == 404


async def test_a_copy_gets_a_name_and_begins_disabled(client: httpx2.AsyncClient, parts: Parts) -> None:
    record = await add(parts)
    path = f"/ui/tools/{record.definition.id}/duplicate"
    assert 'value="book_table_copy"' in await read(client, path)
    taken = await send(client, path, {"name": "get_order_status"})
    assert taken.status_code == 409
    assert "choose another name" in errors_in(taken.text)
    wrong = await send(client, path, {"name": "a b"})
    assert wrong.status_code == 422
    assert "letters, digits" in errors_in(wrong.text)
    response = await send(client, path, {"name": "book_room"})
    assert response.status_code == 303
    copy = await parts.tools.find("book_room")
    assert not copy.summary.enabled
    assert copy.definition.http.headers["X-Api-Key"] == "very-secret-1"


async def test_deleting_names_what_uses_it(client: httpx2.AsyncClient, parts: Parts) -> None:
    from app.prompts.draft import PromptDraft

    record = await add(parts)
    await parts.prompts.create(PromptDraft(name="waiter", content="x", tools=("book_table",)), by="admin")
    path = f"/ui/tools/{record.definition.id}/delete"
    page = await read(client, path)
    assert "waiter" in page
    assert "1 prompt names it" in page
    assert "No call used it in the last 30 days" in page
    await parts.tools.save(record.definition.id, record.definition, by="other", expected_version=1)
    response = await send(client, path, {"expected_version": "1"})
    assert response.status_code == 409
    assert "in the meantime" in response.text
    response = await send(client, path, {"expected_version": "2"})
    assert response.status_code == 303
    assert "book_table is deleted." in await read(client, "/ui/tools")
    assert (await client.get(path)).status_code == 404


# -- who may


async def test_a_viewer_sees_a_tool_and_is_offered_no_change(app: FastAPI, parts: Parts) -> None:
    record = await add(parts)
    await parts.accounts.users.create("reader", PASSWORD, Role.VIEWER, by="admin")
    async with client_for(app, ("reader", PASSWORD)) as reader:
        path = f"/ui/tools/{record.definition.id}"
        page = await read(reader, path)
        assert "<form" not in page
        assert "very-secret-1" not in page
        assert "***" in page
        listing = await read(reader, "/ui/tools")
        assert "New tool" not in listing
        assert "Disable" not in listing
        for address in ("/ui/tools/new", f"{path}/delete", f"{path}/duplicate"):
            assert (await reader.get(address)).status_code == 403
        assert (await send(reader, path, {})).status_code == 403


async def test_another_site_cannot_send_these_forms(client: httpx2.AsyncClient, parts: Parts) -> None:
    record = await add(parts)
    path = f"/ui/tools/{record.definition.id}/delete"
    response = await send(client, path, {"expected_version": "1"}, Origin="https://evil.example")
    assert response.status_code == 403
    assert (await client.get(f"/ui/tools/{record.definition.id}")).status_code == 200


# -- the import

DOCUMENT = """openapi: 3.0.3
info: {title: "Shop <b>", version: "1"}
servers: [{url: "https://shop.example.com"}]
paths:
  /orders/{id}:
    get:
      operationId: getOrder
      summary: Say where an order is <script>alert(1)</script>
      parameters: [{name: id, in: path, required: true, schema: {type: string}}]
    delete:
      operationId: cancelOrder
      summary: Cancel an order
      parameters: [{name: id, in: path, required: true, schema: {type: string}}]
"""
IMPORT = "/ui/tools/import"


async def test_a_document_is_shown_before_anything_is_imported(client: httpx2.AsyncClient, parts: Parts) -> None:
    assert "Show what it offers" in await read(client, IMPORT)
    response = await send(client, IMPORT, {"document": DOCUMENT, "step": "preview"})
    assert response.status_code == 200
    for words in ("getOrder", "cancelOrder", "DELETE /orders/{id}", "2 operations", "Shop &lt;b&gt;"):
        assert words in response.text, words
    assert SCRIPT not in response.text
    assert response.text.count(" checked") == 2
    assert (await parts.tools.list()).total == 1


async def test_what_is_chosen_becomes_tools_with_the_headers_given(client: httpx2.AsyncClient, parts: Parts) -> None:
    fields = [("document", DOCUMENT), ("operation", "getOrder"), ("header_name", "Authorization")]
    fields += [("header_value", "Bearer secret-of-the-shop"), ("step", "import")]
    response = await send(client, IMPORT, fields)
    assert response.status_code == 303, response.text
    assert "Imported 1 tool: 1 new." in await read(client, "/ui/tools")
    tool = (await parts.tools.find("getOrder")).definition
    assert tool.http.url == "https://shop.example.com/orders/{{ id }}"
    assert tool.http.headers["Authorization"] == "Bearer secret-of-the-shop"
    again = await send(client, IMPORT, {"document": DOCUMENT, "step": "preview"})
    assert "There already" in again.text
    assert again.text.count(" checked") == 1


async def test_a_message_waits_until_its_reader_is_signed_in(
    client: httpx2.AsyncClient, stranger: httpx2.AsyncClient, parts: Parts
) -> None:
    record = await add(parts)
    response = await send(client, f"/ui/tools/{record.definition.id}/delete", {"expected_version": "1"})
    stranger.cookies = client.cookies
    refused = await stranger.get(response.headers["location"])
    assert refused.status_code == 401
    assert "book_table is deleted." not in refused.text
    assert "set-cookie" not in refused.headers
    assert "book_table is deleted." in await read(client, response.headers["location"])


async def test_an_uploaded_file_takes_the_place_of_the_text(client: httpx2.AsyncClient) -> None:
    response = await client.post(
        IMPORT, data={"document": "old", "step": "preview"}, files={"file": ("shop.yaml", DOCUMENT)}, headers=ORIGIN
    )
    assert response.status_code == 200
    assert "cancelOrder" in response.text
    assert "operationId: getOrder" in response.text


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "Paste the document"),
        ({"document": "{", "step": "preview"}, "document"),
        ({"document": "a: [1", "step": "preview"}, "YAML"),
        ({"document": 'swagger: "2.0"', "step": "preview"}, "Convert it"),
        ({"document": DOCUMENT, "base_url": "ftp://x", "step": "preview"}, "http://"),
        ({"document": DOCUMENT, "step": "import"}, "Choose at least one"),
        ({"document": DOCUMENT, "step": "import", "operation": "nothing"}, "no operation nothing"),
        ({"document": DOCUMENT, "step": "preview", "header_value": "x"}, "This value has no name"),
        ({"document": "x" * 3_000_000, "step": "preview"}, "bytes"),
    ],
)
async def test_what_cannot_be_imported_is_said_and_nothing_is_lost(
    client: httpx2.AsyncClient, fields: dict[str, str], words: str
) -> None:
    response = await send(client, IMPORT, {"base_url": "", "header_name": "", **fields})
    assert response.status_code in (200, 409, 422)
    assert words in html.unescape(response.text)
    assert 'role="alert"' in response.text
    assert fields.get("document", "")[:50] in html.unescape(response.text)


async def test_what_was_typed_while_the_database_was_away_can_be_saved_later(
    client: httpx2.AsyncClient, parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_answer(*_: object, **__: object) -> NoReturn:
        raise DatabaseUnavailable("PostgreSQL at db does not answer.")

    tool = (await parts.tools.list()).items[0]
    for address in (f"/ui/tools/{tool.id}", "/ui/tools/new"):
        fields = changed(
            await opened(client, address), description="Typed.", name="typed", request_url="https://shop.example/{id}"
        )
        with monkeypatch.context() as away:
            away.setattr(parts.database, "session", no_answer)
            refused = await send(client, address, fields)
        assert refused.status_code == 503
        assert "PostgreSQL at db does not answer." in refused.text
        again = changed(fields_in(refused.text), name=f"typed_{len(address)}")
        assert dict(again)["description"] == "Typed."
        saved = await send(client, address, again)
        assert saved.status_code == 303, errors_in(saved.text)
    assert (await parts.tools.get(tool.id)).definition.description == "Typed."


# -- what a tool holds besides its request


async def test_all_that_a_tool_holds_comes_back_unchanged_from_its_form(
    client: httpx2.AsyncClient, parts: Parts
) -> None:
    record = await full_tool(parts)
    path = f"/ui/tools/{record.definition.id}"
    response = await send(client, path, await opened(client, path))
    assert response.status_code == 303, errors_in(response.text)
    saved = (await parts.tools.get(record.definition.id)).definition
    for part in ("parameters", "request", "bound", "result", "behaviour", "authorisation"):
        assert getattr(saved, part) == getattr(record.definition, part), part


def gist_of(page: str, part: str) -> str:
    (found,) = re.findall(
        rf'id="part-{part}"[^>]*>\s*<summary>.*?<span class="gist[^>]*>([^<]*)</span>', page, re.DOTALL
    )
    return html.unescape(found)


async def test_closed_sections_say_what_they_hold(client: httpx2.AsyncClient, parts: Parts) -> None:
    record = await full_tool(parts)
    page, new = await read(client, f"/ui/tools/{record.definition.id}"), await read(client, "/ui/tools/new")
    held = {
        "authorisation": "API key in the header X-Key, secret shop-key",
        "bound": "who from call.caller_number, people always 4",
        "result": "selection a.b, wording, words for 404, at most 900 bytes",
        "behaviour": "a sentence after 1 s, 2 repeats, repeating is safe, "
        "down for 12.5 s after 5 failures, 30 a minute",
    }
    for part, words in held.items():
        assert gist_of(page, part) == words
        assert f'id="part-{part}" open' not in page
        assert gist_of(new, part) not in ("", words)
    assert "holds" not in re.findall(r'class="gist[^"]*"', new)


@pytest.mark.parametrize(
    ("login", "words"),
    [
        ({"type": "basic", "username": "ann", "password": "shop-key"}, "Basic, user ann, secret shop-key"),
        ({"type": "bearer", "token": "shop-key"}, "Bearer, secret shop-key"),
        ({"type": "none", "client_certificate": {"certificate": "shop-key"}}, "client certificate"),
    ],
)
async def test_a_closed_login_says_which(
    client: httpx2.AsyncClient, parts: Parts, login: dict[str, Any], words: str
) -> None:
    record = await full_tool(parts, authorisation=login)
    assert gist_of(await read(client, f"/ui/tools/{record.definition.id}"), "authorisation") == words


async def test_the_server_of_an_mcp_tool_is_chosen_by_its_name(client: httpx2.AsyncClient, parts: Parts) -> None:
    store = await parts.mcp_servers.create(McpServerDraft("Spare parts", url="https://mcp.example.com/mcp"), by="admin")
    other = await parts.mcp_servers.create(McpServerDraft(SCRIPT, url="https://mcp2.example.com/mcp"), by="admin")
    await parts.mcp_catalog.refresh()
    record = await add(parts, request={"kind": "mcp", "server": store.server.id, "tool": "find"})
    await add(parts, name="reserve", request={"kind": "mcp", "server": store.server.id, "tool": "reserve_part"})
    path = f"/ui/tools/{record.definition.id}"
    page = await read(client, path)
    assert re.search(rf'<option value="{store.server.id}"[^>]* selected>Spare parts</option>', page)
    assert '<option value="reserve_part">' in page
    assert SCRIPT not in page
    assert 'data-lines="status"' not in page
    response = await send(client, path, changed(fields_in(page), request_server=str(other.server.id)))
    assert response.status_code == 303, errors_in(response.text)
    saved = (await parts.tools.get(record.definition.id)).definition.request
    assert saved == McpCall(other.server.id, "find")
    await parts.mcp_servers.delete(other.server.id, by="admin", force=True)
    await parts.mcp_catalog.refresh()
    assert "which is not registered any more" in await read(client, path)
    for address in ("/ui/tools?search=reserve", f"{path}/versions/1"):
        assert "of the MCP server Spare parts" in await read(client, address)


async def test_a_version_says_in_the_words_of_the_form_what_it_holds(client: httpx2.AsyncClient, parts: Parts) -> None:
    record = await full_tool(parts, behaviour={"needs_confirmation": True, "max_concurrent": 2})
    page = await read(client, f"/ui/tools/{record.definition.id}/versions/1")
    assert "<dt>Needs confirmation</dt><dd>yes</dd>" in page
    assert "<dt>Calls at a time</dt><dd><code>2</code></dd>" in page
    assert "<dt>who</dt>" in page


@pytest.mark.parametrize(
    ("field", "typed", "words"),
    [
        ("behaviour.retries", "99", "from 1 to 5"),
        ("behaviour.breaker_seconds", "soon", "Write a number"),
        ("behaviour.idempotency_header", "two words", "no name of a header"),
        ("result.max_bytes", "1", "from 200"),
        ("status_name", "777", "is no status"),
        ("authorisation.key", "not a name!", "name of a secret"),
        ("authorisation.name", "X Key", "no header name"),
        ("bound_name", "nobody", "no parameter of the tool"),
    ],
)
async def test_what_is_wrong_in_a_section_is_said_there_and_stays_typed(
    client: httpx2.AsyncClient, parts: Parts, field: str, typed: str, words: str
) -> None:
    record = await full_tool(parts)
    path = f"/ui/tools/{record.definition.id}"
    fields = await opened(client, path)
    replaced = next(place for place, (name, _) in enumerate(fields) if name == field)
    fields[replaced] = (field, typed)
    response = await send(client, path, fields)
    assert response.status_code == 422
    assert words in errors_in(response.text)
    assert (field, typed) in fields_in(response.text)


@pytest.mark.parametrize(
    "request_part",
    [{"kind": "mcp", "server": 3, "tool": "find"}, {"kind": "python", "entry": "opening_hours"}],
)
async def test_tools_of_other_kinds_are_shown_and_saved(
    client: httpx2.AsyncClient, parts: Parts, request_part: dict[str, Any]
) -> None:
    record = await add(parts, request=request_part)
    path = f"/ui/tools/{record.definition.id}"
    for address in ("/ui/tools", path, f"{path}/versions/1", f"{path}/compare"):
        await read(client, address)
    response = await send(client, path, await opened(client, path))
    assert response.status_code == 303, errors_in(response.text)
    assert (await parts.tools.get(record.definition.id)).definition.request == record.definition.request


async def test_a_draft_is_checked_and_tried_as_its_form_stands(client: httpx2.AsyncClient, parts: Parts) -> None:
    record = await full_tool(parts, behaviour={"needs_confirmation": True})
    path = f"/ui/tools/{record.definition.id}"
    fields = [*(await opened(client, path)), ("tool_id", str(record.definition.id))]
    assert (await send(client, "/ui/tools/check", fields)).json()["problems"] == []
    wrong = [*fields, ("request.timeout", "never"), ("parameters", "{")]
    answer = (await send(client, "/ui/tools/check", wrong)).json()
    assert {each["field"] for each in answer["problems"]} >= {"request.timeout", "parameters"}
    tried = await send(client, "/ui/tools/try", [*fields, ("try.arguments", "{}"), ("try.variables", "{}")])
    assert tried.json()["error"]["code"] == "not_confirmed"
    refused = await send(client, "/ui/tools/try", [*fields, ("try.arguments", "[")])
    assert refused.status_code == 422
    assert refused.headers["content-type"] == "application/problem+json"
