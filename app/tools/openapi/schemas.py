"""A schema of an OpenAPI document as a JSON Schema that models and providers can work with.

References are written out, since providers differ in following them; where one leads back into itself, the part is
left out. ``allOf`` is merged, ``oneOf`` becomes ``anyOf``, and the other differences between OpenAPI 3.0, 3.1 and what
Gemini takes are evened out. What cannot be said is left out: the result allows more than the original, never less, and
the server has the last word.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from app.tools.keywords import check_pattern
from app.tools.openapi.fitting import fitted
from app.tools.openapi.references import ReferenceLost, References

MAX_DEPTH: Final = 10
# Schemas written out for one operation, and for a document.
MAX_SCHEMAS: Final = 1_500
MAX_SCHEMAS_IN_ALL: Final = 100_000
_MAX_OPTIONS: Final = 20
_MAX_WORDS: Final = 500
_MAX_EXAMPLE: Final = 60

_TYPES: Final = frozenset({"string", "number", "integer", "boolean", "array", "object"})
_NUMBERS: Final = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf")
_COUNTS: Final = ("minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties")

Schema = dict[str, Any]


@dataclass(slots=True)
class Notes:
    """What is lost on the way, for the operator; each sentence once."""

    lines: dict[str, None] = field(default_factory=dict)
    schemas: int = 0

    def say(self, line: str) -> None:
        """Note a sentence."""
        if len(self.lines) < 20:
            self.lines[line] = None


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a schema stands: behind which references, and within which schema."""

    behind: tuple[str, ...] = ()
    depth: int = 0
    within: Mapping[str, Any] | None = None


class _Cycle(Exception):
    """The schema leads back into itself."""


