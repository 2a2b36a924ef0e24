"""The keywords of JSON Schema whose cost depends on what a model wrote, within bounds.

jsonschema matches ``pattern`` with :mod:`re`, which has no limit of time and keeps the interpreter to itself: with
``^(\\w+\\s?)*$``, thirty letters and an exclamation mark stop every call of the process for a minute. And it compares
each element of a ``uniqueItems`` list with each other: 4,000 objects take ten seconds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import regex  # type: ignore[import-untyped]  # re's language, and a timeout
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError
from jsonschema.validators import extend

MATCH_SECONDS = 0.01


class PatternUnusable(Exception):
    """A pattern could not be matched in time, or is no regular expression."""


def check_pattern(pattern: str) -> None:
    """Raise ValueError, with words for the operator, when ``pattern`` is no regular expression."""
    try:
        regex.compile(pattern)
    except regex.error as error:
        raise ValueError(str(error)) from error


def matches(pattern: str, text: str) -> bool:
    """Whether ``pattern`` is found in ``text``. Raises :class:`PatternUnusable`, at the latest after a moment."""
    try:
        return regex.search(pattern, text, timeout=MATCH_SECONDS) is not None
    except (TimeoutError, regex.error):
        raise PatternUnusable(pattern) from None


def _pattern(validator: Any, pattern: str, value: Any, _schema: Any) -> Iterator[ValidationError]:
    if validator.is_type(value, "string") and not matches(pattern, value):
        yield ValidationError(f"{value!r} does not match {pattern!r}")


def _pattern_properties(validator: Any, patterns: Mapping[str, Any], value: Any, _: Any) -> Iterator[ValidationError]:
    if not validator.is_type(value, "object"):
        return
    for pattern, part in patterns.items():
        for name, each in value.items():
            if matches(pattern, name):
                yield from validator.descend(each, part, path=name, schema_path=pattern)


def _additional_properties(validator: Any, rule: Any, value: Any, schema: Any) -> Iterator[ValidationError]:
    if not validator.is_type(value, "object"):
        return
    known, patterns = schema.get("properties", {}), schema.get("patternProperties", {})
    extras = [name for name in value if name not in known and not any(matches(each, name) for each in patterns)]
    if validator.is_type(rule, "object"):
        for name in extras:
            yield from validator.descend(value[name], rule, path=name)
    elif not rule and extras:
        yield ValidationError(f"there is no {', '.join(map(repr, extras[:3]))}")


def _unique_items(validator: Any, wanted: Any, value: Any, _schema: Any) -> Iterator[ValidationError]:
    if wanted and validator.is_type(value, "array") and len({_frozen(each) for each in value}) < len(value):
        yield ValidationError("it holds the same thing twice")


def _frozen(value: Any) -> Any:
    """A value that is equal, and has the same hash, where JSON Schema takes two values for equal."""
    if isinstance(value, Mapping):
        return "object", frozenset((name, _frozen(each)) for name, each in value.items())
    if isinstance(value, list | tuple):
        return "array", tuple(_frozen(each) for each in value)
    return type(value).__name__ if isinstance(value, bool) else "", value


BoundedValidator: Any = extend(  # type: ignore[no-untyped-call]
    Draft202012Validator,
    {
        "pattern": _pattern,
        "patternProperties": _pattern_properties,
        "additionalProperties": _additional_properties,
        "uniqueItems": _unique_items,
    },
)
