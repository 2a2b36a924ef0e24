"""What a model gave as arguments, checked against the tool's JSON Schema, with its defaults applied.

Neither the providers nor LangChain do this: the providers' schema dialects drop ``pattern``, ``minimum``, ``format``
and ``default`` on the way, and a tool with a plain JSON Schema gets whatever the model wrote.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError
from referencing import Registry
from referencing.exceptions import Unresolvable

from app.tools.bound import bound_from
from app.tools.errors import ArgumentsInvalid, CallUnfit
from app.tools.json_texts import has_json_texts, read_texts, schema_of_content
from app.tools.keywords import BoundedValidator, PatternUnusable

# A model that got five things wrong learns as much from the first three.
_MAX_MISTAKES = 3
_MAX_MISTAKE_CHARS = 240
# What callers say fits many times over; checking takes time that all calls share.
MAX_ARGUMENT_BYTES = 65_536


# What these rules say of an object names its properties, and none of its values.
_OF_NAMES: Final = frozenset({"required", "additionalProperties", "dependentRequired"})


@dataclass(frozen=True, slots=True)
class _Mistake:
    """Attributes:
    place: Where, and by which rule.
    words: For the model.
    of_call: It is about a bound parameter.
    """

    place: str
    words: str
    of_call: bool = False


class ArgumentSchema:
    """The compiled schema of one tool's arguments; building it costs more than a check, so it is kept.

    Args:
        bound: The tool's bound parameters. The model does not see them, so it is told nothing of what is wrong there.
    """

    def __init__(self, schema: Mapping[str, Any], *, bound: Mapping[str, Any] | None = None) -> None:
        self._bound = bound or {}
        required = schema.get("required")
        self._required = [name for name in self._bound if isinstance(required, list) and name in required]
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
            CallUnfit: a bound parameter is missing or does not match.
        """
        unfit = _unfit({name: each for name, each in arguments.items() if name not in self._bound})
        if unfit:
            raise ArgumentsInvalid(
                f"The arguments that the model gave to {tool} {unfit}",
                for_model=f"{tool} was not called: its arguments {unfit}. Call it again with plain, short ones.",
            )
        if self._texts is not None:
            arguments = read_texts(arguments, self._texts)
        completed = _with_defaults(arguments, self._defaults)
        if self._bound:
            self._refuse_unfit_call(tool, completed)
        mistakes = self._mistakes(completed)
        if mistakes:
            if any(mistake.of_call for mistake in mistakes):
                places = ", ".join(mistake.place for mistake in mistakes if mistake.of_call)
                raise CallUnfit(f"what is bound does not match the parameters: {places}", tool=tool)
            words = "; ".join(mistake.words for mistake in mistakes)
            places = ", ".join(mistake.place for mistake in mistakes)
            raise ArgumentsInvalid(
                # No values: what a caller said does not belong into logs that keep errors.
                f"The arguments that the model gave to {tool} do not match its schema: {places}",
                for_model=(
                    f"{tool} was not called, because its arguments are wrong: {words}. "
                    "Call it again with correct arguments, or ask the caller for what is missing."
                ),
            )
        return completed

    def _refuse_unfit_call(self, tool: str, completed: Mapping[str, Any]) -> None:
        for name in self._required:
            if name not in completed:
                source = bound_from(self._bound[name])
                where = f", since this call has no {source}" if source else ""
                raise CallUnfit(f"the bound parameter {name} is missing{where}", tool=tool)
        for name in self._bound:
            unfit = _unfit({name: completed[name]}) if name in completed else None
            if unfit:
                raise CallUnfit(f"the bound parameter {name}: its values {unfit}", tool=tool)

    def _mistakes(self, value: Any) -> list[_Mistake]:
        """The first things that are wrong."""
        found: list[_Mistake] = []
        try:
            for error in self._validator.iter_errors(value):
                found.append(self._mistake(error))
                if len(found) == _MAX_MISTAKES:
                    break
        except (Unresolvable, RecursionError, AttributeError, TypeError, ValueError):
            # The last three are jsonschema's at a $ref that leads to what is no schema, and at an $id that is no URL.
            words = "they are nested too deeply, or the schema refers to what it does not hold"
            found.append(_Mistake("the whole", words))
        except PatternUnusable as error:
            place = f"the pattern {str(error)[:80]!r} cannot be compared, or takes too long"
            found.append(_Mistake(place, f"{place}; use a shorter value"))
        return found

    def _mistake(self, error: ValidationError) -> _Mistake:
        path = [str(part) for part in error.absolute_path]
        place = ".".join(path)
        shown = f"{place or 'the whole'} ({error.validator})"
        if path or not self._bound:
            return _Mistake(shown, _words(place, error), of_call=bool(path) and path[0] in self._bound)
        if error.validator in _OF_NAMES:
            return _Mistake(
                shown, _words(place, error), of_call=any(repr(name) in error.message for name in self._bound)
            )
        # The message repeats the whole, and with it what is bound.
        return _Mistake(shown, f"the arguments do not fit together ({error.validator})")


def _unfit(arguments: Mapping[str, Any]) -> str | None:
    """What keeps ``arguments`` from being looked at; None when nothing does."""
    try:
        written = orjson.dumps(arguments)
    except TypeError:  # nested more than 254 deep, half a surrogate pair, an integer beyond 64 bits
        return "cannot be written as JSON"
    # orjson makes null of NaN and infinity without a word.
    if b"null" in written and not _is_finite(arguments):
        return "hold a number that JSON does not have (NaN or infinity)"
    size = len(written)
    return None if size <= MAX_ARGUMENT_BYTES else f"are longer than {MAX_ARGUMENT_BYTES:,} bytes"


def _is_finite(value: Any) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, Mapping):
        return all(map(_is_finite, value.values()))
    return all(map(_is_finite, value)) if isinstance(value, list | tuple) else True


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
