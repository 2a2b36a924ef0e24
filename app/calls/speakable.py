"""From a model's answer to text that can be spoken and that a dialplan can carry. Text in, text out, no I/O.

Models write Markdown; a caller must not hear asterisks. And text that goes into the dialplan is used in quoted
arguments, expressions and, by some, in shell commands, so the few characters that end a quotation there are taken
out: ``"``, ``\\``, the backtick, ``${``, ``$(`` and ``$[``, control characters. Sizes are bytes of UTF-8, since that is
what Asterisk counts.
"""

from __future__ import annotations

import re
import unicodedata

# Beyond 4,095 bytes the expansion of a variable is cut silently, in the middle of a character if need be.
RESPONSE_BYTES = 4_000
PART_BYTES = 1_000

_FENCE = re.compile(r"^[ \t]*(?:```|~~~)[^\n]*$", re.MULTILINE)
_IMAGE = re.compile(r"!\[([^\]]*)\]\([^)]*\)")
_LINK = re.compile(r"\[([^\]]+)\]\((?:[^()]|\([^)]*\))*\)")
_AUTOLINK = re.compile(r"<((?:https?|mailto):[^>\s]+)>")
_TAG = re.compile(r"</?[A-Za-z][A-Za-z0-9-]*(?:\s[^<>]*)?/?>")
_RULE = re.compile(r"^[ \t]*(?:[-*_][ \t]*){3,}$", re.MULTILINE)
_TABLE_RULE = re.compile(r"^[ \t]*\|?[ \t:|-]*-{3,}[ \t:|-]*$", re.MULTILINE)
_LINE_MARK = re.compile(r"^[ \t]*(?:#{1,6}[ \t]+|>[ \t]?|[-*+•][ \t]+(?:\[[ xX]\][ \t]+)?)", re.MULTILINE)
_EMPHASIS = re.compile(r"(?<![\w*])(\*{1,3}|_{1,3}|~~)(?=\S)(.+?)(?<=\S)\1(?![\w*])")
_INNER_STARS = re.compile(r"\*{2,3}(?=\S)(.+?)(?<=\S)\*{2,3}")
_EXPANSION = re.compile(r"\$(?=[{(\[])")
_SPACES = re.compile(r"\s+")
_SENTENCE_END = re.compile(r"(?<=[.!?…])[\"'”’)\]]*\s+|(?<=[。！？])")

# A line that ends with one of these needs no full stop when it is joined with the next.
_CLOSED = (".", "!", "?", ":", ";", ",", "…", "。", "！", "？", "-", "–", "—")


def speakable(text: str) -> str:
    """One line of plain text: no Markdown, no control characters, nothing that ends a quoted dialplan argument."""
    text = unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\r", "\n"))
    return harmless(_join_lines(_without_markdown(text)))


def harmless(text: str) -> str:
    """``text`` on one line without the characters that end a quotation in the dialplan; Markdown stays."""
    text = text.replace('"', "").replace("\\", "").replace("`", "")
    text = _EXPANSION.sub("", text)
    # Cf are format characters (zero-width, direction marks), Cs lone surrogates, Co private use: none can be spoken.
    text = "".join(" " if unicodedata.category(c) in ("Cc", "Zl", "Zp") else c for c in text) if _odd(text) else text
    if not text.isascii():
        text = "".join(c for c in text if unicodedata.category(c) not in ("Cf", "Cs", "Co", "Cn"))
    return _SPACES.sub(" ", text).strip()


def _odd(text: str) -> bool:
    return not text.isprintable()


def _without_markdown(text: str) -> str:
    text = _FENCE.sub("", text)
    text = _IMAGE.sub(r"\1", text)
    text = _LINK.sub(r"\1", text)
    text = _AUTOLINK.sub(r"\1", text)
    text = _TAG.sub(" ", text)
    text = _RULE.sub("", text)
    text = _TABLE_RULE.sub("", text)
    text = _LINE_MARK.sub("", text)
    for _ in range(3):  # emphasis nests: ***very* important**
        text, changed = _EMPHASIS.subn(r"\2", text)
        if not changed:
            break
    text = _INNER_STARS.sub(r"\1", text)
    return "\n".join(_table_row(line) if line.count("|") >= 2 else line for line in text.split("\n"))


def _table_row(line: str) -> str:
    return ", ".join(cell.strip() for cell in line.strip().strip("|").split("|") if cell.strip())


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
