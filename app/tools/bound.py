"""Bound parameters: filled from the call and from constants, never by the model, which does not see them.

A call variable is text. Where it is all that a parameter is bound to, it becomes what the parameter's schema wants: a
whole number, a number, yes or no, or the list or object that it holds as JSON. What does not fit is a
:class:`~app.tools.errors.CallUnfit`, since neither the model nor the caller can mend it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any, Final

import orjson

from app.tools.bodies import compile_json
from app.tools.definition import ToolDefinition
from app.tools.errors import CallUnfit
from app.tools.json_texts import is_json_text
from app.tools.placeholders import MISSING, Placeholder, Text, split
from app.tools.visible import resolved, without

# As much as the model may say in all its arguments.
MAX_BOUND_TEXT: Final = 65_536

# An integer that every database and JSON reader takes has 64 bits.
_INTEGER: Final = re.compile(r"[+-]?[0-9]{1,19}")
_NUMBER: Final = re.compile(r"[+-]?(?:[0-9]{1,40}(?:\.[0-9]{0,40})?|\.[0-9]{1,40})(?:[eE][+-]?[0-9]{1,3})?")
# As the dialplan says them.
_BOOLEANS: Final = {
    **dict.fromkeys(("true", "yes", "on", "1"), True),
    **dict.fromkeys(("false", "no", "off", "0"), False),
}
_NAMES: Final = {
    "integer": "a whole number",
    "number": "a number",
    "boolean": "yes or no (true, false, yes, no, 1 or 0)",
    "array": "a list as JSON",
    "object": "an object as JSON",
    "null": "nothing",
}

_pieces = lru_cache(maxsize=1024)(split)


def visible_parameters(definition: ToolDefinition) -> dict[str, Any]:
    """The JSON Schema that the model is given: without the bound parameters, and without what speaks of them."""
    return without(definition.parameters, frozenset(definition.bound))


def bind(definition: ToolDefinition, arguments: Mapping[str, Any], variables: Mapping[str, str]) -> Mapping[str, Any]:
    """The arguments with the bound parameters; what the model gave for one of these is dropped.

    One whose call variables are all missing is left out, and so is an empty one where the schema wants no text; the
    schema's default stands in for it, where there is one.

    Raises:
        CallUnfit: a call variable is not what the parameter's schema wants.
    """
    if not definition.bound:
        return arguments
    known = {name.lower(): value for name, value in variables.items()}
    bound = {name: _value(definition, name, template, known) for name, template in definition.bound.items()}
    given = {name: value for name, value in arguments.items() if name not in bound}
    return {**given, **{name: value for name, value in bound.items() if value is not MISSING}}


def bound_from(template: Any) -> str:
    """What a parameter is bound to, in words for the operator; empty where it is a constant."""
    names = list(dict.fromkeys(f"{{{{ {each} }}}}" for each in _placeholders(template)))
    return ", ".join(names)


def _placeholders(template: Any) -> Iterator[Placeholder]:
    if isinstance(template, str):
        yield from (piece for piece in _pieces(template) if isinstance(piece, Placeholder))
    elif isinstance(template, Mapping):
        for part in template.values():
            yield from _placeholders(part)
    elif isinstance(template, list | tuple):
        for part in template:
            yield from _placeholders(part)


def _value(definition: ToolDefinition, name: str, template: Any, variables: Mapping[str, str]) -> Any:
    def get(placeholder: Placeholder) -> Any:
        return variables.get(placeholder.name, MISSING)

    if not isinstance(template, str):
        return compile_json(template)(get) if any(_placeholders(template)) else template
    pieces = _pieces(template)
    from_call = [piece for piece in pieces if isinstance(piece, Placeholder)]
    if not from_call:
        return template
    if all(piece.name not in variables for piece in from_call):
        return MISSING
    text = "".join(piece if isinstance(piece, str) else variables.get(piece.name, "") for piece in pieces)
    if len(text) > MAX_BOUND_TEXT:
        raise _unfit(definition, name, pieces, f"is longer than {MAX_BOUND_TEXT:,} characters")
    types = _types(definition.parameters, name)
    if "string" in types or not types:
        return text
    if not text.strip():
        return None if "null" in types else MISSING
    for kind, read in _READERS.items():
        if kind in types and (value := read(text.strip())) is not MISSING:
            return value
    wanted = " or ".join(_NAMES[kind] for kind in _NAMES if kind in types)
    raise _unfit(definition, name, pieces, f"is not {wanted}, as the parameter wants it")


def _unfit(definition: ToolDefinition, name: str, pieces: Text, words: str) -> CallUnfit:
    names = ", ".join(f"{{{{ {piece} }}}}" for piece in pieces if isinstance(piece, Placeholder))
    return CallUnfit(f"the bound parameter {name} takes {names}, which {words}", tool=definition.name)


def _types(parameters: Mapping[str, Any], name: str) -> frozenset[str]:
    """The types that a parameter may have; empty: any, or a text that is read as JSON later."""
    return _types_of(resolved(parameters["properties"].get(name), parameters), parameters)


def _types_of(schema: Any, root: Mapping[str, Any]) -> frozenset[str]:
    if not isinstance(schema, Mapping) or is_json_text(schema):
        return frozenset()
    said = schema.get("type")
    if isinstance(said, str):
        return frozenset([said])
    if isinstance(said, list):
        return frozenset(each for each in said if isinstance(each, str))
    choices = schema.get("anyOf") or schema.get("oneOf")
    if not isinstance(choices, list):
        return frozenset()
    types = [_types_of(resolved(each, root), root) for each in choices]
    return frozenset().union(*types) if all(types) else frozenset()


def _integer(text: str) -> Any:
    if not _INTEGER.fullmatch(text):
        return MISSING
    value = int(text)
    return value if -(2**63) <= value < 2**63 else MISSING


def _number(text: str) -> Any:
    if (whole := _integer(text)) is not MISSING:
        return whole
    value = float(text) if _NUMBER.fullmatch(text) else math.inf
    return value if math.isfinite(value) else MISSING


def _boolean(text: str) -> Any:
    return _BOOLEANS.get(text.lower(), MISSING)


def _json(kind: type[list[Any]] | type[dict[str, Any]]) -> Callable[[str], Any]:
    def read(text: str) -> Any:
        try:
            value = orjson.loads(text)
            orjson.dumps(value)  # it reads deeper nesting than it writes
        except (orjson.JSONDecodeError, TypeError):
            return MISSING
        return value if isinstance(value, kind) else MISSING

    return read


_READERS: Final[Mapping[str, Callable[[str], Any]]] = {
    "boolean": _boolean,
    "integer": _integer,
    "number": _number,
    "array": _json(list),
    "object": _json(dict),
}
