"""The secrets in a tool's request: found, hidden, and kept by a save."""

from __future__ import annotations

import html
import time
from dataclasses import asdict, replace
from typing import Any
from urllib.parse import quote

import orjson
import pytest

from app.db.audit import masked
from app.tools.definition import ResultSpec, ToolDefinition
from app.tools.errors import ToolInvalid
from app.tools.exchange import RequestNote
from app.tools.execution import ToolExecutor
from app.tools.render import render
from app.tools.secrets import SecretMask, hidden, restored, secret_fields
from app.tools.validation import parse_definition
from tests.tools.conftest import context, raw_server, response, tool

SECRETS: dict[str, Any] = {
    "headers": {
        "Authorization": "Bearer abcdefgh",
        "X-API-Key": "k",
        "X-Shop": "Basic dXNlcjpwYXNz",
        "X-Vendor": "sk-abcdefghijklmnop",
        "X-Random": "0123456789abcdefghijklmnopqrstuvwxyz",
        "Accept": "application/json",
        "X-Line": "{{ call.line }}",
        "Cookie": "{{ call.cookie }}",
        "X-Token": "Bearer {{ call.token }}",
    },
    "query": {"api_key": "q", "page": "2", "token": "{{ call.token }}"},
    "json_body": {"login": {"password": "p", "user": "u"}, "author": "Bob", "auth": ["one", 2]},
}
URL = "http://h/x?subscription-key=s&key={{ call.key }}&q=1"


def test_secrets_are_found_by_name_and_by_look_and_placeholders_are_none() -> None:
    definition = tool(URL, method="POST", **SECRETS)
    assert secret_fields(definition.request) == [
        "request.url",
        "request.headers.Authorization",
        "request.headers.X-API-Key",
        "request.headers.X-Shop",
        "request.headers.X-Vendor",
        "request.headers.X-Random",
        "request.query.api_key",
        "request.json_body.login.password",
        "request.json_body.auth.0",
    ]
    shown = hidden(definition).http
    assert shown.url == "http://h/x?subscription-key=***&key={{ call.key }}&q=1"
    assert shown.headers["X-Line"] == "{{ call.line }}"
    assert shown.headers["X-Token"] == "Bearer {{ call.token }}"
    assert shown.query == {"api_key": "***", "page": "2", "token": "{{ call.token }}"}
    assert shown.json_body == {"login": {"password": "***", "user": "u"}, "author": "Bob", "auth": ["***", 2]}


def test_what_was_hidden_comes_back() -> None:
    definition = tool(URL, method="POST", **SECRETS)
    assert restored(hidden(definition), definition.request) == definition


def test_a_header_keeps_its_secret_in_any_case() -> None:
    stored = tool("http://h/x", headers={"X-Api-Key": "k"})
    typed = tool("http://h/y", headers={"x-api-KEY": "***"})
    assert restored(typed, stored.request).http.headers == {"x-api-KEY": "k"}


@pytest.mark.parametrize("url", ["https://h/x", "http://h:81/x", "http://other/x"])
def test_another_server_does_not_get_the_secret(url: str) -> None:
    stored = tool("http://h/x", headers={"X-Api-Key": "k"})
    with pytest.raises(ToolInvalid, match="another server") as caught:
        restored(tool(url, headers={"X-Api-Key": "***"}), stored.request)
    assert caught.value.field == "request.headers.X-Api-Key"
    assert "k" not in str(caught.value).split()


def test_the_same_server_written_otherwise_is_the_same() -> None:
    stored = tool("http://h/x", headers={"X-Api-Key": "k"})
    typed = tool("HTTP://H:80/y?z=1", headers={"X-Api-Key": "***"})
    assert restored(typed, stored.request).http.headers == {"X-Api-Key": "k"}


def test_a_mask_without_a_stored_secret_is_a_mistake_at_its_field() -> None:
    typed = tool("http://h/x?token=***", headers={"X-Api-Key": "***", "X-Line": "***"})
    with pytest.raises(ToolInvalid) as caught:
        restored(typed, None)
    fields = [mistake.field for mistake in caught.value.mistakes]
    assert fields == ["request.url", "request.headers.X-Api-Key", "request.headers.X-Line"]


