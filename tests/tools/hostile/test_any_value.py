"""The same for any text that hypothesis thinks of, in all places at once; without a server, since rendering is pure."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import parse_qsl, unquote
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.tools.auth.definition import Secret
from app.tools.errors import ToolFailure
from app.tools.render import RenderedRequest, RequestTemplate
from tests.tools.conftest import tool
from tests.tools.hostile.places import multipart_body
from tests.tools.hostile.values import SECRET, TEXTS

KEY = {"key": Secret(SECRET, 1)}
PARAMETERS: dict[str, Any] = {"v": {}, "w": {}}
HEAD: dict[str, Any] = {"headers": {"X-V": "<{{ v }}>", "X-Key": "Bearer {{ secret.key }}"}}
URL = "https://h.example/a/{{ v }}/x-{{ call.V }}?q={{ v }}&k={{ secret.key }}"

JSON = RequestTemplate(
    tool(URL, PARAMETERS, method="POST", json_body={"v": "{{ v }}", "t": "<{{ v }}>{{ secret.key }}"}, **HEAD)
)
FORM = RequestTemplate(
    tool(
        "http://h/",
        PARAMETERS,
        method="POST",
        body={"kind": "form", "fields": {"v": "{{ v }}", "k": "{{ secret.key }}", "z": "{{ call.V }}z"}},
    )
)
PARTS = RequestTemplate(
    tool(
        "http://h/",
        PARAMETERS,
        method="POST",
        body={"kind": "multipart", "fields": {"v": "{{ v }}", "z": {"value": "<{{ v }}>", "filename": "z"}}},
    )
)
XML = RequestTemplate(
    tool(
        "http://h/",
        PARAMETERS,
        method="POST",
        body={"kind": "xml", "text": '<r a="{{ v }}">{{ v }}<k b="{{ call.V }}">{{ secret.key }}</k></r>'},
    )
)

# Half of them are made of what the table has, and of what ends things.
PIECES = st.sampled_from(
    [text for text in TEXTS.values() if len(text) < 200]
    + ["\r", "\n", "\0", '"', "'", "<", ">", "&", "%", "/", "\\", ".", ";", "--", "{{", "}}", "]]>", "\ud800", "\ufffe"]
)
ANY = st.text() | st.lists(PIECES | st.text(max_size=3), max_size=6).map("".join)


def rendered(template: RequestTemplate, value: str, variable: str = "x") -> RenderedRequest | None:
    try:
        return template.render({"v": value}, {"V": variable}, KEY)
    except ToolFailure:
        return None


@given(value=ANY, variable=ANY)
def test_the_url_the_headers_and_json_hold_any_value(value: str, variable: str) -> None:
    request = rendered(JSON, value, variable)
    if request is None:
        return
    path, _, query = request.url.removeprefix("https://h.example").partition("?")
    assert [unquote(part) for part in path.split("/")] == ["", "a", value, f"x-{variable}"]
    assert parse_qsl(query, keep_blank_values=True, strict_parsing=True) == [("q", value), ("k", SECRET)]
    assert re.fullmatch(r"[A-Za-z0-9._~%/&=-]*", path + query)
    assert list(request.headers) == ["X-V", "X-Key", "Content-Type"]
    assert request.headers["X-V"] == f"<{value}>"
    assert not re.search(r"[\x00-\x1f\x7f]", request.headers["X-V"])
    assert json.loads(request.body or b"") == {"v": value, "t": f"<{value}>{SECRET}"}
    assert SECRET in request.hidden
    assert SECRET not in repr(request)


@given(value=ANY, variable=ANY)
def test_a_form_holds_any_value(value: str, variable: str) -> None:
    request = rendered(FORM, value, variable)
    if request is not None:
        fields = parse_qsl((request.body or b"").decode("ascii"), keep_blank_values=True, strict_parsing=True)
        assert fields == [("v", value), ("k", SECRET), ("z", f"{variable}z")]


@given(value=ANY)
def test_parts_hold_any_value(value: str) -> None:
    request = rendered(PARTS, value)
    if request is not None:
        head = f"Content-Type: {request.headers['Content-Type']}\r\n".encode()
        parts = multipart_body(head, request.body or b"")
        assert [data.decode() for _, data in parts] == [value, f"<{value}>"]
        assert parts[1][0][b"content-disposition"] == b'form-data; name="z"; filename="z"'


@given(value=ANY, variable=ANY)
def test_xml_holds_any_value(value: str, variable: str) -> None:
    request = rendered(XML, value, variable)
    if request is not None:
        root = ElementTree.fromstring(request.body or b"")
        assert (root.attrib, root.text or "", len(root)) == ({"a": value}, value, 1)
        assert (root[0].attrib, root[0].text) == ({"b": variable}, SECRET)


@pytest.mark.parametrize("template", [JSON, FORM, PARTS, XML])
def test_what_people_say_on_the_telephone_is_refused_nowhere(template: RequestTemplate) -> None:
    for value in ("A1042", "O'Brien & S\u00f6hne <GmbH>", "+49 (30) 123-4567", "\u5c71\u7530 \u592a\u90ce", "50% off"):
        assert rendered(template, value, value) is not None
