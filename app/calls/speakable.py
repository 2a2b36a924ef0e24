"""From a model's answer to text that can be spoken and that a dialplan can carry. Text in, text out, no I/O.

Models write Markdown; a caller must not hear asterisks. And text that goes into the dialplan is used in quoted
arguments and expressions, so the few characters that end a quotation or begin an expansion there are taken out: ``"``,
``\\``, the backtick, ``${``, ``$(`` and ``$[``, control characters. An apostrophe stays, since people say "it's": this
does not make a text safe for a shell. Sizes are bytes of UTF-8, since that is what Asterisk counts.
"""

from __future__ import annotations

import re
import unicodedata

from app.calls.markdown import without_markdown, without_thoughts

# Beyond 4,095 bytes the expansion of a variable is cut silently, in the middle of a character if need be.
RESPONSE_BYTES = 4_000
PART_BYTES = 1_000

_EXPANSION = re.compile(r"\$+(?=[{(\[])")
_SPACES = re.compile(r"\s++")
_SENTENCE_END = re.compile(r"(?<=[.!?…؟۔।॥])[\"'”’)\]]*+\s++|(?<=[。！？])")

# A line that ends with one of these needs no full stop when it is joined with the next.
_CLOSED = tuple(".!?:;,…-–—。！？：؟،۔।॥")

_ENDS_QUOTATION = str.maketrans("", "", '"\\`')
# Unicode categories that cannot be spoken: controls and separators of lines; format characters (zero-width, direction
# marks), lone surrogates, private use, unassigned.
_UNSPOKEN = {"Cc": " ", "Zl": " ", "Zp": " ", "Cf": "", "Cs": "", "Co": "", "Cn": ""}


def speakable(text: str) -> str:
    """One line of plain text: no Markdown, no control characters, nothing that ends a quoted dialplan argument.

    Empty where nothing is left that could be spoken, such as a lone emoji or a row of dots.
    """
    text = without_thoughts(text).replace("\r\n", "\n").replace("\r", "\n")
    line = harmless(_join_lines(without_markdown(text)))
    return line if any(map(str.isalnum, line)) else ""


def harmless(text: str) -> str:
    """``text`` on one line without the characters that end a quotation in the dialplan; Markdown stays."""
    if not (text.isascii() and text.isprintable()):
        text = "".join(_UNSPOKEN.get(unicodedata.category(char), char) for char in text)
    # Last, since taking out what stood between makes neighbours: a zero-width space between $ and {.
    text = _EXPANSION.sub("", text.translate(_ENDS_QUOTATION))
    return _SPACES.sub(" ", text).strip()


def _join_lines(text: str) -> str:
    """Lines become sentences: an item of a list that ends without a stop gets one, so that a voice pauses there."""
    lines = [line.strip() for line in text.split("\n")]
    lines = [line for line in lines if line]
    if len(lines) < 2:
        return lines[0] if lines else ""
    return " ".join(line if line.endswith(_CLOSED) else line + "." for line in lines[:-1]) + " " + lines[-1]


def cut(text: str, limit: int = RESPONSE_BYTES) -> str:
    """The beginning of ``text``, at most ``limit`` bytes, ending with a sentence if there is one, else with a word."""
    return text if len(text.encode()) <= limit else next(iter(parts(text, limit)))


def parts(text: str, limit: int = PART_BYTES) -> list[str]:
    """``text`` in pieces of at most ``limit`` bytes each.

    Pieces end between sentences where one fits, else between words, else between characters. Joined by single spaces
    they give the text again, but for a word that is longer than ``limit``.
    """
    found: list[str] = []
    piece, size = "", 0
    for unit in _units(text, limit):
        length = len(unit.encode())
        if piece and size + 1 + length > limit:
            found.append(piece)
            piece, size = unit, length
        elif piece:
            piece, size = f"{piece} {unit}", size + 1 + length
        else:
            piece, size = unit, length
    if piece:
        found.append(piece)
    return found


def _units(text: str, limit: int) -> list[str]:
    """Sentences; words of those sentences that do not fit; characters of those words that do not fit."""
    units: list[str] = []
    for sentence in sentences(text):
        if len(sentence.encode()) <= limit:
            units.append(sentence)
            continue
        for word in sentence.split(" "):
            units.extend(_slices(word, limit) if len(word.encode()) > limit else [word])
    return units


def sentences(text: str) -> list[str]:
    """``text`` split behind its sentences' ends, without empty ones."""
    found: list[str] = []
    start = 0
    for match in _SENTENCE_END.finditer(text):
        found.append(text[start : match.end()].strip())
        start = match.end()
    found.append(text[start:].strip())
    return [sentence for sentence in found if sentence]


def _slices(word: str, limit: int) -> list[str]:
    """A word of more than ``limit`` bytes in slices that end at a character."""
    data = word.encode()
    found: list[str] = []
    start = 0
    while start < len(data):
        end = min(start + limit, len(data))
        while end < len(data) and data[end] & 0xC0 == 0x80:  # inside a UTF-8 sequence
            end -= 1
        found.append(data[start:end].decode())
        start = end
    return found