def test_numbers_under_the_name_of_a_secret_are_hidden_and_come_back_as_numbers() -> None:
    body = {"password": 47_110_815, "max_tokens": 256, "token_lives": True, "size": 47_110_815}
    definition = tool("http://h/x", method="POST", json_body=body)
    shown = hidden(definition)
    assert shown.http.json_body == {**body, "password": "***"}
    assert restored(shown, definition.request) == definition


def test_keys_that_look_like_keys_are_hidden_under_any_name() -> None:
    key = "AIzaABCDEFGHIJKLMNOPQRSTUV"
    definition = tool(f"http://h/x?k={key}&appid=0a1b2c", method="POST", query={"k": key}, json_body={"k": [key]})
    shown = hidden(definition)
    assert key not in str(shown)
    assert "0a1b2c" not in str(shown)
    assert restored(shown, definition.request) == definition
    assert key not in str(masked({"request": asdict(definition.request), "content": f"Use {key}."}))


def test_a_secret_is_found_in_an_address_whose_names_are_encoded() -> None:
    assert "hush" not in str(masked({"url": "http://h/?api%5Fkey=hush"}))


def test_what_stands_around_a_placeholder_is_hidden_in_what_was_sent() -> None:
    definition = tool("http://h/x", method="POST", json_body={"api_key": "live-9f8e7d-{{ call.tenant }}"})
    sent = render(definition, {}, {"tenant": "007"})
    note = RequestNote(definition.request)
    note.sent(sent.method, sent.url, sent.headers, sent.body)
    shown = note.request()
    assert shown is not None
    assert shown.body == '{"api_key":"***007"}'


def test_a_text_that_breaks_off_within_a_secret_does_not_show_its_beginning() -> None:
    mask = SecretMask(["Bearer 0123456789"], shortest=4)
    assert mask.text("so 01234567", cut=True) == "so ***"
    assert mask.text("so 01234567") == "so 01234567"
    assert mask.text("so 0123456789, then", cut=True) == "so ***, then"
    assert SecretMask(["pin"], shortest=4).text("pins", cut=True) == "pins"


def _form(definition: ToolDefinition) -> dict[str, Any]:
    return {name: getattr(definition, name) for name in ("description", "parameters")} | {
        "request": asdict(definition.http)
    }


BODIES: list[tuple[dict[str, Any], list[str], str]] = [
    (
        {
            "kind": "form",
            "fields": {"user": "u", "password": "hunter2", "token": "{{ secret.t }}", "more": ["sk-abcdefghijklmnop"]},
        },
        ["request.body.fields.password", "request.body.fields.more.0"],
        "hunter2",
    ),
    (
        {
            "kind": "multipart",
            "fields": {
                "api_key": {"value": "hunter2", "filename": "key.txt", "content_type": "text/plain"},
                "secret": ["hunter2", {"value": "hunter2"}],
            },
        },
        ["request.body.fields.api_key.value", "request.body.fields.secret.0", "request.body.fields.secret.1.value"],
        "hunter2",
    ),
    (
        {
            "kind": "xml",
            "text": '<s:Envelope xmlns:s="u" token=\'hunter2\'><s:Password type="x">hunter2</s:Password>'
            "<Password>{{ secret.p }}</Password><Password>hunter2</Password><a>sk-abcdefghijklmnop</a></s:Envelope>",
        },
        ["request.body.text"],
        "hunter2",
    ),
    (
        {"kind": "text", "text": "user=u&password=hunter2\nAuthorization: Bearer hunter2\n*** {{ call.x }} ***"},
        ["request.body.text"],
        "hunter2",
    ),
]


