"""What differs between two JSON values, field by field, for people. No I/O."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from app.db.audit import MASK

# Beyond these a comparison line by line takes too long; the two texts stand side by side then.
_MOST_LINES: Final = 2_000
_CONTEXT: Final = 3


@dataclass(frozen=True, slots=True)
class Difference:
    """One field that differs.

    Attributes:
        field: Its path, such as ``request.url``.
        before, after: In words; None: the field was not there.
        hidden: It is a secret, of which both sides show the mask alone.
    """

    field: str
    before: str | None
    after: str | None
    hidden: bool = False

    @property
    def label(self) -> str:
        """The field for people."""
        return self.field.replace("_", " ")


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a comparison; ``skipped`` stands for some that are alike."""

    kind: Literal["same", "removed", "added", "skipped"]
    text: str


def differences(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> list[Difference]:
    """Field by field; what is alike on both sides is left out, and what is empty where there is one side alone."""
    found: list[Difference] = []
    for key in {**(before or {}), **(after or {})}:
        found += _of_field(key, (before or {}).get(key, _ABSENT), (after or {}).get(key, _ABSENT))
    if before is None or after is None:
        found = [each for each in found if _EMPTY not in (each.before, each.after)]
    return found


def lines(before: str, after: str) -> list[Line] | None:
    """The two texts compared line by line, with some lines around each change; None: they are too long."""
    old, new = before.splitlines(), after.splitlines()
    if len(old) + len(new) > _MOST_LINES:
        return None
    found: list[Line] = []
    for number, group in enumerate(difflib.SequenceMatcher(None, old, new).get_grouped_opcodes(_CONTEXT)):
        if number or group[0][1] > 0:
            found.append(Line("skipped", "…"))
        for tag, a, b, c, d in group:
            if tag == "equal":
                found += [Line("same", text) for text in old[a:b]]
            else:
                found += [Line("removed", text) for text in old[a:b]]
                found += [Line("added", text) for text in new[c:d]]
    return found


_ABSENT: Final = object()
_EMPTY: Final = "(empty)"


def _of_field(path: str, before: Any, after: Any) -> list[Difference]:
    """At least one: the log keeps only fields that differ, so where none is seen to, it is behind the mask."""
    found = list(_leaves(path, before, after))
    return found or [Difference(path, MASK, MASK, hidden=True)]


def _leaves(path: str, before: Any, after: Any) -> list[Difference]:
    if isinstance(before, Mapping | None) and isinstance(after, Mapping | None) and (before or after):
        found = []
        old, new = before or {}, after or {}
        for key in {**old, **new}:
            found += _leaves(f"{path}.{key}", old.get(key, _ABSENT), new.get(key, _ABSENT))
        return found
    if before is _ABSENT and isinstance(after, Mapping) and after:
        return [each for key, value in after.items() for each in _leaves(f"{path}.{key}", _ABSENT, value)]
    if after is _ABSENT and isinstance(before, Mapping) and before:
        return [each for key, value in before.items() for each in _leaves(f"{path}.{key}", value, _ABSENT)]
    if before == after and type(before) is type(after):
        return []
    return [Difference(path, _words(before), _words(after))]


def _words(value: Any) -> str | None:
    if value is _ABSENT:
        return None
    if value is None or value in ("", [], {}):
        return _EMPTY
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, indent=2 if isinstance(value, list | dict) else None)
