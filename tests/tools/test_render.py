"""Rendering of requests, for any value: pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import unquote, urlsplit

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.tools.auth.definition import Secret
from app.tools.auth.errors import SecretMissing, SecretNotForServer
from app.tools.errors import ArgumentsInvalid, CallUnfit, ToolFailure
from app.tools.render import RequestTemplate, render
from tests.tools.conftest import tool

STRING = {"type": "string"}
PLACES = tool(
    "https://h.example/a/{{ id }}/x-{{ call.C }}.json?q={{ id }}&z=1",
    {"id": STRING},
    method="POST",
    headers={"X-Id": "id {{ id }}"},
    json_body={"id": "{{ id }}", "text": "<{{ id }}>", "{{ id }}": 1},
)
TEMPLATE = RequestTemplate(PLACES)


@given(value=st.text(), variable=st.text())
def test_every_value_stays_in_its_place_or_is_refused(value: str, variable: str) -> None:
    try:
        request = TEMPLATE.render({"id": value}, {"C": variable})
    except ToolFailure:
        return
    parts = urlsplit(request.url)
    assert (parts.scheme, parts.netloc, parts.fragment) == ("https", "h.example", "")
    segments = parts.path.split("/")
    assert len(segments) == 4
    assert unquote(segments[2]) == value
    assert unquote(segments[3]) == f"x-{variable}.json"
    assert parts.query.split("&")[1:] == ["z=1"]
    assert unquote(parts.query.split("&")[0]) == f"q={value}"
    assert request.headers["X-Id"] == f"id {value}".strip(" ")
    assert orjson.loads(request.body or b"") == {"id": value, "text": f"<{value}>", "{{ id }}": 1}


def test_missing_values_leave_keys_queries_and_headers_out() -> None:
    definition = tool(
        "http://h/x",
        {"a": STRING, "b": STRING},
        query={"a": "{{ a }}", "b": "{{ b }}", "fixed": 1},
        headers={"X-C": "{{ call.C }}"},
        json_body={"list": ["{{ a }}", "{{ b }}"], "a": "{{ a }}", "inner": {"b": "{{ b }}"}},
    )
    request = render(definition, {"a": "1"}, {})
    assert request.url == "http://h/x?a=1&fixed=1"
    assert request.headers == {"Content-Type": "application/json"}
    assert orjson.loads(request.body or b"") == {"list": ["1", None], "a": "1", "inner": {}}


def test_a_missing_value_in_the_path_is_refused() -> None:
    with pytest.raises(CallUnfit, match=r"call\.c is empty"):
        render(tool("http://h/{{ call.C }}/x"), {}, {})


def test_a_call_variable_is_the_same_in_upper_and_lower_case() -> None:
    definition = tool(
        "http://h/{{ call.CRM_ID }}",
        query={"q": "{{ call.Crm_Id }}"},
        headers={"X-C": "{{ call.crm_id }}"},
        method="POST",
        json_body={"c": "{{ call.CRM_ID }}"},
    )
    request = render(definition, {}, {"crm_id": "7"})
    assert request.url == "http://h/7?q=7"
    assert request.headers["X-C"] == "7"
    assert request.body == b'{"c":"7"}'


def test_values_keep_their_types_where_a_placeholder_stands_alone() -> None:
    schema: dict[str, object] = {name: {} for name in ("n", "o", "l", "z", "t")}
    definition = tool("http://h/x", schema, method="POST", json_body={name: f"{{{{ {name} }}}}" for name in schema})
    values = {"n": 1.5, "o": {"a": [True]}, "l": [1, "{{ n }}"], "z": None, "t": "{{ o }}"}
    assert orjson.loads(render(definition, values, {}).body or b"") == values


def test_what_the_operator_typed_is_encoded_once() -> None:
    definition = tool("http://h/caf\u00e9/a%20b/{{ x }}?q=\u00fc%26&n={{ x }}", {"x": STRING})
    assert render(definition, {"x": "%26 "}, {}).url == "http://h/caf%C3%A9/a%20b/%2526%20?q=%C3%BC%26&n=%2526%20"


@pytest.mark.parametrize(
    ("method", "url", "body"),
    [
        ("POST", "http://h/x", b'{"b":"2"}'),
        ("PATCH", "http://h/x", b'{"b":"2"}'),
        ("GET", "http://h/x?b=2", None),
        ("DELETE", "http://h/x?b=2", None),
        ("REPORT", "http://h/x?b=2", None),
        ("X-PURGE", "http://h/x?b=2", None),
    ],
)
def test_arguments_without_a_place_go_where_the_method_has_room(method: str, url: str, body: bytes | None) -> None:
    request = render(tool("http://h/x", {"a": STRING, "b": STRING}, method=method), {"b": "2", "made_up": 1}, {})
    assert (request.method, request.url, request.body) == (method, url, body)


def test_arguments_that_the_schema_lets_through_are_sent() -> None:
    definition = tool("http://h/x", {"a": STRING})
    opened = replace(definition, parameters={**definition.parameters, "additionalProperties": STRING})
    assert render(opened, {"a": "1", "b": "2"}, {}).url == "http://h/x?a=1&b=2"


SECRETS = {"crm.key-1": Secret("s\u00e9 cr\"et/&<'1", 1), "token": Secret("abc def", 1, frozenset({"http://h:80"}))}


def test_a_secret_stands_in_any_place_escaped_for_it_and_is_told_in_each_form() -> None:
    definition = tool(
        "http://h/{{ secret.crm.key-1 }}/x?k={{ secret.crm.key-1 }}",
        method="POST",
        headers={"Authorization": "Bearer {{ secret.token }}"},
        json_body={"key": "{{ secret.crm.key-1 }}"},
    )
    request = RequestTemplate(definition).render({}, {}, SECRETS)
    assert request.url == "http://h/s%C3%A9%20cr%22et%2F%26%3C%271/x?k=s%C3%A9%20cr%22et%2F%26%3C%271"
    assert request.headers["Authorization"] == "Bearer abc def"
    assert orjson.loads(request.body or b"") == {"key": SECRETS["crm.key-1"].value}
    assert {"abc def", "abc%20def", "abc+def", "s%C3%A9%20cr%22et%2F%26%3C%271"} <= set(request.hidden)
    assert "s\u00e9 cr\\\"et/&<'1" in request.hidden
    assert repr(request) == "RenderedRequest(method='POST')"
    assert RequestTemplate(definition).secrets == ("crm.key-1", "token")


def test_a_secret_is_sent_only_where_it_may_go_and_only_where_it_can_stand() -> None:
    header = {"X-Key": "{{ secret.k }}"}
    definition = tool("https://h/x", headers=header)
    for secrets, words in (
        ({}, "not there"),
        ({"k": Secret(" ", 1)}, "is empty"),
        ({"k": Secret("", 1, problem="cannot be read with this SECRET_KEY.")}, "cannot be read"),
        ({"k": Secret("a\r\nX: y", 1)}, "a header cannot carry"),
    ):
        with pytest.raises(SecretMissing, match=words) as missing:
            render(definition, {}, {}, secrets)
        assert "secret" not in missing.value.for_model
    with pytest.raises(SecretNotForServer, match=r"k may not be sent to https://h:443"):
        render(definition, {}, {}, {"k": Secret("v", 1, frozenset({"https://h:8443", "http://h:80"}))})
    assert render(definition, {}, {}, {"k": Secret("v\n", 1, frozenset({"https://h:443"}))}).headers == {"X-Key": "v"}


def test_a_choice_of_the_operator_may_hold_a_slash() -> None:
    definition = tool("http://h/{{ p }}", {"p": {"type": "string", "enum": ["group/project"]}})
    assert render(definition, {"p": "group/project"}, {}).url == "http://h/group%2Fproject"
    with pytest.raises(ArgumentsInvalid, match="p holds a /"):
        render(definition, {"p": "group/other"}, {})


def body_of(body: Mapping[str, Any], arguments: Mapping[str, Any]) -> tuple[str, str]:
    definition = tool("http://h/", {"a": {}, "b": {}}, method="POST", body=body)
    made = render(definition, arguments, {}, SECRETS)
    return (made.body or b"").decode(), made.headers["Content-Type"]


def test_a_form_is_written_as_browsers_do() -> None:
    fields = {"a b": "x {{ a }}~*", "list": ["{{ a }}", "{{ b }}", 2], "all": "{{ b }}", "t": True, "none": None}
    made = body_of({"kind": "form", "fields": fields}, {"a": "\u00e4&=+", "b": ["1", None, "2"]})
    assert made == (
        "a+b=x+%C3%A4%26%3D%2B%7E*&list=%C3%A4%26%3D%2B&list=%5B%221%22%2Cnull%2C%222%22%5D&list=2&all=1&all=2&t=true",
        "application/x-www-form-urlencoded",
    )
    assert body_of({"kind": "form", "fields": fields}, {})[0] == "a+b=x+%7E*&list=2&t=true"


def test_parts_have_names_files_and_types() -> None:
    fields = {
        'a"b': "{{ a }}",
        "f": [{"value": "{{ b }}", "filename": "{{ a }}.csv", "content_type": "text/csv"}, {"value": 7}],
    }
    written, content_type = body_of({"kind": "multipart", "fields": fields}, {"a": 'x"y', "b": "1,2"})
    boundary = content_type.removeprefix("multipart/form-data; boundary=")
    assert len(boundary) <= 70  # RFC 2046, 5.1.1
    assert written.replace(boundary, "B") == (
        '--B\r\nContent-Disposition: form-data; name="a%22b"\r\n\r\nx"y\r\n'
        '--B\r\nContent-Disposition: form-data; name="f"; filename="x%22y.csv"\r\nContent-Type: text/csv\r\n\r\n1,2\r\n'
        '--B\r\nContent-Disposition: form-data; name="f"\r\n\r\n7\r\n--B--\r\n'
    )
    again = body_of({"kind": "multipart", "fields": fields}, {"a": 'x"y', "b": "1,2"})
    assert again == (written, content_type)  # a repeat is the same request


def test_xml_and_text_take_their_values() -> None:
    xml = {"kind": "xml", "text": '<a b="{{ a }}">{{ b }}</a>'}
    assert body_of(xml, {"a": "\"'<&>\n", "b": {"x": "]]>"}}) == (
        '<a b="&quot;&#39;&lt;&amp;&gt;&#10;">{&quot;x&quot;:&quot;]]&gt;&quot;}</a>',
        "application/xml; charset=utf-8",
    )
    text = {"kind": "text", "text": "{{ a }}={{ secret.token }}", "content_type": "text/csv"}
    assert body_of(text, {"a": "\r\n"}) == ("\r\n=abc def", "text/csv")
    with pytest.raises(ArgumentsInvalid, match="b holds a control character, which XML"):
        body_of(xml, {"a": "fine", "b": "\x0b"})


def test_the_operators_content_type_wins() -> None:
    soap = {"kind": "xml", "text": "<a/>", "content_type": "application/soap+xml"}
    assert body_of(soap, {})[1] == "application/soap+xml"
    definition = tool("http://h/", method="POST", body=soap, headers={"content-type": "text/xml"})
    assert render(definition, {}, {}).headers == {"content-type": "text/xml"}


def test_half_a_character_is_refused_by_the_name_of_its_place() -> None:
    definition = tool("http://h/x", {"a": {}}, query={"a": "{{ a }}", "c": "{{ call.C }}"})
    with pytest.raises(ArgumentsInvalid, match="a holds half of a character"):
        render(definition, {"a": "\ud800"}, {"C": "1"})
    with pytest.raises(CallUnfit, match=r"call\.c holds half of a character"):
        render(definition, {"a": "1"}, {"C": "\udc00"})
    with pytest.raises(ArgumentsInvalid, match="a cannot be written as JSON"):
        render(definition, {"a": {"n": 10**30}}, {"C": "1"})


def test_a_body_has_an_end() -> None:
    definition = tool("http://h/x", method="POST", json_body={"a": "{{ call.C }}", "b": "{{ call.D }}"})
    with pytest.raises(CallUnfit, match=r"call\.c would make a body of more than 1,048,576 bytes"):
        render(definition, {}, {"C": "x" * 1_100_000, "D": "1"})


@pytest.mark.parametrize("source", ["{{ v }}", "{{ call.V }}"])
def test_a_nul_is_sent_in_no_text(source: str) -> None:
    made = tool("http://h/", {"v": STRING}, method="POST", body={"kind": "text", "text": f"<{source}>"})
    with pytest.raises(ToolFailure, match="NUL"):
        render(made, {"v": "a\0b"}, {"V": "a\0b"})
