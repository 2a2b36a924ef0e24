"""Names that operators give, and the form in which they are compared."""

from __future__ import annotations

import unicodedata

# Characters of a name, and of its key: folding can lengthen a text up to threefold.
NAME_LENGTH = 100
KEY_LENGTH = 300


def name_key(name: str) -> str:
    """The form in which names are unique and looked up: case, width and outer spaces do not count.

    Made here, not by the database, because SQLite folds only ASCII, PostgreSQL nothing, and MySQL accents too.
    """
    folded = unicodedata.normalize("NFKC", name.strip()).casefold()
    return unicodedata.normalize("NFKC", folded)[:KEY_LENGTH]
