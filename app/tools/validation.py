"""What an operator typed, made into a :class:`ToolDefinition`; every mistake by the name of its field."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

import orjson
from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError, ValidationError

from app.db.values import text_problem
from app.tools.arguments import ArgumentSchema
from app.tools.auth.parsing import clashes, read_authorisation
from app.tools.definition import NAME_PATTERN, RequestSpec, ToolDefinition
from app.tools.errors import Mistake, ToolInvalid
from app.tools.keywords import check_pattern
from app.tools.option_rules import read_behaviour, read_bound, read_result
from app.tools.request_rules import Findings, read_any_request, unknown_placeholders

MAX_DESCRIPTION_CHARS = 4_000
MAX_SCHEMA_BYTES = 100_000
# Names that the agent gives to tools of its own; a second tool of the same name would hide one of them.
RESERVED_NAMES = frozenset(
    {
        "answer",
        "end_call",
        "transfer_call",
        "continue_call_at",
        "send_dtmf",
        "set_call_variable",
        "play_sound",
        "hold_call",
        "extension_state",
        "queue_state",
        "place_call",
    }
)

# Who got ten things wrong begins with the first.
_MAX_SCHEMA_MISTAKES = 10
_TYPES = "string, number, integer, boolean, array, object or null"


@dataclass(frozen=True, slots=True)
class Checked:
    """What became of a definition as it was typed.

    Attributes:
        definition: None where anything is wrong.
        mistakes: All that is wrong, in the order of the fields.
    """

    definition: ToolDefinition | None
    mistakes: tuple[Mistake, ...]


def check_definition(
    data: Mapping[str, Any], *, id: int = 0, version: int = 0, schema_is_ours: bool = False
) -> Checked:
    """Read the fields of a :class:`~app.tools.definition.ToolDefinition`, and say everything that is wrong with them.

    Args:
        schema_is_ours: The parameters were made here, so whether they are a JSON Schema need not be looked at: that
            takes most of the time, 4 ms for fifteen parameters, and a document has a thousand tools.
    """
    found = Findings()
    name = found.read(_name, data)
    description = found.read(_description, data)
    parameters = found.read(_parameters, data.get("parameters"), schema_is_ours)
    request = read_any_request(data.get("request"), found)
    if isinstance(request, RequestSpec) and parameters is not None:
        found.mistakes += unknown_placeholders(request, parameters)
    bound = read_bound(data.get("bound"), parameters, found)
    result = read_result(data.get("result"), found)
    behaviour = read_behaviour(data.get("behaviour"), found)
    authorisation = read_authorisation(data.get("authorisation"), found)
    if authorisation is not None and isinstance(request, RequestSpec):
        found.mistakes += clashes(authorisation, request)
    enabled = data.get("enabled", True)
    if not isinstance(enabled, bool):
        found.add("enabled", "enabled is true or false.")
    if found.mistakes:
        return Checked(None, tuple(found.mistakes))
    assert name is not None
    assert description is not None
    assert parameters is not None
    assert request is not None
    assert bound is not None
    assert result is not None
    assert behaviour is not None
    assert authorisation is not None
    definition = ToolDefinition(
        id, version, name, description, parameters, request, enabled, bound, result, behaviour, authorisation
    )
    return Checked(definition, ())


def parse_definition(data: Mapping[str, Any], *, id: int = 0, version: int = 0) -> ToolDefinition:
    """The definition that :func:`check_definition` reads.

    Raises:
        ToolInvalid: with everything that is wrong; ``field`` is the name of the first field, ``request.url`` and the
            like for parts of the request.
    """
    checked = check_definition(data, id=id, version=version)
    if checked.definition is None:
        raise ToolInvalid.of(checked.mistakes)
    return checked.definition


def validate_arguments(definition: ToolDefinition, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments with the schema's defaults. Raises :class:`~app.tools.errors.ArgumentsInvalid`.

    For a single use; the executor keeps the compiled schema.
    """
    return ArgumentSchema(definition.parameters, bound=definition.bound).complete(definition.name, arguments)


def _name(data: Mapping[str, Any]) -> str:
    name = _text(data, "name")
    if not re.fullmatch(NAME_PATTERN, name):
        raise ToolInvalid(
            "The name may have letters, digits, _ and -, begins with a letter or _, and has at most 64 characters.",
            field="name",
        )
    if name in RESERVED_NAMES:
        raise ToolInvalid(f"The name {name} belongs to a built-in tool; choose another.", field="name")
    return name


