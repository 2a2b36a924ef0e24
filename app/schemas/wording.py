"""What is wrong with a value, for people who fill in forms."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

# Pydantic's names for the bounds of a number.
_BOUNDS: Final = {"le": "at most", "ge": "at least", "lt": "less than", "gt": "more than"}


def sentence(detail: Mapping[str, Any]) -> str:
    """One of pydantic's findings (an item of ``ValidationError.errors()``) as a sentence that says what to write."""
    kind, limits = detail["type"], detail.get("ctx", {})
    if kind == "missing" or (kind == "string_too_short" and limits.get("min_length") == 1):
        return "Write something here: it is needed."
    if kind == "string_too_long":
        return f"At most {limits['max_length']:,} characters fit here."
    for bound, words in _BOUNDS.items():
        if isinstance(limits.get(bound), int | float):
            return f"Write a number that is {words} {limits[bound]:g}."
    message = str(detail["msg"]).removeprefix("Value error, ")
    return message if message.endswith(".") else f"{message}."
