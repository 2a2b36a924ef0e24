"""What a check says: one line what it saw, and one line what to do about it."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Level(enum.StrEnum):
    """How bad it is."""

    OK = "ok"
    WARN = "warn"  # calls are served, but something will bite
    FAIL = "fail"  # something that is configured does not work
    SKIP = "skip"  # could not be looked at, or is not configured


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a check saw.

    Attributes:
        title: What was looked at, in a few words; the same on every run.
        detail: What it is now. Never holds a secret.
        remedy: What to type, or which file to edit. Empty where nothing has to be done.
        check: Name of the check, filled in by :func:`app.doctor.run.examine`.
    """

    level: Level
    title: str
    detail: str = ""
    remedy: str = ""
    check: str = ""


def ok(title: str, detail: str = "") -> Finding:
    """As it should be."""
    return Finding(Level.OK, title, detail)


def warn(title: str, detail: str, remedy: str) -> Finding:
    """Works, with a drawback that the operator should know."""
    return Finding(Level.WARN, title, detail, remedy)


def fail(title: str, detail: str, remedy: str) -> Finding:
    """Does not work."""
    return Finding(Level.FAIL, title, detail, remedy)


def skip(title: str, detail: str) -> Finding:
    """Not looked at."""
    return Finding(Level.SKIP, title, detail)
