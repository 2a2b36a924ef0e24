"""Free-form arguments, which models write as JSON in a text."""

from __future__ import annotations

from typing import Any

import pytest

from app.tools.arguments import ArgumentSchema
from app.tools.errors import ArgumentsInvalid

ANY_OBJECT = {"type": "string", "contentMediaType": "application/json", "contentSchema": {"type": "object"}}
ANYTHING = {"type": "string", "contentMediaType": "application/json"}


def complete(part: dict[str, Any], value: Any) -> Any:
    schema = {"type": "object", "properties": {"x": part}, "required": ["x"]}
    return ArgumentSchema(schema).complete("t", {"x": value})["x"]


@pytest.mark.parametrize(
    ("part", "value", "expected"),
    [
        (ANY_OBJECT, '{"a": [1, "{{ call.x }}"]}', {"a": [1, "{{ call.x }}"]}),
        (ANY_OBJECT, {"a": 1}, {"a": 1}),
        (ANYTHING, "7", 7),
        (ANYTHING, "seven", "seven"),
        (ANYTHING, "", ""),
        ({"type": "array", "items": ANYTHING}, ['{"a": 1}', "b", 3], [{"a": 1}, "b", 3]),
        ({"type": "object", "properties": {"deep": ANY_OBJECT}}, {"deep": "{}", "n": "1"}, {"deep": {}, "n": "1"}),
        ({"type": "object", "additionalProperties": ANY_OBJECT}, {"k": '{"a": 1}'}, {"k": {"a": 1}}),
        ({"anyOf": [ANY_OBJECT, {"type": "integer"}]}, '{"a": 1}', {"a": 1}),
        ({"anyOf": [ANYTHING, {"type": "string"}]}, "7", "7"),
        ({"type": "string"}, '{"a": 1}', '{"a": 1}'),
    ],
)
def test_a_text_is_read_where_the_schema_says_that_it_holds_json(
    part: dict[str, Any], value: Any, expected: Any
) -> None:
    assert complete(part, value) == expected


@pytest.mark.parametrize("value", ["no json", "[1]", "7", 7, '{"a": 1', '{"a": "b"}'])
def test_what_the_text_holds_is_checked(value: Any) -> None:
    counts = {"type": "object", "additionalProperties": {"type": "integer"}}
    with pytest.raises(ArgumentsInvalid, match="x"):
        complete({**ANY_OBJECT, "contentSchema": counts}, value)


@pytest.mark.parametrize("default", [{"a": 1}, '{"a": 1}'])
def test_a_default_is_read_like_an_argument(default: Any) -> None:
    schema = ArgumentSchema({"type": "object", "properties": {"x": {**ANY_OBJECT, "default": default}}})
    assert schema.complete("t", {}) == {"x": {"a": 1}}
