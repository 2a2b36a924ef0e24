"""What a model gave as arguments, checked against the tool's JSON Schema, with its defaults applied.

Neither the providers nor LangChain do this: the providers' schema dialects drop ``pattern``, ``minimum``, ``format``
and ``default`` on the way, and a tool with a plain JSON Schema gets whatever the model wrote.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import orjson
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError
from referencing import Registry
from referencing.exceptions import Unresolvable

from app.tools.errors import ArgumentsInvalid
from app.tools.json_texts import has_json_texts, read_texts, schema_of_content
from app.tools.keywords import BoundedValidator, PatternUnusable

# A model that got five things wrong learns as much from the first three.
_MAX_MISTAKES = 3
_MAX_MISTAKE_CHARS = 240
# What callers say fits many times over; checking takes time that all calls share.
MAX_ARGUMENT_BYTES = 65_536


class ArgumentSchema:
    """The compiled schema of one tool's arguments; building it costs more than a check, so it is kept."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self._texts = schema if has_json_texts(schema) else None
        if self._texts is not None:
            schema = schema_of_content(schema)
        self._defaults = _defaults_of(schema)
        # An empty registry: a reference that leads outside the schema fails, instead of being fetched.
        self._validator = BoundedValidator(
            schema, registry=Registry(), format_checker=Draft202012Validator.FORMAT_CHECKER
        )

    def complete(self, tool: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments with defaults, as a new dictionary.

        Raises:
            ArgumentsInvalid: they do not match; ``for_model`` names each argument and what is wrong with it.
        """
        unfit = _unfit(arguments)
        if unfit:
            raise ArgumentsInvalid(
                f"The arguments that the model gave to {tool} {unfit}",
                for_model=f"{tool} was not called: its arguments {unfit}. Call it again with plain, short ones.",
            )
        if self._texts is not None:
            arguments = read_texts(arguments, self._texts)
        completed = _with_defaults(arguments, self._defaults)
        mistakes = self._mistakes(completed)
        if mistakes:
            words = "; ".join(words for _, words in mistakes)
            places = ", ".join(place for place, _ in mistakes)
            raise ArgumentsInvalid(
                # No values: what a caller said does not belong into logs that keep errors.
                f"The arguments that the model gave to {tool} do not match its schema: {places}",
                for_model=(
                    f"{tool} was not called, because its arguments are wrong: {words}. "
                    "Call it again with correct arguments, or ask the caller for what is missing."
                ),
            )
        return completed

    def _mistakes(self, value: Any) -> list[tuple[str, str]]:
        """The first things that are wrong: where (and by which rule), and the words for the model."""
        found: list[tuple[str, str]] = []
        try:
            for error in self._validator.iter_errors(value):
                place = ".".join(str(part) for part in error.absolute_path)
                found.append((f"{place or 'the whole'} ({error.validator})", _words(place, error)))
                if len(found) == _MAX_MISTAKES:
                    break
        except (Unresolvable, RecursionError, AttributeError, TypeError, ValueError):
            # The last three are jsonschema's at a $ref that leads to what is no schema, and at an $id that is no URL.
            found.append(("the whole", "they are nested too deeply, or the schema refers to what it does not hold"))
        except PatternUnusable as error:
            place = f"the pattern {str(error)[:80]!r} cannot be compared, or takes too long"
            found.append((place, f"{place}; use a shorter value"))
        return found


def _unfit(arguments: Mapping[str, Any]) -> str | None:
    """What keeps ``arguments`` from being looked at; None when nothing does."""
    try:
        size = len(orjson.dumps(arguments))
    except TypeError:  # nested more than 254 deep, half a surrogate pair, an integer beyond 64 bits
        return "cannot be written as JSON"
    return None if size <= MAX_ARGUMENT_BYTES else f"are longer than {MAX_ARGUMENT_BYTES:,} bytes"


def _words(place: str, error: ValidationError) -> str:
    message = error.message
    if len(message) > _MAX_MISTAKE_CHARS:  # the message repeats the value, which may be as long as the model likes
        message = f"{message[:80]} ... {message[-(_MAX_MISTAKE_CHARS - 85) :]}"
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
