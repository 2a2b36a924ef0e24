"""A function as a tool: its JSON Schema from its signature, and its arguments out of JSON."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model
from pydantic.errors import PydanticUserError

from app.tools.python.api import CallInfo

_SECTION: Final = re.compile(r"^\s*(?:Args|Arguments|Parameters):\s*$")
_ARGUMENT: Final = re.compile(r"^(\w+)\s*(?:\([^)]*\))?:\s*(.*)$")
_HEADING: Final = re.compile(r"^[A-Z][A-Za-z ]+:\s*$")
_KEYWORD: Final = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


class NotCallable(Exception):
    """It cannot be a tool; the message says why."""


@dataclass(frozen=True, slots=True)
class Function:
    """A function that can be called as a tool.

    Attributes:
        wants_info: Its first parameter takes the :class:`CallInfo`.
    """

    call: Callable[..., Any]
    description: str
    parameters: Mapping[str, Any]
    is_async: bool
    wants_info: bool
    _names: tuple[str, ...]
    _model: type[BaseModel]

    def arguments(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments as the function takes them: dates, enums, dataclasses out of JSON. Raises ValueError, with
        words for the model."""
        try:
            made = self._model.model_validate({name: value for name, value in given.items() if name in self._names})
        except ValidationError as error:
            told = [f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors(include_url=False)]
            raise ValueError("; ".join(told)[:500]) from None
        return {name: getattr(made, f"argument_{place}") for place, name in enumerate(self._names)}


def read_function(found: Any) -> Function:
    """Raises NotCallable: it is no function, or its parameters have no JSON Schema."""
    if not callable(found) or inspect.isclass(found):
        raise NotCallable(f"It is {_kind(found)}, not a function.")
    try:
        signature, hints = inspect.signature(found), get_type_hints(found, include_extras=True)
    except (TypeError, ValueError, NameError) as error:
        raise NotCallable(f"Its signature cannot be read: {error}.") from error
    parameters = list(signature.parameters.values())
    wants_info = bool(parameters) and hints.get(parameters[0].name) is CallInfo
    description, told = _documentation(found)
    fields: dict[str, Any] = {}
    names = []
    for place, each in enumerate(parameters[1:] if wants_info else parameters):
        if each.kind not in _KEYWORD:
            raise NotCallable(f"Its parameter {each.name} cannot be given by name; * and ** are not taken.")
        default = ... if each.default is inspect.Parameter.empty else each.default
        # Under names of our own: one that pydantic uses itself (schema, copy) would be refused.
        info = Field(default, alias=each.name)
        if each.name in told:
            info = Field(default, alias=each.name, description=told[each.name])
        fields[f"argument_{place}"] = (hints.get(each.name, Any), info)
        names.append(each.name)
    try:
        model = create_model("Arguments", __config__=ConfigDict(arbitrary_types_allowed=False), **fields)
        schema = model.model_json_schema(by_alias=True)
    except (PydanticUserError, TypeError, ValueError) as error:
        words = str(error).partition("\n")[0]
        raise NotCallable(f"Its parameters have no JSON Schema: {words}") from error
    return Function(
        call=found,
        description=description,
        parameters={"properties": {}, **_plain(schema)},
        is_async=inspect.iscoroutinefunction(found),
        wants_info=wants_info,
        _names=tuple(names),
        _model=model,
    )


def _kind(found: Any) -> str:
    return "a class" if inspect.isclass(found) else f"of the type {type(found).__name__}"


def _plain(schema: Any) -> Any:
    """Without the titles that pydantic makes of names: the model reads, and pays for, each word."""
    if isinstance(schema, list):
        return [_plain(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {}
    for name, each in schema.items():
        if name == "title" and isinstance(each, str):
            continue
        if name in ("properties", "$defs"):
            kept[name] = {key: _plain(part) for key, part in each.items()}
        else:
            kept[name] = each if name in ("default", "enum", "const", "examples") else _plain(each)
    return kept


def _documentation(found: Any) -> tuple[str, dict[str, str]]:
    """What it does, and what each parameter is, from a docstring with a section ``Args:``."""
    lines = (inspect.getdoc(found) or "").splitlines()
    at = next((place for place, line in enumerate(lines) if _SECTION.match(line)), len(lines))
    told: dict[str, str] = {}
    current, indent = "", -1
    for line in lines[at + 1 :]:
        bare = line.strip()
        if not bare:
            continue
        depth = len(line) - len(line.lstrip())
        if depth == 0:
            break
        indent = depth if indent < 0 else indent
        match = _ARGUMENT.match(bare) if depth == indent else None
        if match:
            current = match[1]
            told[current] = match[2]
        elif current:
            told[current] = f"{told[current]} {bare}".strip()
    words = []
    for line in lines[:at]:
        if _HEADING.match(line):
            break
        words.append(line)
    return "\n".join(words).strip(), told
