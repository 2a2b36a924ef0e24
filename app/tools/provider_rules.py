"""What a provider would not take of a tool's schema, or would ignore.

A schema that a provider refuses does not only cost that tool: the whole request fails, and with it the turn. The rules
for OpenAI and Anthropic are those of their error messages and documents. Those for Gemini are those of its API
reference and of what langchain-google-genai makes of a schema on the way, against which the tests hold them. OpenAI's
strict mode is never asked for, so its rules do not apply.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from app.tools.auth.in_clear import in_clear
from app.tools.behaviour.without_effect import without_effect
from app.tools.bound import visible_parameters
from app.tools.definition import RequestSpec, ToolDefinition

EVERY: Final = "every"
_MAX_DEPTH: Final = 20
_MAX_WARNINGS: Final = 50
_COMBINATIONS: Final = ("oneOf", "anyOf", "allOf")
_AT_TOP_OPENAI: Final = (*_COMBINATIONS, "enum", "const", "not")
_GEMINI_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
_ANTHROPIC_NAME: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}")
# Dropped on the way to Gemini without a word; the arguments are checked against them here, before the request.
_GEMINI_IGNORES: Final = frozenset(
    {"if", "then", "else", "not", "patternProperties", "dependentSchemas", "prefixItems"}
)


@dataclass(frozen=True, slots=True)
class SchemaWarning:
    """Something in the parameters that a provider does not take or would ignore.

    Attributes:
        provider: Its name; ``every`` where it does not depend on the provider.
        field: Where, such as ``parameters.properties.place``.
        message: What happens, and what to change.
    """

    provider: str
    field: str
    message: str


def warnings_of(definition: ToolDefinition, providers: Collection[str]) -> tuple[SchemaWarning, ...]:
    """What these providers would not take; the tool can be saved all the same.

    Args:
        providers: Names of those that can be used. One that is not known here speaks OpenAI's protocol. ``demo`` takes
            everything.
    """
    found: dict[SchemaWarning, None] = {}
    if isinstance(definition.request, RequestSpec):
        for each in in_clear(definition.authorisation, definition.request.url):
            found[SchemaWarning(EVERY, each.field, each.message)] = None
    for each in without_effect(definition):
        found[SchemaWarning(EVERY, each.field, each.message)] = None
    for warning in _warnings(visible_parameters(definition), providers):
        found[warning] = None
        if len(found) == _MAX_WARNINGS:
            break
    return tuple(found)


def _warnings(schema: Mapping[str, Any], providers: Collection[str]) -> Iterator[SchemaWarning]:
    parts = list(_parts(schema, "parameters"))
    for part in parts:
        yield from _undescribed(part)
    for provider in providers:
        if provider == "demo":
            continue
        if provider == "gemini":
            rules = [warning for part in parts for warning in _gemini(part)]
        elif provider == "anthropic":
            rules = [*_anthropic_top(schema), *(warning for part in parts for warning in _anthropic(part))]
        else:
            rules = [*_openai_top(schema), *(warning for part in parts for warning in _openai(part))]
        yield from (SchemaWarning(provider, field, words) for field, words in rules)


@dataclass(frozen=True, slots=True)
class _Part:
    """A schema within the schema. ``property`` is its name where it is a property."""

    field: str
    schema: Mapping[str, Any]
    property: str | None = None


def _parts(schema: Any, field: str, name: str | None = None, depth: int = 0) -> Iterator[_Part]:
    if not isinstance(schema, Mapping) or depth > _MAX_DEPTH:
        return
    yield _Part(field, schema, name)
    for word in ("properties", "$defs", "definitions"):
        within = schema.get(word)
        for each, part in within.items() if isinstance(within, Mapping) else ():
            yield from _parts(part, f"{field}.{word}.{each}", each if word == "properties" else None, depth + 1)
    for word in ("items", "additionalProperties"):
        yield from _parts(schema.get(word), f"{field}.{word}", None, depth + 1)
    for word in _COMBINATIONS:
        for index, part in enumerate(_list(schema.get(word))):
            yield from _parts(part, f"{field}.{word}.{index}", None, depth + 1)


def _list(value: Any) -> Iterable[Any]:
    return value if isinstance(value, list) else ()


def _undescribed(part: _Part) -> Iterator[SchemaWarning]:
    if part.property is not None and not part.schema.get("description") and "$ref" not in part.schema:
        yield SchemaWarning(
            EVERY,
            part.field,
            f"Describe {part.property}: say what it is and how a caller says it. The model has nothing else to go by.",
        )


def _openai_top(schema: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for word in _AT_TOP_OPENAI:
        if word in schema:
            yield (
                f"parameters.{word}",
                f"OpenAI refuses every turn with this tool: {word} may not stand at the top of the parameters. "
                "Move it into a property, or say it in the description.",
            )


def _openai(part: _Part) -> Iterator[tuple[str, str]]:
    if _says(part.schema, "array") and "items" not in part.schema:
        yield (
            part.field,
            'OpenAI refuses every turn with this tool: a list needs "items". Say what it holds, such as '
            '"items": {"type": "string"}.',
        )


def _anthropic_top(schema: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for word in _COMBINATIONS:
        if word in schema:
            yield (
                f"parameters.{word}",
                f"Anthropic refuses every turn with this tool: {word} may not stand at the top of the parameters. "
                "Move it into a property, or say it in the description.",
            )


def _anthropic(part: _Part) -> Iterator[tuple[str, str]]:
    if part.property is not None and not _ANTHROPIC_NAME.fullmatch(part.property):
        yield (
            part.field,
            f"Anthropic refuses every turn with this tool: rename {part.property[:80]!r}; names have letters, digits, "
            "_, . and -, at most 64.",
        )


def _gemini(part: _Part) -> Iterator[tuple[str, str]]:
    schema, field = part.schema, part.field
    if part.property is not None and not _GEMINI_NAME.fullmatch(part.property):
        yield (
            field,
            f"Gemini does not take the name {part.property[:80]!r}: use letters, digits and _, a letter or _ first, "
            "at most 64.",
        )
    yield from _gemini_values(schema, field)
    yield from _gemini_structure(schema, field)


def _gemini_values(schema: Mapping[str, Any], field: str) -> Iterator[tuple[str, str]]:
    values = schema.get("enum")
    if isinstance(values, list):
        if any(not isinstance(each, str) for each in values):
            yield (
                field,
                "Gemini cannot be asked at all with an enum of anything but texts, so its turns fail: use texts, "
                "or minimum and maximum.",
            )
        elif "" in values:
            yield field, "Gemini refuses an empty text in an enum: take it out, and leave the parameter optional."
    if "const" in schema:
        yield field, 'Gemini is not told of const: use "enum" with that one text. The arguments are checked here.'
    if isinstance(schema.get("type"), list):
        yield (
            field,
            "Gemini is told of a text where there are several types: use one, and leave the parameter optional. "
            "The arguments are checked here.",
        )


def _gemini_structure(schema: Mapping[str, Any], field: str) -> Iterator[tuple[str, str]]:
    for word in ("oneOf", "allOf"):
        if word in schema:
            yield (
                field,
                f"Gemini is not told of {word} and takes any text there: "
                + ("use anyOf. " if word == "oneOf" else "write the parts together as one schema. ")
                + "The arguments are checked here.",
            )
    ignored = sorted(_GEMINI_IGNORES & set(schema))
    if ignored:
        yield (
            field,
            f"Gemini is not told of {', '.join(ignored)}: say it in the description. The arguments are checked here.",
        )
    if "$ref" in schema:
        yield field, "Gemini gets a wrong schema where $ref leads back to itself: copy the parts in, as deep as needed."
    if _says(schema, "array") and "items" not in schema:
        yield field, 'Gemini wants "items" for a list: say what it holds, such as "items": {"type": "string"}.'
    properties = schema.get("properties")
    if _says(schema, "object") and not properties and field != "parameters":
        yield (
            field,
            "Gemini refuses or misreads an object without properties: name them, or take a text that holds JSON.",
        )
    if isinstance(properties, Mapping):
        for name in _list(schema.get("required")):
            if isinstance(name, str) and name not in properties:
                yield field, f"Gemini refuses that {name[:80]!r} is required, since it is not among the properties."


def _says(schema: Mapping[str, Any], kind: str) -> bool:
    said = schema.get("type")
    return said == kind or (isinstance(said, list) and kind in said)