def _description(data: Mapping[str, Any]) -> str:
    description = _text(data, "description").strip()
    if not description:
        raise ToolInvalid(
            "Describe what the tool does and when to use it: the model decides by it.", field="description"
        )
    problem = text_problem(description, max_bytes=4 * MAX_DESCRIPTION_CHARS)
    if problem and len(description) <= MAX_DESCRIPTION_CHARS:
        raise ToolInvalid(f"The description {problem}.", field="description")
    if len(description) > MAX_DESCRIPTION_CHARS:
        raise ToolInvalid(f"The description may have {MAX_DESCRIPTION_CHARS:,} characters.", field="description")
    return description


def _text(data: Mapping[str, Any], field: str) -> str:
    value = data.get(field)
    if not isinstance(value, str):
        raise ToolInvalid(f"{field} is missing; it is a text.", field=field)
    return value


def _parameters(value: Any, ours: bool) -> Mapping[str, Any]:
    field = "parameters"
    if value is None:
        return {"type": "object", "properties": {}}
    if not isinstance(value, Mapping):
        raise ToolInvalid('The parameters are a JSON Schema: {"type": "object", "properties": {...}}', field=field)
    schema = dict(value)
    if schema.setdefault("type", "object") != "object":
        raise ToolInvalid('The parameters are an object: "type": "object" at the top.', field=field)
    # LangChain and two of the three providers fail on an object schema without properties.
    if not isinstance(schema.setdefault("properties", {}), Mapping):
        raise ToolInvalid('"properties" maps the name of each parameter to its schema.', field=field)
    try:
        size = len(orjson.dumps(schema))
        if size > MAX_SCHEMA_BYTES:
            raise ToolInvalid(f"The parameters may have {MAX_SCHEMA_BYTES:,} bytes as JSON.", field=field)
        if ours:
            return schema
        errors = Draft202012Validator(Draft202012Validator.META_SCHEMA).iter_errors(schema)
        mistakes = list(dict.fromkeys(map(_schema_mistake, _in_order(errors))))
    except (TypeError, RecursionError, SchemaError, orjson.JSONEncodeError) as error:
        raise ToolInvalid(f"The parameters are no JSON Schema: {error}", field=field) from error
    mistakes = mistakes or list(islice(_unusable(schema), _MAX_SCHEMA_MISTAKES))
    if mistakes:
        raise ToolInvalid.of(mistakes)
    return schema


def _in_order(errors: Iterator[ValidationError]) -> list[ValidationError]:
    # They come in no particular order, and of a hopeless schema without end.
    some = islice(errors, 10 * _MAX_SCHEMA_MISTAKES)
    return sorted(some, key=lambda error: [str(part) for part in error.absolute_path])[:_MAX_SCHEMA_MISTAKES]


def _schema_mistake(error: ValidationError) -> Mistake:
    path = [str(part) for part in error.absolute_path]
    words = error.message[:300]
    if path and path[-1] == "type":
        words = f"the type is {_TYPES}, not {str(error.instance)[:40]!r}"
    place = ".".join(path) or "the top"
    return Mistake("parameters", f"The parameters are no valid JSON Schema: at {place}: {words}")


def _unusable(schema: Mapping[str, Any]) -> Iterator[Mistake]:
    """What JSON Schema allows, and is not taken here."""
    for part in _subschemas(schema):
        reference = part.get("$ref")
        if isinstance(reference, str) and not reference.startswith("#"):
            yield Mistake("parameters", f"$ref {reference[:100]!r} leads outside the schema; copy it to $defs.")
        pattern, by_pattern = part.get("pattern"), part.get("patternProperties")
        for each in (pattern, *(by_pattern if isinstance(by_pattern, Mapping) else ())):
            if not isinstance(each, str):
                continue
            try:
                check_pattern(each)
            except ValueError as error:
                yield Mistake("parameters", f"The pattern {each[:100]!r} is no regular expression: {error}")


def _subschemas(value: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(value, Mapping):
        yield value
        for part in value.values():
            yield from _subschemas(part)
    elif isinstance(value, list):
        for part in value:
            yield from _subschemas(part)
