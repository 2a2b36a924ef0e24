"""Options that several commands read in the same way."""

from __future__ import annotations

import re
from collections.abc import Iterable

from app.core.errors import SettingsError

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def variables_from(pairs: Iterable[str]) -> dict[str, str]:
    """``KEY=VALUE`` options as a dict; a later one replaces an earlier.

    Raises:
        SettingsError: one of them has no ``=``, or no name before it.
    """
    found = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not _NAME.fullmatch(name.strip()):
            raise SettingsError(f"--var {pair!r}: write KEY=VALUE, the key with letters, digits and underscores")
        found[name.strip()] = value
    return found
