"""Whether this machine can run the lab: for the reason of a skipped test, and for ``make``."""

from __future__ import annotations

import os
import shutil

from lab.entry import find_entry
from lab.errors import LabMissing
from lab.roots import FORKY, Recipe, is_built


def missing(recipe: Recipe = FORKY) -> str | None:
    """What is missing for the lab, and how to get it; None when nothing is."""
    try:
        entry = find_entry()
    except LabMissing as error:
        return str(error)
    if not is_built(recipe, entry) and shutil.which("mmdebstrap") is None:
        return (
            "mmdebstrap is missing, which makes the lab's folder. "
            "Type: apt-get install -y mmdebstrap uidmap debian-archive-keyring"
        )
    return None


def must_not_be_missing() -> bool:
    """In CI a test that needs the lab fails without it. It never passes by being skipped."""
    return os.environ.get("CI", "").lower() in ("1", "true", "yes")
