"""What is said about a body that an operator typed."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any

import pytest

from app.tools.auth.definition import Secret
from app.tools.errors import ToolInvalid
from app.tools.render import render
from app.tools.request_rules import secret_names_of
from app.tools.xml_template import xml_problem
from tests.tools.conftest import tool

FIELDS = "request.body.fields"
TEXT = "request.body.text"


def xml(text: str) -> dict[str, Any]:
    return {"kind": "xml", "text": text}


@pytest.mark.parametrize(
    ("body", "field", "words"),
    [
        ("a=b", "request.body", "an object"),
        ({"kind": "json"}, "request.body.kind", "json_body"),
        ({"kind": ["form"]}, "request.body.kind", "one of form"),
        ({"kind": "form", "boundary": 1, "fields": {"a": 1}}, "request.body", "'boundary'"),
        ({"kind": "form"}, FIELDS, "missing"),
        ({"kind": "form", "fields": {}}, FIELDS, "missing"),
        ({"kind": "form", "fields": {"a": "{{ x }"}}, f"{FIELDS}.a", "closed"),
        ({"kind": "form", "fields": {"a": "{{ nobody }}"}}, f"{FIELDS}.a", "no parameter"),
        ({"kind": "form", "fields": {"a": {"b": 1}}}, f"{FIELDS}.a", "a text, a number"),
        ({"kind": "form", "fields": {"a\r\nb": 1}}, FIELDS, "line breaks"),
        ({"kind": "form", "fields": {str(n): n for n in range(300)}}, FIELDS, "200"),
        ({"kind": "form", "fields": {"a": 1}, "text": "x"}, TEXT, "no text"),
        ({"kind": "form", "fields": {"a": 1}, "content_type": "a/b\r\nX: y"}, "request.body.content_type", "line"),
        ({"kind": "form", "fields": {"a": 1}, "content_type": "form"}, "request.body.content_type", "looks like"),
        ({"kind": "form", "fields": {"a": 1}, "content_type": "{{ x }}/y"}, "request.body.content_type", "no placeh"),
        ({"kind": "multipart", "fields": {"a": {"file": "x"}}}, f"{FIELDS}.a", "'file'"),
        ({"kind": "multipart", "fields": {"a": {"filename": "x"}}}, f"{FIELDS}.a", "value of the part"),
        ({"kind": "multipart", "fields": {"a": {"value": "x", "filename": "../x"}}}, f"{FIELDS}.a", "no /"),
        ({"kind": "multipart", "fields": {"a": [{"value": "x", "content_type": "x"}]}}, f"{FIELDS}.a", "content_type"),
        (
            {"kind": "multipart", "fields": {"a": 1}, "content_type": "text/x"},
            "request.body.content_type",
            "multipart/",
        ),
        (
            {"kind": "multipart", "fields": {"a": 1}, "content_type": "multipart/x; boundary=b"},
            "request.body.content_type",
            "boundary",
        ),
        ({"kind": "text"}, TEXT, "missing"),
        ({"kind": "text", "text": "a\0"}, TEXT, "NUL"),
        ({"kind": "text", "text": "x", "fields": {"a": 1}}, FIELDS, "no fields"),
        (xml("<a>{{ x }}"), TEXT, "line 1"),
        (xml("<a b={{ x }}/>"), TEXT, "well-formed"),
        (xml("<{{ x }}/>"), TEXT, "where XML has no value"),
        (xml("<a {{ x }}='1'/>"), TEXT, "where XML has no value"),
        (xml("<a><!-- {{ x }} --></a>"), TEXT, "a comment or CDATA"),
        (xml("<a><![CDATA[{{ x }}]]></a>"), TEXT, "where XML has no value"),
        (xml("<a>{{ x }}<?p {{ x }}?></a>"), TEXT, "where XML has no value"),
        (xml("<?xml version='1.0' encoding='latin1'?><a/>"), TEXT, "UTF-8"),
        (xml("<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>"), TEXT, "DOCTYPE"),
        (xml("<!DOCTYPE a SYSTEM 'file:///etc/passwd'><a/>"), TEXT, "DOCTYPE"),
        (xml("<a>&b;</a>"), TEXT, "undefined entity"),
    ],
)
def test_a_mistake_in_a_body_names_its_field(body: Any, field: str, words: str) -> None:
    with pytest.raises(ToolInvalid) as caught:
        tool("http://h/", {"x": {}}, method="POST", body=body)
    assert caught.value.field == field
    assert words in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "<a>{{ x }}</a>",
        "\n<?xml version='1.0' encoding='UTF-8'?>\n<a b='{{ x }}-{{ x }}' xmlns:c='u'><c:d>{{ x }} {{ x }}</c:d></a>",
        "<a><![CDATA[<b>]]>{{ x }}<!-- c --></a>",
        "<a>zq0placeholder0qz{{ x }}</a>",
    ],
)
def test_xml_may_hold_values_where_xml_has_them(text: str) -> None:
    assert tool("http://h/", {"x": {}}, method="POST", body=xml(text)).http.body is not None


def test_a_request_has_one_body_and_its_method_room_for_it() -> None:
    form = {"kind": "form", "fields": {"a": 1}}
    with pytest.raises(ToolInvalid, match="one body") as caught:
        tool("http://h/", method="POST", body=form, json_body={})
    assert caught.value.field == "request.body"
    with pytest.raises(ToolInvalid, match="HEAD"):
        tool("http://h/", method="HEAD", body=form)
    with pytest.raises(ToolInvalid, match="boundary") as caught:
        tool("http://h/", method="POST", headers={"Content-Type": "x/y"}, body={**form, "kind": "multipart"})
    assert caught.value.field == "request.headers.Content-Type"
    assert tool("http://h/", method="REPORT", body=form).http.body is not None


def test_the_fields_that_name_secrets_are_told() -> None:
    definition = tool(
        "http://h/?k={{ secret.a }}",
        headers={"X": "{{ secret.b-1.x }}{{ secret.b-1.x }}"},
        query={"q": ["{{ secret.a }}"]},
        body={"kind": "form", "fields": {"f": "{{ secret.c }}"}},
    )
    assert secret_names_of(definition.request) == [
        ("request.url", "a"),
        ("request.headers.X", "b-1.x"),
        ("request.query.q", "a"),
        ("request.body.fields.f", "c"),
    ]
    text = tool("http://h/", body={"kind": "text", "text": "{{ secret.t }}"})
    assert secret_names_of(text.request) == [("request.body.text", "t")]
    with pytest.raises(ToolInvalid, match="the name of a secret, not its value") as caught:
        tool("http://h/", headers={"X": "{{ secret.p@ssw0rd! }}"})
    assert "p@ssw0rd" not in str(caught.value)


def test_long_xml_is_read_at_once() -> None:
    started = time.perf_counter()
    text = "<a>" + "<b c='{{ x }}'>{{ x }}</b>" * 10_000 + "</a>"
    tool("http://h/", {"x": {}}, method="POST", body=xml(text))
    assert time.perf_counter() - started < 5


def test_the_examples_of_the_documentation_are_taken() -> None:
    page = (Path(__file__).parents[2] / "docs" / "tools.md").read_text(encoding="utf-8")
    part = page.partition("### Bodies")[2].partition("### Bound")[0]
    examples = [json.loads(each) for each in re.findall(r"```json\n(.*?)```", part, re.DOTALL)]
    assert [each.get("kind") for each in examples] == [None, "form", "multipart", "xml", "text"]
    arguments = dict.fromkeys(("people", "name", "number", "topic", "summary"), "x")
    for example in examples:
        request = {"body": example} if "kind" in example else {"json_body": example}
        definition = tool("http://h/", {name: {} for name in arguments}, method="POST", **request)
        assert render(definition, arguments, {"channel_id": "17.4"}, {"shop": Secret("k", 1)}).body


def test_an_element_that_is_not_closed_is_named() -> None:
    assert "<item> is not closed" in (xml_problem("<order><item>Tea</order>") or "")
    assert "<order> is not closed" in (xml_problem("<order><item/>") or "")
