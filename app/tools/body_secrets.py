"""The secrets that an operator typed into a body of XML or text: in an element, in an attribute or after ``name=``
where the name sounds like one, and keys that look like one anywhere. ``{{ secret.NAME }}`` is none."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, Final

from app.db.audit import MASK, looks_secret, names_secret

# The quantifiers give nothing back: a long text without an end of anything is passed once.
_ELEMENT: Final = re.compile(r"(<([A-Za-z_][\w.:-]{0,100}+)[^<>]*+>)([^<>]++)(?=</\2\s*+>)")
_VALUE: Final = r"(?:(?:bearer|basic|token)\s++)?+(?:\{\{[^{}]*+\}\}|[^\s&;,<>\"'{}])++"
_PAIR: Final = re.compile(
    rf"""(?<![\w.-])([A-Za-z_][\w.-]{{0,100}}+)(["']?+\s{{0,5}}+[=:]\s{{0,5}}+)"""
    rf"""("[^"<>\n]++"|'[^'<>\n]++'|{_VALUE})""",
    re.IGNORECASE,
)
_WORD: Final = re.compile(r"[^\s\"'<>=&;,:(){}\[\]]{3,}+")

# What becomes of the value at a place: ("body", "text", its name, its number).
Change = Callable[[tuple[str, ...], Any], Any]
ROOT: Final = ("body", "text")


def mapped_text(text: str, change: Change, holds_text: Callable[[str], bool]) -> str:
    """The text with each secret, and each mask, changed. Names are numbered, since they may stand more than once.

    Args:
        holds_text: Whether a value is more than placeholders.
    """
    seen: Counter[str] = Counter()
    parts, position = [], 0
    for start, end, name in sorted(_found(text, holds_text), key=lambda each: (each[0], not each[2])):
        if start < position:
            continue  # within the one before
        seen[name] += 1
        parts += [text[position:start], str(change((*ROOT, name, str(seen[name])), text[start:end]))]
        position = end
    return "".join([*parts, text[position:]])


def _found(text: str, holds_text: Callable[[str], bool]) -> Iterator[tuple[int, int, str]]:
    """Where each begins and ends, and the name that it has there; empty, where it has none."""

    def is_secret(name: str, value: str) -> bool:
        return names_secret(name.rpartition(":")[2]) and holds_text(value)

    for match in _ELEMENT.finditer(text):
        if is_secret(match[2], match[3]):
            yield *match.span(3), match[2]
    for match in _PAIR.finditer(text):
        start, end = match.span(3)
        if text[start] in "\"'":
            start, end = start + 1, end - 1
        if is_secret(match[1], text[start:end]):
            yield start, end, match[1]
    for match in _WORD.finditer(text):
        if match[0] == MASK or looks_secret(match[0]):
            yield *match.span(), ""