class SchemaReader:
    """Reads the schemas of one document."""

    def __init__(self, references: References) -> None:
        self._references = references
        self._schemas = 0

    def read(self, schema: Any, notes: Notes, *, otherwise: Schema | None = None, words: str = "") -> Schema:
        """The schema, written out, in words that every provider has.

        Args:
            otherwise: In place of one that allows anything.
            words: What it is, where the schema itself does not say.
        """
        place = _Place(within=schema if isinstance(schema, Mapping) else None)
        try:
            found = self._read(schema, place, notes)[0]
        except _Cycle:
            found = {}
        if otherwise is not None and not {"type", "anyOf", "enum"} & set(found):
            found |= otherwise
        if words:
            found.setdefault("description", words)
        return fitted(found)

    def _read(self, schema: Any, place: _Place, notes: Notes) -> tuple[Schema, bool]:
        """The schema, and whether null is allowed."""
        self._schemas += 1
        notes.schemas += 1
        if self._schemas > MAX_SCHEMAS_IN_ALL or notes.schemas > MAX_SCHEMAS:
            notes.say("The schema is very large; parts of it are left out, and anything is allowed there.")
            return {}, False
        if place.depth > MAX_DEPTH:
            notes.say(f"The schema is nested more than {MAX_DEPTH} deep; anything is allowed below.")
            return {}, False
        if not isinstance(schema, Mapping):
            return {}, False
        if "$ref" in schema:
            return self._behind_reference(schema, place, notes)
        if "$id" in schema or "$defs" in schema:
            place = _Place(place.behind, place.depth, schema)
        return self._plain(schema, place, notes)

    def _behind_reference(self, schema: Mapping[str, Any], place: _Place, notes: Notes) -> tuple[Schema, bool]:
        reference = schema["$ref"]
        if isinstance(reference, str) and reference in place.behind:
            notes.say(f"{reference[:100]} leads back into itself; the part within is left out.")
            raise _Cycle
        try:
            target = self._references.lookup(reference, place.within)
        except ReferenceLost as error:
            notes.say(f"{str(error)[:200]}; anything is allowed there.")
            return {}, False
        inner = _Place((*place.behind, reference), place.depth + 1, place.within)
        found, nullable = self._read(target, inner, notes)
        siblings = {name: part for name, part in schema.items() if name != "$ref"}
        if siblings:
            own, own_nullable = self._plain(siblings, place, notes)
            words = own.pop("description", None)
            found = _merged([found, own], notes)
            nullable = nullable or own_nullable
            if words:
                found["description"] = words
        return found, nullable

    def _plain(self, schema: Mapping[str, Any], place: _Place, notes: Notes) -> tuple[Schema, bool]:
        kinds = schema.get("type")
        named = [kinds] if isinstance(kinds, str) else kinds if isinstance(kinds, list) else []
        nullable = schema.get("nullable") is True or "null" in named
        types = [kind for kind in named if isinstance(kind, str) and kind in _TYPES]
        found: Schema = {}
        if types:
            found["type"] = types[0] if len(types) == 1 else types
        found |= _limits(schema, notes)
        found |= self._structure(schema, place, notes)
        parts = [found]
        for part in _list(schema.get("allOf"))[:_MAX_OPTIONS]:
            read, _ = self._read(part, _deeper(place), notes)
            parts.append(read)
        options, null_option = self._options(schema, place, notes)
        nullable = nullable or null_option
        if len(options) == 1:
            parts.append(options[0])
        elif options:
            parts.append({"anyOf": options})
        merged = _merged(parts, notes)
        words = " ".join(_words(schema))
        if words:
            merged["description"] = words
        _choose(schema, merged)
        return merged, nullable

    def _structure(self, schema: Mapping[str, Any], place: _Place, notes: Notes) -> Schema:
        found: Schema = {}
        properties = schema.get("properties")
        if isinstance(properties, Mapping):
            found["type"] = "object"
            found |= self._properties(properties, _list(schema.get("required")), place, notes)
        elif isinstance(schema.get("required"), list):
            found["required"] = [name for name in schema["required"] if isinstance(name, str)]
        more = schema.get("additionalProperties")
        if isinstance(more, bool):
            found["additionalProperties"] = more
        elif isinstance(more, Mapping) and more:
            found["additionalProperties"] = self._or_anything(more, place, notes)
        if "items" in schema or schema.get("type") == "array":
            found["type"] = "array"
            found["items"] = self._read(schema.get("items"), _deeper(place), notes)[0]
        return found

    def _properties(self, properties: Mapping[str, Any], required: list[Any], place: _Place, notes: Notes) -> Schema:
        found: Schema = {}
        for name, part in properties.items():
            if isinstance(part, Mapping) and part.get("readOnly") is True:
                continue
            try:
                read, nullable = self._read(part, _deeper(place), notes)
            except _Cycle:
                if name not in required:
                    continue
                kind: Schema = {"type": "array", "items": {}} if "items" in part else {"type": "object"}
                read, nullable = {**kind, "description": "The same again, nested."}, False
            if nullable and name in required:  # one that is not may be left out instead
                read = _or_null(read)
            found[name] = read
        result: Schema = {"properties": found}
        wanted = [name for name in required if name in found]
        if wanted:
            result["required"] = wanted
        return result

    def _or_anything(self, schema: Any, place: _Place, notes: Notes) -> Schema:
        try:
            return self._read(schema, _deeper(place), notes)[0]
        except _Cycle:
            return {"type": "object"}

    def _options(self, schema: Mapping[str, Any], place: _Place, notes: Notes) -> tuple[list[Schema], bool]:
        options, nullable = [], False
        for part in (_list(schema.get("oneOf")) or _list(schema.get("anyOf")))[:_MAX_OPTIONS]:
            if isinstance(part, Mapping) and part.get("type") == "null":
                nullable = True
                continue
            try:
                read, null = self._read(part, _deeper(place), notes)
            except _Cycle:
                continue
            nullable = nullable or null
            if read not in options:
                options.append(read)
        return options, nullable


def _or_null(schema: Schema) -> Schema:
    """The schema, or null, in the form that all providers take."""
    if not schema:
        return schema
    words = {name: part for name, part in schema.items() if name == "description"}
    options = schema["anyOf"] if set(schema) <= {"anyOf", "description"} else [_without(schema, "description")]
    return {**words, "anyOf": [*options, {"type": "null"}]}


