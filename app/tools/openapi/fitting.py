"""The last step of reading a schema: what no provider has a word for is said in one that all of them take.

========================  ============================================================================================
any object, a map         a text that holds JSON (:mod:`app.tools.json_texts`)
anything                  the same
a list of anything        a list of such texts
several types             ``anyOf``, an option for each
========================  ============================================================================================
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from app.tools.json_texts import MEDIA_TYPE

_OBJECT_WORDS: Final = "A JSON object, written as text."
_ANY_WORDS: Final = "Any value, written as JSON."
_DEPTH: Final = 24

Schema = dict[str, Any]


def fitted(schema: Mapping[str, Any], depth: int = 0) -> Schema:
    """The schema, so that every provider takes it. It asks for the same."""
    found = dict(schema)
    kinds = found.get("type")
    if isinstance(kinds, list):
        return _several(found, kinds, depth)
    if "anyOf" in found and found.get("properties"):
        del found["anyOf"]  # options of one object, such as which of its parts are needed: the server knows
    if "anyOf" in found:
        found.pop("type", None)  # each option has its own
        found["anyOf"] = [fitted(option, depth + 1) for option in found["anyOf"]]
        return found
    if kinds == "array":
        items = found.get("items")
        found["items"] = fitted(items if isinstance(items, Mapping) else {}, depth + 1)
    elif kinds == "object" or "properties" in found:
        properties = found.get("properties")
        if not properties or depth > _DEPTH:
            return _text(found, {"type": "object", **_without_words(found)}, _OBJECT_WORDS)
        found["type"] = "object"
        found["properties"] = {name: fitted(part, depth + 1) for name, part in properties.items()}
    elif kinds is None and "enum" not in found:
        return _text(found, _without_words(found), _ANY_WORDS)
    return found


def _several(schema: Schema, kinds: list[str], depth: int) -> Schema:
    words = {"description": schema.pop("description")} if "description" in schema else {}
    options = [fitted({**_of_kind(schema, kind), "type": kind}, depth + 1) for kind in kinds]
    return {**words, "anyOf": options}


_ONLY: Final[Mapping[str, frozenset[str]]] = {
    "array": frozenset({"items", "minItems", "maxItems", "uniqueItems"}),
    "object": frozenset({"properties", "required", "additionalProperties", "minProperties", "maxProperties"}),
    "string": frozenset({"minLength", "maxLength", "pattern", "format", "enum"}),
    "number": frozenset({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "format"}),
    "integer": frozenset({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "format"}),
    "boolean": frozenset(),
}
_OF_SOME: Final = frozenset().union(*_ONLY.values())


def _of_kind(schema: Schema, kind: str) -> Schema:
    """What the schema says of values of this type."""
    own = _ONLY.get(kind, frozenset())
    return {name: part for name, part in schema.items() if name in own or name not in _OF_SOME | {"type"}}


def _without_words(schema: Schema) -> Schema:
    return {name: part for name, part in schema.items() if name != "description"}


def _text(schema: Schema, content: Schema, words: str) -> Schema:
    said = schema.get("description")
    return {
        "type": "string",
        "description": f"{said} {words}" if said else words,
        "contentMediaType": MEDIA_TYPE,
        **({"contentSchema": content} if content else {}),
    }
