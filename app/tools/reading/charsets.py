"""The bytes of a response as text, by the character set that its server names.

Python knows more codecs than the web: with ``punycode`` a megabyte takes minutes in one uninterruptible step, ``idna``
raises, and of each name that it does not know it remembers for ever that it does not. So only names that servers really
use are looked up; any other text is read as UTF-8.
"""

from __future__ import annotations

import re
from typing import Final

# What the WHATWG Encoding Standard lists, as far as Python has it, and UTF-32.
_KNOWN: Final = re.compile(
    r"utf[_-]?8|utf[_-]?(?:16|32)(?:[_-]?[bl]e)?|(?:us-)?ascii|latin[_-]?[0-9]{1,2}|iso[_-]?8859[_-][0-9]{1,2}"
    r"|(?:windows-|cp)[0-9]{3,4}|koi8[_-][ru]|mac[_-]?(?:roman|cyrillic)|macintosh|tis-620"
    r"|gb2312|gbk|gb18030|big5(?:[_-]?hkscs)?|euc[_-](?:jp|kr)|shift[_-]jis|sjis|iso-2022-jp",
    re.IGNORECASE,
)


def decoded(data: bytes, charset: str | None) -> str:
    """The text; what cannot be read in it is ``\\ufffd``."""
    name = (charset or "").strip()
    if _KNOWN.fullmatch(name):
        try:
            return data.decode(name, errors="replace")
        except LookupError:  # looks like one, and is none: cp9999
            pass
    return data.decode("utf-8", errors="replace")
