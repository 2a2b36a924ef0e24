"""What an operator typed: every mistake by the name of its field."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest

from app.tools.errors import ArgumentsInvalid, ToolInvalid
from app.tools.validation import check_definition, parse_definition, validate_arguments


def typed(**changes: Any) -> dict[str, Any]:
    base: dict[str, Any] = {
        "name": "get_order",
        "description": "Looks up an order.",
        "parameters": {"type": "object", "properties": {"id": {"type": "string", "description": "Its number"}}},
        "request": {"method": "get", "url": "https://shop.example/orders/{{ id }}"},
    }
    for path, value in changes.items():
        target = base
        *parents, last = path.split("__")
        for parent in parents:
            target = target[parent]
        target[last] = value
    return base


def test_a_definition_is_parsed() -> None:
    definition = parse_definition(typed(), id=3, version=2)
    assert definition.key == (3, 2)
    assert definition.http.method == "GET"
    assert validate_arguments(definition, {"id": "1"}) == {"id": "1"}


@pytest.mark.parametrize("parameters", [None, {}, {"type": "object"}])
def test_a_tool_without_parameters_gets_an_object_with_properties(parameters: Any) -> None:
    definition = parse_definition(typed(parameters=parameters, request__url="http://h/x"))
    assert definition.parameters == {"type": "object", "properties": {}}


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"name": "1x"}, "name", "begins with"),
        ({"name": "x" * 65}, "name", "64"),
        ({"name": "end_call"}, "name", "built-in"),
        ({"name": None}, "name", "missing"),
        ({"description": " "}, "description", "Describe"),
        ({"parameters": []}, "parameters", "JSON Schema"),
        ({"parameters": {"type": "array"}}, "parameters", "object"),
        ({"parameters": {"properties": {"id": {"type": "strnig"}}}}, "parameters", "properties.id.type"),
        ({"parameters": {"properties": {"id": {"$ref": "http://h/s.json"}}}}, "parameters", "outside"),
        ({"parameters": {"properties": {"id": {"pattern": "("}}}}, "parameters", "regular expression"),
        ({"request": None}, "request", "method and url"),
        ({"request__method": "FE TCH"}, "request.method", "a word such as GET"),
        ({"request__method": "CONNECT"}, "request.method", "for proxies"),
        ({"request__content": "x"}, "request", "'content'"),
        ({"request__body": "x"}, "request.body", "an object"),
        ({"request__url": "ftp://h/x"}, "request.url", "http"),
        ({"request__url": "http:///x"}, "request.url", "host"),
        ({"request__url": "http://{{ id }}/x"}, "request.url", "host"),
        ({"request__url": "http://h:99999/x"}, "request.url", "port"),
        ({"request__url": "http://u:p@h/x"}, "request.url", "password"),
        ({"request__url": "http://h/x y"}, "request.url", "space"),
        ({"request__url": "http://h/x\r\ny"}, "request.url", "line break"),
        ({"request__url": "http://h/x#y"}, "request.url", "#"),
        ({"request__url": "http://h/{{ ordr }}"}, "request.url", "ordr"),
        ({"request__url": "http://h/{{ id"}, "request.url", "closed"),
        ({"request__url": "http://h/{{ id | upper }}"}, "request.url", "no placeholder"),
        ({"request__headers": {"X": "a\r\nb"}}, "request.headers.X", "line breaks"),
        ({"request__headers": {"X Y": "a"}}, "request.headers", "header name"),
        ({"request__headers": {"Host": "a"}}, "request.headers.Host", "client itself"),
        ({"request__headers": {"X": "{{ who }}"}}, "request.headers.X", "who"),
        ({"request__json_body": {"a": ["{{ who }}"]}}, "request.json_body", "who"),
        ({"request__query": {"a": "{{ who }}"}}, "request.query.a", "who"),
        ({"request__timeout": 0}, "request.timeout", "seconds"),
        ({"request__timeout": float("nan")}, "request.timeout", "seconds"),
        ({"request__max_response_bytes": 10**9}, "request.max_response_bytes", "bytes"),
        ({"enabled": "yes"}, "enabled", "true or false"),
    ],
)
def test_a_mistake_names_its_field(changes: dict[str, Any], field: str, words: str) -> None:
    with pytest.raises(ToolInvalid) as caught:
        parse_definition(typed(**changes))
    assert caught.value.field == field
    assert words in str(caught.value)


def test_all_mistakes_are_told_at_once() -> None:
    typed_wrong = typed(
        name="two words",
        description="",
        parameters={"properties": {"a": {"type": "strnig"}, "b": {"minimum": "x"}}},
        request__url="ftp://h/x",
        request__headers={"X": "a\nb", "Y": "{{ who", "Z": "fine"},
        request__timeout=-1,
        enabled="yes",
    )
    checked = check_definition(typed_wrong)
    assert checked.definition is None
    assert [mistake.field for mistake in checked.mistakes] == [
        "name",
        "description",
        "parameters",
        "parameters",
        "request.url",
        "request.headers.X",
        "request.headers.Y",
        "request.timeout",
        "enabled",
    ]
    assert "properties.a.type: the type is string, number" in checked.mistakes[2].message
    with pytest.raises(ToolInvalid) as caught:
        parse_definition(typed_wrong)
    assert caught.value.mistakes == checked.mistakes


def test_defaults_are_applied_at_every_depth_and_not_shared() -> None:
    definition = parse_definition(
        typed(
            parameters={
                "properties": {
                    "id": {"type": "string", "default": "x"},
                    "tags": {"type": "array", "default": []},
                    "page": {"type": "object", "properties": {"size": {"type": "integer", "default": 5}}},
                }
            }
        )
    )
    first = validate_arguments(definition, {"page": {}})
    assert first == {"page": {"size": 5}, "id": "x", "tags": []}
    first["tags"].append(1)
    assert validate_arguments(definition, {})["tags"] == []


def test_formats_are_checked_since_providers_drop_them() -> None:
    definition = parse_definition(typed(parameters={"properties": {"id": {"type": "string", "format": "date"}}}))
    assert validate_arguments(definition, {"id": "2026-11-22"}) == {"id": "2026-11-22"}
    with pytest.raises(ArgumentsInvalid) as caught:
        validate_arguments(definition, {"id": "tomorrow"})
    assert "id: 'tomorrow' is not a 'date'" in caught.value.for_model


@pytest.mark.parametrize(
    "braces", ["{" * 400_000, "{{ a " * 100_000, "{{" + "a" * 400_000], ids=["braces", "openings", "one opening"]
)
@pytest.mark.parametrize("field", ["url", "headers", "json_body"])
def test_braces_without_end_are_refused_at_once(field: str, braces: str) -> None:
    values: dict[str, Any] = {"url": f"http://h/{braces}", "headers": {"X-A": braces}, "json_body": {"token": braces}}
    begun = time.perf_counter()
    checked = check_definition(typed(request__method="POST", **{f"request__{field}": values[field]}))
    assert checked.mistakes
    assert time.perf_counter() - begun < 1.0


@pytest.mark.parametrize("depth", [101, 400, 900])
@pytest.mark.parametrize("field", ["json_body", "query"])
def test_what_is_nested_without_end_is_refused(field: str, depth: int) -> None:
    value: Any = "x"
    for _ in range(depth):
        value = {"a": value}
    checked = check_definition(typed(request__method="POST", **{f"request__{field}": value}))
    assert [mistake.field for mistake in checked.mistakes] == [f"request.{field}"]
    assert "nested" in checked.mistakes[0].message or "no JSON value" in checked.mistakes[0].message


@pytest.mark.parametrize(
    "where",
    [
        {"request__url": "http://h/\ud800"},
        {"request__headers": {"X-A": "\ud800"}},
        {"request__query": {"\ud800": "{{ bad"}},
        {"request__json_body": {"\ud800": "***"}},
        {"description": "\ud800"},
    ],
)
def test_half_a_character_is_refused_wherever_it_stands(where: dict[str, Any]) -> None:
    mistakes = check_definition(typed(**where)).mistakes
    assert "half of a character pair" in mistakes[0].message
    "".join(mistake.field + mistake.message for mistake in mistakes).encode()


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#/required/x"},
        {"$ref": "#/type/x"},
        {"$ref": "#/properties/a/$ref"},
        {"$id": "http://[", "$ref": "#x"},
    ],
)
def test_a_reference_to_what_is_no_schema_is_told_to_the_model_and_ends_nothing(schema: dict[str, Any]) -> None:
    parameters = {"type": "object", "required": ["a"], "properties": {"a": schema}}
    definition = replace(parse_definition(typed(request__url="http://h/")), parameters=parameters)
    with pytest.raises(ArgumentsInvalid, match="get_order"):
        validate_arguments(definition, {"a": "1"})
