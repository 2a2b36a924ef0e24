"""What an editor hands in: the fields of a prompt before they become a version."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError

from app.db.values import json_problem, text_problem
from app.models.names import NAME_LENGTH
from app.prompts.action_rules import action_problems
from app.prompts.errors import PromptInvalid
from app.prompts.prompt import Action
from app.prompts.render import check

MAX_CONTENT_BYTES: Final = 1_048_576
MAX_JSON_BYTES: Final = 1_000_000
# Checking a schema takes a millisecond for each 300 bytes.
MAX_SCHEMA_BYTES: Final = 64_000
# A sentence for the caller; longer ones would not fit AI_RESPONSE.
MAX_SENTENCE_BYTES: Final = 4_000
MAX_MODEL_BYTES: Final = 200
MAX_NOTE_BYTES: Final = 500
MAX_TIMEOUT: Final = 300.0
MAX_TEMPERATURE: Final = 2.0


@dataclass(frozen=True, slots=True)
class PromptDraft:
    """The fields of :class:`app.prompts.prompt.Prompt` that an operator writes.

    Attributes:
        note: Why this version was made, for the list of versions.
    """

    name: str
    content: str
    metadata: Mapping[str, Any] = field(default_factory=dict)
    model: str | None = None
    temperature: float | None = None
    tools: tuple[str, ...] | None = None
    actions: tuple[Action, ...] = ()
    output_schema: Mapping[str, Any] | None = None
    fallback: str | None = None
    timeout: float | None = None
    greeting: str | None = None
    note: str = ""


def validate(draft: PromptDraft) -> None:
    """Refuse what cannot be kept, or would fail in a call. Takes up to some tenths of a second: not for the event loop.

    Raises:
        PromptInvalid: for the first field that is malformed, with the field's name; the rest is in its ``others``.
    """
    if found := list(problems_of(draft)):
        found[0].others = tuple(found[1:])
        raise found[0]


def validate_note(note: str) -> None:
    """The same for a note alone, at once. Raises PromptInvalid."""
    _text(note, "note", MAX_NOTE_BYTES)


def problems_of(draft: PromptDraft) -> Iterator[PromptInvalid]:
    """What is wrong, of each field (of the actions of each row's) the first thing, in the order of a form. Takes as
    long as :func:`validate`."""
    yield from _failures(
        lambda: _name(draft.name),
        lambda: _content(draft.content),
        lambda: _text(draft.model, "model", MAX_MODEL_BYTES),
        lambda: _between(draft.temperature, "temperature", 0, MAX_TEMPERATURE),
        lambda: _tools(draft.tools),
    )
    yield from action_problems(draft.actions)
    yield from _failures(
        lambda: _output_schema(draft.output_schema),
        lambda: _text(draft.fallback, "fallback", MAX_SENTENCE_BYTES),
        lambda: _between(draft.timeout, "timeout", 0.1, MAX_TIMEOUT),
        lambda: _text(draft.greeting, "greeting", MAX_SENTENCE_BYTES),
        lambda: _json(draft.metadata, "metadata", MAX_JSON_BYTES),
        lambda: validate_note(draft.note),
    )


def _failures(*checks: Callable[[], None]) -> Iterator[PromptInvalid]:
    for check_field in checks:
        try:
            check_field()
        except PromptInvalid as problem:
            yield problem


def _content(content: str) -> None:
    _text(content, "content", MAX_CONTENT_BYTES)
    if not content.strip():
        raise PromptInvalid("The content is empty; write what the assistant is and how it should answer.")
    check(content)


def _tools(tools: tuple[str, ...] | None) -> None:
    for tool in tools or ():
        _text(tool, "tools", NAME_LENGTH)


def _name(name: str) -> None:
    if not name.strip():
        raise PromptInvalid("The name is empty; the dialplan needs one for AI_PROMPT_NAME.", field="name")
    if len(name.strip()) > NAME_LENGTH:
        raise PromptInvalid(f"The name has more than {NAME_LENGTH} characters.", field="name")
    if any(not character.isprintable() or character in ',"' for character in name.strip()):
        raise PromptInvalid(
            "The name holds a comma, a double quote or a control character, which would not pass through the dialplan.",
            field="name",
        )
    _text(name, "name", NAME_LENGTH * 4)


def _text(value: str | None, name: str, limit: int) -> None:
    problem = None if value is None else text_problem(value, max_bytes=limit)
    if problem:
        raise PromptInvalid(f"The {name} {problem}.", field=name)


def _json(value: Any, name: str, limit: int) -> None:
    if not isinstance(value, Mapping):
        raise PromptInvalid(f"The {name} must be a JSON object: {{ ... }}.", field=name)
    problem = json_problem(dict(value), max_bytes=limit)
    if problem:
        raise PromptInvalid(f"The {name} {problem}.", field=name)


def _between(value: float | None, name: str, low: float, high: float) -> None:
    if value is not None and not (math.isfinite(value) and low <= value <= high):
        raise PromptInvalid(f"The {name} must lie between {low:g} and {high:g}.", field=name)


def _output_schema(schema: Mapping[str, Any] | None) -> None:
    if schema is None:
        return
    _json(schema, "output_schema", MAX_SCHEMA_BYTES)
    if schema.get("type") != "object" or not isinstance(schema.get("properties"), Mapping) or not schema["properties"]:
        raise PromptInvalid(
            'The output schema must describe an object with fields: {"type": "object", "properties": {...}}; each '
            "field becomes a variable AI_OUT_<NAME>.",
            field="output_schema",
        )
    try:
        Draft202012Validator.check_schema(dict(schema))
    except SchemaError as error:
        where = "/".join(str(part) for part in error.absolute_path) or "its top"
        raise PromptInvalid(
            f"The output schema is no JSON Schema, at {where}: {error.message}.", field="output_schema"
        ) from None
