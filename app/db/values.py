"""What a text or a JSON value must be so that every database takes it and gives it back unchanged."""

from __future__ import annotations

import json
from typing import Any, Final

# Levels of nesting of a JSON value: far below what makes a parser give up.
MAX_JSON_DEPTH: Final = 100


def text_problem(text: str, *, max_bytes: int) -> str | None:
    """What is wrong with ``text``, as the end of a sentence that begins with its name; None: nothing."""
    if "\0" in text:
        return "holds a NUL character; remove it"
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        return "holds half of a character pair (a lone surrogate); type that character again"
    if size > max_bytes:
        return f"has {size:,} bytes; at most {max_bytes:,} are kept"
    return None


def json_problem(value: Any, *, max_bytes: int) -> str | None:
    """What is wrong with a JSON value, likewise."""
    try:
        if _depth(value, 0) > MAX_JSON_DEPTH:
            return f"is nested more than {MAX_JSON_DEPTH} levels deep"
        text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        return "is no JSON value: numbers such as NaN, and types that JSON does not have, cannot be kept"
    # A NUL within JSON is written as an escape, and kept.
    return text_problem(text, max_bytes=max_bytes)


def _depth(value: Any, level: int) -> int:
    if level > MAX_JSON_DEPTH:
        return level
    if isinstance(value, dict):
        return max((_depth(item, level + 1) for item in value.values()), default=level)
    if isinstance(value, list | tuple):
        return max((_depth(item, level + 1) for item in value), default=level)
    return level
