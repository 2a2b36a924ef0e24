"""Bound parameters: filled from the call and from constants, never by the model, which does not see them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.tools.definition import ToolDefinition
from app.tools.placeholders import MISSING, Placeholder, split


def visible_parameters(definition: ToolDefinition) -> dict[str, Any]:
    """The JSON Schema that the model is given: without the bound parameters."""
    schema = dict(definition.parameters)
    if not definition.bound:
        return schema
    properties = {name: part for name, part in schema["properties"].items() if name not in definition.bound}
    schema["properties"] = properties
    if isinstance(schema.get("required"), list):
        schema["required"] = [name for name in schema["required"] if name in properties]
    return schema


def bind(definition: ToolDefinition, arguments: Mapping[str, Any], variables: Mapping[str, str]) -> Mapping[str, Any]:
    """The arguments with the bound parameters; what the model gave for one of these is dropped."""
    if not definition.bound:
        return arguments
    bound = {name: _value(template, variables) for name, template in definition.bound.items()}
    given = {name: value for name, value in arguments.items() if name not in bound}
    return {**given, **{name: value for name, value in bound.items() if value is not MISSING}}


def _value(template: Any, variables: Mapping[str, str]) -> Any:
    if not isinstance(template, str):
        return template
    pieces = split(template)
    if len(pieces) == 1 and isinstance(pieces[0], Placeholder):
        return variables.get(pieces[0].name, MISSING)
    values = [piece if isinstance(piece, str) else variables.get(piece.name, MISSING) for piece in pieces]
    return "".join(str(value) for value in values if value is not MISSING)
