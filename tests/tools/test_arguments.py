"""Checking arguments takes a bounded time, whatever the model wrote."""

from __future__ import annotations

import time
from typing import Any

import pytest

from app.tools.arguments import MAX_ARGUMENT_BYTES, ArgumentSchema
from app.tools.errors import ArgumentsInvalid


def schema(x: dict[str, Any], **more: Any) -> ArgumentSchema:
    return ArgumentSchema({"type": "object", "properties": {"x": x}, **more})


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = {"a": value}
    return value


SLOW = r"^(a+)+$"


@pytest.mark.parametrize(
    ("checked", "arguments", "words"),
    [
        (schema({"type": "string", "pattern": SLOW}), {"x": "a" * 2000 + "!"}, "too long"),
        (schema({"type": "object", "patternProperties": {SLOW: True}}), {"x": {"a" * 2000 + "!": 1}}, "too long"),
        (schema({}, patternProperties={SLOW: True}, additionalProperties=False), {"a" * 2000 + "!": 1}, "too long"),
        (schema({"uniqueItems": True}), {"x": [{"a": n} for n in range(4000)] + [{"a": 7}]}, "twice"),
        (schema({}), {"x": "long" * (MAX_ARGUMENT_BYTES // 4)}, "longer than"),
        (schema({}), {"x": nested(300)}, "JSON"),
        (schema({}), {"x": "half a pair \ud83d"}, "JSON"),
    ],
)
def test_arguments_that_are_dear_to_check_are_refused_at_once(
    checked: ArgumentSchema, arguments: dict[str, Any], words: str
) -> None:
    started = time.perf_counter()
    with pytest.raises(ArgumentsInvalid) as caught:
        checked.complete("look_up", arguments)
    assert time.perf_counter() - started < 0.5
    assert words in caught.value.for_model
    assert "aaa" not in str(caught.value)


def test_the_bounded_keywords_mean_what_json_schema_says() -> None:
    unique = schema({"uniqueItems": True})
    different = [1, True, "1", [1], {"a": 1}, {"a": True}, None, 0, False, [], {}]
    assert unique.complete("t", {"x": different}) == {"x": different}
    for same in ([1, 1.0], [{"a": 1, "b": 2}, {"b": 2, "a": 1}], [[None], [None]]):
        with pytest.raises(ArgumentsInvalid):
            unique.complete("t", {"x": same})
    strict = schema({}, patternProperties={"^n_": {"type": "integer"}}, additionalProperties=False)
    assert strict.complete("t", {"x": 1, "n_a": 2}) == {"x": 1, "n_a": 2}
    for wrong in ({"n_a": "2"}, {"y": 1}):
        with pytest.raises(ArgumentsInvalid):
            strict.complete("t", wrong)
    with pytest.raises(ArgumentsInvalid):
        schema({}, additionalProperties={"type": "integer"}).complete("t", {"y": "1"})
    code = schema({"pattern": r"^[A-Z]{2}\d{3}$"})
    assert code.complete("t", {"x": "AB123"}) == {"x": "AB123"}
    with pytest.raises(ArgumentsInvalid, match="pattern"):
        code.complete("t", {"x": "AB12"})
