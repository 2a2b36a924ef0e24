"""A value, escaped for the place of a request where it lands. Pure.

==============  ======================================================================================================
URL             percent-encoded, everything but letters, digits and ``-._~`` (RFC 3986)
path            besides: what a server could take for another path is refused, see :func:`path_problem`
header          refused where it holds a control character (CR LF above all); sent as UTF-8
form            as browsers do: percent-encoded, a space becomes ``+`` (WHATWG URL, 5.2)
XML             for text and attributes alike; what XML 1.0 cannot carry is refused
==============  ======================================================================================================

Half of a surrogate pair can be written nowhere: it is a UnicodeEncodeError here, and a refusal in
:mod:`app.tools.render`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import quote, quote_plus, unquote_to_bytes

import orjson

from app.tools.placeholders import MISSING, Placeholder

# Of ASCII, of Latin-1, and the two that Unicode adds: something on the way may take each for the end of a line.
CONTROL: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")

# What may stand unescaped in what the operator typed; ``%`` because it may be encoded already.
_LITERAL_SAFE: Final = "%/:@!$&'()*+,;=-._~?[]"
# What needs neither escaping nor a closer look.
_HARMLESS: Final = re.compile(r"[A-Za-z0-9_-]+")

_SEPARATORS: Final = re.compile(r"[/\\]")
_DECODINGS: Final = 4
_UNICODE_ESCAPE: Final = re.compile(r"%u([0-9a-fA-F]{4})")
# UTF-8 that is longer than it need be; forbidden, and decoded by some all the same.
_OVERLONG: Final = re.compile(
    rb"[\xc0\xc1][\x80-\xbf]|\xe0[\x80-\x9f][\x80-\xbf]|\xf0[\x80-\x8f][\x80-\xbf]{2}"
    rb"|\xf8[\x80-\x87][\x80-\xbf]{3}|\xfc[\x80-\x83][\x80-\xbf]{4}"
)

_XML_FORBIDDEN: Final = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
# Tabs and line breaks too: within an attribute a parser makes spaces of them, and of CR LF one character anywhere.
_XML: Final = str.maketrans(
    {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;", "\t": "&#9;", "\n": "&#10;", "\r": "&#13;"}
)
_QUOTED: Final = str.maketrans({'"': "%22", "\r": "%0D", "\n": "%0A"})


class Unwritable(ValueError):
    """A value cannot stand in its place. The message is the end of a sentence that begins with the value's name.

    Attributes:
        placeholders: Those that may be at fault; none: whoever raised it did not know.
    """

    def __init__(self, words: str, *placeholders: Placeholder) -> None:
        super().__init__(words)
        self.placeholders = placeholders


def plain(value: Any) -> str:
    """A value inside text. Raises Unwritable where it holds what JSON cannot."""
    if isinstance(value, str):
        return value
    if value is MISSING or value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping | list | tuple):
        return json_bytes(value).decode()
    return str(value)


def json_bytes(value: Any) -> bytes:
    """A value as JSON. Raises Unwritable at half a surrogate pair, an integer beyond 64 bits, nesting without end."""
    try:
        return orjson.dumps(value)
    except (TypeError, orjson.JSONEncodeError) as error:
        raise Unwritable(f"cannot be written as JSON ({error})") from error


def literal(text: str) -> str:
    """What the operator typed into the URL: encoded where it is not yet."""
    return quote(text, safe=_LITERAL_SAFE)


def in_url(text: str) -> str:
    """A value in the URL."""
    return text if _HARMLESS.fullmatch(text) else quote(text, safe="")


def in_form(text: str) -> str:
    """A name or a value of ``application/x-www-form-urlencoded``."""
    return text if _HARMLESS.fullmatch(text) else quote_plus(text, safe="*").replace("~", "%7E")


def in_xml(text: str) -> str:
    """A value in the text of an element or in an attribute. Raises Unwritable."""
    if _HARMLESS.fullmatch(text):
        return text
    text.encode()
    if _XML_FORBIDDEN.search(text):
        raise Unwritable("holds a control character, which XML cannot carry")
    return text.translate(_XML)


def in_text(text: str) -> str:
    """A value in a text, where nothing is escaped. Raises Unwritable."""
    if "\0" in text:
        raise Unwritable("holds a NUL character, which a text cannot carry")
    return text


def in_quotes(text: str) -> str:
    """A name or a file name in the head of a part of ``multipart/form-data``, as browsers write it."""
    return text.translate(_QUOTED)


def header_problem(text: str) -> str | None:
    """Why a text cannot stand in a header."""
    if CONTROL.search(text):
        return "holds a line break or another control character"
    text.encode()
    return None


def file_name_problem(text: str) -> str | None:
    """Why a text cannot be the name of a file: a receiver could take it for a place in its file system."""
    if _HARMLESS.fullmatch(text):
        return None
    rest = text.replace("\r", "").replace("\n", "")
    if CONTROL.search(rest):
        return "holds a control character, and is the name of a file"
    for form in _read_by_servers(rest):
        if _SEPARATORS.search(form) or not form.strip(". "):
            return "would lead to another place, and is the name of a file"
    return None


def path_problem(text: str, *, slashes: bool = False) -> str | None:
    """Why a value cannot stand in a segment of a path.

    Percent-encoding alone does not hold it there: most servers decode a path before they look where it leads, and so
    ``1%2Frefund`` is another place than ``1``. Some decode twice, some take full-width or overlong forms for what they
    look like, some drop what follows ``;``.

    Args:
        slashes: They are the operator's own, so they may stay.
    """
    if _HARMLESS.fullmatch(text):
        return None
    if not text.strip():
        return "is empty, and stands in the address"
    for form in _read_by_servers(text):
        if CONTROL.search(form):
            return "holds control characters, and stands in the address"
        if not slashes and _SEPARATORS.search(form):
            return "holds a / or \\, and stands in the address"
    return leads_elsewhere(text)


def leads_elsewhere(segment: str) -> str | None:
    """Why a segment, decoded, would be taken for ``..`` or the like."""
    if _HARMLESS.fullmatch(segment):
        return None
    for form in _read_by_servers(segment):
        for part in _SEPARATORS.split(form):
            name = part.partition(";")[0].strip()
            if name and not name.strip(". "):
                return "would lead to another place of the server"
    return None


def _read_by_servers(text: str) -> Iterator[str]:
    """The text in each form that a careless server may see in it."""
    for _ in range(_DECODINGS):
        yield text
        if not text.isascii() and (normal := unicodedata.normalize("NFKC", text)) != text:
            yield normal
            text = normal
        if "%" not in text or (decoded := _decoded(text)) == text:
            return
        text = decoded
    yield "../"  # nobody says what is encoded so often; so it is refused, whatever it hides


def _decoded(text: str) -> str:
    text = _UNICODE_ESCAPE.sub(lambda match: chr(int(match[1], 16)), text)
    data = unquote_to_bytes(text.encode(errors="replace"))
    return _OVERLONG.sub(_shortest, data).decode(errors="replace")


def _shortest(match: re.Match[bytes]) -> bytes:
    value = 0
    for byte in match[0][1:]:
        value = (value << 6) | (byte & 0x3F)
    # Of the first byte only the bits matter that a two-byte form has; the longer ones are overlong by their zeros.
    if len(match[0]) == 2:
        value |= (match[0][0] & 0x1F) << 6
    return chr(value).encode(errors="replace")


def forms_of(secret: str) -> set[str]:
    """Each form in which a secret may stand in a request."""
    written = orjson.dumps(secret).decode()[1:-1]
    texts = (secret, written)
    escaped = secret.translate(_XML)
    return {*texts, escaped, *(quote(text, safe="") for text in texts), *(in_form(text) for text in texts)} - {""}