@pytest.mark.parametrize(("body", "fields", "secret"), BODIES)
def test_secrets_typed_into_other_bodies_are_hidden_and_come_back(
    body: dict[str, Any], fields: list[str], secret: str
) -> None:
    definition = tool("http://h/x", method="POST", body=body)
    assert secret_fields(definition.request) == fields
    shown = hidden(definition)
    assert secret not in repr(shown.http.body)
    assert "sk-abc" not in repr(shown.http.body)
    assert restored(shown, definition.request) == definition
    parsed = parse_definition({**_form(shown), "name": "again"})
    assert parsed.http.body == shown.http.body  # a form that is sent back can be read


def test_a_long_text_without_an_end_is_looked_through_at_once() -> None:
    for text in ("<a" * 100_000, "<password>" * 30_000, "token=" * 50_000, "a" * 300_000, "x: " * 100_000):
        started = time.perf_counter()
        secret_fields(tool("http://h/x", method="POST", body={"kind": "text", "text": text}).request)
        assert time.perf_counter() - started < 2


SLASHED = "sk/live+ab&c'd\"e<\u00e9=7"
ASCII = orjson.dumps(SLASHED).decode().replace("\u00e9", "\\u00e9")


@pytest.mark.parametrize(
    "said",
    [
        SLASHED,
        orjson.dumps(SLASHED).decode(),
        ASCII,
        ASCII.replace("\\u00e9", "\\u00E9"),
        ASCII.replace("/", "\\/"),
        ASCII.replace("&", "\\u0026").replace("<", "\\u003c").replace("'", "\\u0027"),
        ASCII.replace("&", "\\u0026").replace("<", "\\u003C").replace("'", "\\u0027").replace("\\u00e9", "\\u00E9"),
        html.escape(SLASHED),
        html.escape(SLASHED).replace("&#x27;", "&#39;").replace("&quot;", "&#34;"),
        html.escape(SLASHED, quote=False),
        quote(SLASHED, safe=""),
        quote(SLASHED),
        quote(SLASHED, safe="").replace("%2F", "%2f").replace("%3C%C3%A9%3D", "%3c%c3%a9%3d").replace("%2B", "%2b"),
    ],
)
def test_a_secret_is_found_however_a_server_writes_it(said: str) -> None:
    mask = SecretMask([SLASHED], shortest=6)
    assert mask.text(f"the key {said} is wrong").strip('"').replace('"', "") == "the key *** is wrong"
    assert b"live" not in mask.data(said.encode())


def test_what_breaks_off_within_a_long_secret_is_found_at_once() -> None:
    key = "-----BEGIN PRIVATE KEY-----\n" + "MIIE/v+QIBA\n" * 5_000
    mask = SecretMask([key], shortest=4)
    started = time.perf_counter()
    assert mask.text("it says: " + key[:-9], cut=True) == "it says: ***"
    assert mask.text("it says: " + key[:20], cut=True) == "it says: ***"
    assert mask.text("it says: -----BEGIN PUBLIC KEY", cut=True) == "it says: -----BEGIN PUBLIC KEY"
    assert time.perf_counter() - started < 1


@pytest.mark.parametrize(
    ("said", "content_type"),
    [
        (b'{"error": "wrong key sk\\/live\\/0123"}', "application/json"),
        ("wrong key sk/live/0123".encode("utf-16-le"), "text/plain; charset=UTF-16LE"),
        ("wrong key sk/live/0123".encode("utf-32"), "text/plain; charset=utf-32"),
        ("<error>wrong key sk/live/0123</error>".encode("utf-16"), "application/xml"),
    ],
    ids=["PHP", "UTF-16LE", "UTF-32", "XML in UTF-16"],
)
async def test_a_template_does_not_take_a_secret_apart(executor: ToolExecutor, said: bytes, content_type: str) -> None:
    async with raw_server(response(said, content_type)) as server:
        definition = tool(server.url, headers={"X-Api-Key": "sk/live/0123"})
        apart = "{{ (result.error or result)[:13] }} {{ (result.error or result)[13:] }}"
        result = await executor.run(replace(definition, result=ResultSpec(template=apart)), {}, context())
    assert "wrong key" in result.text
    assert "live" not in result.text
