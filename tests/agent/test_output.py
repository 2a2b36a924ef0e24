"""A prompt's output schema as a tool: odd schemas, and what a model makes of them."""

from __future__ import annotations

from typing import Any

import pytest

from app.agent.actions import action_tools
from app.agent.builtin import ANSWER
from app.agent.output import OutputSchema
from app.prompts.prompt import Action
from app.tools.errors import ArgumentsInvalid

INTEGER = {"type": "integer"}


def schema(properties: dict[str, Any], **more: Any) -> OutputSchema:
    return OutputSchema({"type": "object", "properties": properties, **more})


@pytest.mark.parametrize(
    ("output", "arguments", "text", "fields"),
    [
        (schema({"n": INTEGER}), {"say": " Hi. ", "n": 1}, "Hi.", {"n": 1}),
        (schema({"n": INTEGER}, maxProperties=1, additionalProperties=False), {"say": "Hi.", "n": 1}, "Hi.", {"n": 1}),
        (schema({"n": INTEGER}, propertyNames={"maxLength": 1}), {"say": "Hi.", "n": 1}, "Hi.", {"n": 1}),
        (schema({"say": INTEGER}), {"say_to_caller": "Hi.", "say": 3}, "Hi.", {"say": 3}),
        (schema({"response": {"type": "object"}}), {"say": "Hi.", "response": {}}, "Hi.", {"response": {}}),
        (schema({"response": {"type": ["string", "null"]}}), {"response": "Hi."}, "Hi.", {"response": "Hi."}),
        (schema({"n": True}), {"say": "Hi.", "n": [1]}, "Hi.", {"n": [1]}),
        (OutputSchema({}), {"say": "Hi."}, "Hi.", {}),
    ],
)
def test_the_words_are_found_and_the_fields_fit_the_operators_schema(
    output: OutputSchema, arguments: dict[str, Any], text: str, fields: dict[str, Any]
) -> None:
    answer = output.accept(arguments)
    assert (answer.text, answer.fields) == (text, fields)


@pytest.mark.parametrize("said", [None, "", "  ", 3, {"a": 1}, ["Hi."]])
def test_what_is_no_text_is_never_spoken(said: Any) -> None:
    for output, name in ((schema({"response": {"type": ["string", "null"]}}), "response"), (schema({}), "say")):
        with pytest.raises(ArgumentsInvalid) as caught:
            output.accept({name: said})
        assert name in caught.value.for_model


def test_all_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(ArgumentsInvalid) as caught:
        schema({"n": INTEGER}).accept({"n": "x"})
    assert "say holds no words" in caught.value.for_model
    assert "n: 'x' is not of type 'integer'" in caught.value.for_model


def test_no_action_takes_the_name_of_the_answer() -> None:
    assert list(action_tools([Action(ANSWER)], ())) == ["action_answer"]
