"""What a model gave as arguments, checked against the tool's JSON Schema, with its defaults applied.

Neither the providers nor LangChain do this: the providers' schema dialects drop ``pattern``, ``minimum``, ``format``
and ``default`` on the way, and a tool with a plain JSON Schema gets whatever the model wrote.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError, best_match
from referencing import Registry
from referencing.exceptions import Unresolvable

from app.tools.errors import ArgumentsInvalid

# A model that got five things wrong learns as much from the first three.
_MAX_MISTAKES = 3
_MAX_MISTAKE_CHARS = 240


class ArgumentSchema:
    """The compiled schema of one tool's arguments; building it costs more than a check, so it is kept."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self._defaults = _defaults_of(schema)
        # An empty registry: a reference that leads outside the schema fails, instead of being fetched.
        self._validator = Draft202012Validator(schema, registry=Registry())

    def complete(self, tool: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments with defaults, as a new dictionary.

        Raises:
            ArgumentsInvalid: they do not match; ``for_model`` names each argument and what is wrong with it.
        """
        completed = _with_defaults(arguments, self._defaults)
        mistakes = self.mistakes(completed)
        if mistakes:
            words = "; ".join(mistakes)
            raise ArgumentsInvalid(
                f"The model called {tool} with wrong arguments: {words}",
                for_model=(
                    f"{tool} was not called, because its arguments are wrong: {words}. "
                    "Call it again with correct arguments, or ask the caller for what is missing."
                ),
            )
        return completed

    def mistakes(self, value: Any) -> list[str]:
        """What is wrong with ``value``, each with the place it is at; at most three. Empty: nothing is."""
        found: list[str] = []
        try:
            for error in self._validator.iter_errors(value):
                found.append(_words(best_match([error]) or error))
                if len(found) == _MAX_MISTAKES:
                    break
        except (Unresolvable, RecursionError):
            found.append("they are nested too deeply, or the schema refers to what it does not hold")
        return found


def _words(error: ValidationError) -> str:
    message = error.message
    if len(message) > _MAX_MISTAKE_CHARS:  # the message repeats the value, which may be as long as the model likes
        message = f"{message[:80]} ... {message[-(_MAX_MISTAKE_CHARS - 85) :]}"
    place = ".".join(str(part) for part in error.absolute_path)
    return f"{place}: {message}" if place else message


def _defaults_of(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Property name -> (has a default, default, defaults of the properties within)."""
    found: dict[str, Any] = {}
    properties = schema.get("properties")
    if not isinstance(properties, Mapping):
        return found
    for name, part in properties.items():
        if not isinstance(part, Mapping):
            continue
        within = _defaults_of(part)
        if "default" in part or within:
            found[name] = ("default" in part, part.get("default"), within)
    return found


def _with_defaults(value: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    completed = dict(value)
    for name, (has_default, default, within) in defaults.items():
        if name not in completed:
            if has_default:
                completed[name] = copy.deepcopy(default)
        elif within and isinstance(completed[name], Mapping):
            completed[name] = _with_defaults(completed[name], within)
    return completed
