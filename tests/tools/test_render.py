"""Rendering of requests, for any value: pure."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.tools.errors import CallUnfit, ToolFailure
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
    with pytest.raises(CallUnfit, match=r"call\.C is empty"):
        render(tool("http://h/{{ call.C }}/x"), {}, {})


def test_values_keep_their_types_where_a_placeholder_stands_alone() -> None:
    schema: dict[str, object] = {name: {} for name in ("n", "o", "l", "z", "t")}
    definition = tool("http://h/x", schema, method="POST", json_body={name: f"{{{{ {name} }}}}" for name in schema})
    values = {"n": 1.5, "o": {"a": [True]}, "l": [1, "{{ n }}"], "z": None, "t": "{{ o }}"}
    assert orjson.loads(render(definition, values, {}).body or b"") == values


def test_what_the_operator_typed_is_encoded_once() -> None:
    definition = tool("http://h/caf\u00e9/a%20b/{{ x }}?q=\u00fc%26&n={{ x }}", {"x": STRING})
    assert render(definition, {"x": "%26 "}, {}).url == "http://h/caf%C3%A9/a%20b/%2526%20?q=%C3%BC%26&n=%2526%20"
