"""A prompt's output schema: one more tool, ``answer``, whose arguments are the fields and what to say.

A tool, because that is the one way to structured output that all providers share, and that goes together with other
tools; the turn ends with its call, so that it costs no further round trip to the model.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from app.agent.builtin import BuiltinTool
from app.tools.arguments import ArgumentSchema
from app.tools.errors import ArgumentsInvalid

ANSWER = "answer"
# Fields of the operator's own that hold the words to speak; otherwise ``say`` is added and not handed out.
_SPOKEN_FIELDS = ("response", "say")
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
        self._spoken = next((name for name in _SPOKEN_FIELDS if name in properties), "say")
        self._added = self._spoken not in properties
        required = list(schema.get("required") or ())
        if self._added:
            properties = {self._spoken: _SAY, **properties}
        if self._spoken not in required:
            required.insert(0, self._spoken)
        whole = {**schema, "type": "object", "properties": properties, "required": required}
        whole.pop("description", None)
        description = f"{_DESCRIPTION} {schema.get('description') or ''}".strip()
        self.tool = BuiltinTool(ANSWER, description, whole)
        self._arguments = ArgumentSchema(whole)

    def accept(self, arguments: Mapping[str, Any]) -> Answered:
        """The answer that these arguments are.

        Raises:
            ArgumentsInvalid: they do not match the schema, or there is nothing to say.
        """
        completed = self._arguments.complete(ANSWER, arguments)
        text = str(completed[self._spoken]).strip()
        if not text:
            words = f"{ANSWER} was not accepted: {self._spoken} is empty. Call it again with what to say to the caller."
            raise ArgumentsInvalid(words, for_model=words)
        if self._added:
            del completed[self._spoken]
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
