"""Whether this machine can run the lab: for the reason of a skipped test."""

from __future__ import annotations

import os

from lab.errors import LabMissing
from lab.roots import FORKY, Recipe, prepare


def missing(recipe: Recipe = FORKY) -> str | None:
    """Everything that is missing for the lab, and how to get it; None when nothing is."""
    try:
        prepare(recipe)
    except LabMissing as error:
        return str(error)
    return None


def must_not_be_missing() -> bool:
    """In CI a test that needs the lab fails without it. It never passes by being skipped."""
    return os.environ.get("CI", "").lower() in ("1", "true", "yes")
