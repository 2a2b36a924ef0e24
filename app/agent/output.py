"""A prompt's output schema: one more tool, ``answer``, whose arguments are the fields and what to say.

A tool, because that is the one way to structured output that all providers share, and that goes together with other
tools; the turn ends with its call, so that it costs no further round trip to the model.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from app.agent.builtin import ANSWER, BuiltinTool
from app.tools.arguments import ArgumentSchema
from app.tools.errors import ArgumentsInvalid

# Fields of the operator's own that hold the words to speak; otherwise one is added and not handed out.
_SPOKEN_FIELDS = ("response", "say")
_ADDED_FIELDS = ("say", "say_to_caller", "words_to_the_caller", "spoken_words")
_SAY = {"type": "string", "minLength": 1, "description": "What is said to the caller: plain spoken language."}
_DESCRIPTION = "Gives your final answer. Every turn ends with exactly one call of it, after all other tools."


@dataclass(frozen=True, slots=True)
class Answered:
    """A valid answer; the artifact of its ToolMessage.

    Attributes:
        text: What to say.
        fields: The operator's fields.
    """

    text: str
    fields: Mapping[str, Any]


class OutputSchema:
    """A prompt's output schema, compiled. ``tool`` is what the model is offered."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        properties: dict[str, Any] = dict(schema.get("properties") or {})
        own = next((name for name in _SPOKEN_FIELDS if _holds_words(properties.get(name, False))), None)
        self._added = own is None
        self._spoken = own or next(name for name in _ADDED_FIELDS if name not in properties)
        required = list(schema.get("required") or ())
        if self._added:
            properties = {self._spoken: _SAY, **properties}
        if self._spoken not in required:
            required.insert(0, self._spoken)
        offered = {**schema, "type": "object", "properties": properties, "required": required}
        offered.pop("description", None)
        description = f"{_DESCRIPTION} {schema.get('description') or ''}".strip()
        self.tool = BuiltinTool(ANSWER, description, offered)
        # What is added is looked at apart: the operator's schema may count its properties, or rule their names.
        self._fields = ArgumentSchema({"type": "object", **schema})

    def accept(self, arguments: Mapping[str, Any]) -> Answered:
        """The answer that these arguments are.

        Raises:
            ArgumentsInvalid: they do not match the schema, or there is nothing to say.
        """
        said = arguments.get(self._spoken)
        fields = {name: value for name, value in arguments.items() if not (self._added and name == self._spoken)}
        text = said.strip() if isinstance(said, str) else ""
        silent = f"{ANSWER} was not accepted: {self._spoken} holds no words. Call it again with what to say."
        try:
            completed = self._fields.complete(ANSWER, fields)
        except ArgumentsInvalid as error:
            if text:
                raise
            # Both at once: the model has one more try.
            raise ArgumentsInvalid(f"{error}; {silent}", for_model=f"{error.for_model} {silent}") from error
        if not text:
            raise ArgumentsInvalid(silent, for_model=silent)
        return Answered(text, completed)

    def accept_text(self, text: str) -> dict[str, Any] | None:
        """The arguments in a text that is JSON, as models write it that cannot be made to call a tool; else None."""
        body = text.strip().removeprefix("```json").removeprefix("```").removesuffix("```").strip()
        if not body.startswith("{"):
            return None
        try:
            value = orjson.loads(body)
            self.accept(value)
        except (orjson.JSONDecodeError, ArgumentsInvalid):
            return None
        return dict(value)


def _holds_words(schema: Any) -> bool:
    """Whether a property with this schema is a text, or may be one."""
    if not isinstance(schema, Mapping):
        return schema is True
    kind = schema.get("type", "string")
    return "string" in kind if isinstance(kind, list) else kind == "string"