def _without(schema: Schema, name: str) -> Schema:
    return {word: part for word, part in schema.items() if word != name}


def _deeper(place: _Place) -> _Place:
    return _Place(place.behind, place.depth + 1, place.within)


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _limits(schema: Mapping[str, Any], notes: Notes) -> Schema:
    found: Schema = {name: schema[name] for name in _NUMBERS if _number(schema.get(name))}
    # In OpenAPI 3.0 these two are a mark on the other.
    for mark, limit in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if schema.get(mark) is True and limit in found:
            found[mark] = found.pop(limit)
    if found.get("multipleOf", 1) <= 0:
        del found["multipleOf"]
    found |= {
        name: schema[name]
        for name in _COUNTS
        if isinstance(schema.get(name), int) and not isinstance(schema[name], bool) and schema[name] >= 0
    }
    if schema.get("uniqueItems") is True:
        found["uniqueItems"] = True
    if isinstance(schema.get("format"), str):
        found["format"] = schema["format"]
    pattern = schema.get("pattern")
    if isinstance(pattern, str):
        try:
            check_pattern(pattern)
            found["pattern"] = pattern
        except ValueError:
            notes.say(f"The pattern {pattern[:60]!r} is none that can be checked here; it is left out.")
    return found


def _choose(schema: Mapping[str, Any], found: Schema) -> None:
    """The values to choose from: texts as ``enum``; others in words, since Gemini cannot be asked with them."""
    values = [schema["const"]] if "const" in schema else _list(schema.get("enum"))
    values = [each for each in values if each is not None and each != ""]
    if not values:
        return
    if all(isinstance(each, str) for each in values):
        found["enum"] = list(dict.fromkeys(values))
        found.setdefault("type", "string")
        return
    words = f"One of: {', '.join(str(each)[:40] for each in values[:50])}."
    found["description"] = f"{found['description']} {words}" if "description" in found else words
    if all(isinstance(each, int) and not isinstance(each, bool) for each in values):
        found.setdefault("type", "integer")
        found |= {"minimum": min(values), "maximum": max(values)}


def _words(schema: Mapping[str, Any]) -> Iterator[str]:
    for name in ("description", "title"):
        text = schema.get(name)
        if isinstance(text, str) and text.strip():
            yield shortened(text, _MAX_WORDS)
            break
    examples = [schema["example"]] if "example" in schema else _list(schema.get("examples"))[:1]
    for name, values in (("Default", [schema["default"]] if "default" in schema else []), ("Example", examples)):
        for value in values:
            if isinstance(value, str | int | float) and 0 < len(str(value)) <= _MAX_EXAMPLE:
                yield f"{name}: {str(value).lower() if isinstance(value, bool) else value}."


def _merged(parts: list[Schema], notes: Notes) -> Schema:
    """One schema that asks for what all parts ask for, where that can be said."""
    found: Schema = {}
    for part in parts:
        for name, value in part.items():
            if name not in found:
                found[name] = value
            elif name == "properties":
                found[name] = {**found[name], **value}
            elif name == "required":
                found[name] = list(dict.fromkeys([*found[name], *value]))
            elif name in ("description", "additionalProperties") or found[name] == value:
                pass  # the first is the nearest
            else:
                notes.say(f"Two parts of a schema disagree about {name}; the first one holds.")
    if "required" in found and "properties" in found:
        found["required"] = [name for name in found["required"] if name in found["properties"]]
    if not found.get("required", True):
        del found["required"]
    if len(parts) > 1 and found.get("additionalProperties") is False:
        del found["additionalProperties"]  # it was said of one part, and would forbid the others
    return found


def shortened(text: str, longest: int) -> str:
    """A text on one line, cut at a word."""
    line = " ".join(text.replace("\0", " ").split())
    return line if len(line) <= longest else f"{line[: longest - 4].rsplit(' ', 1)[0]} ..."
