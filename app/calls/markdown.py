"""Taking Markdown (and the HTML that models mix into it) out of a text. Text in, text out, no I/O.

The text comes from a model, so from nobody we know, and is worked on in the event loop that all calls share. Every
pattern here therefore takes time in proportion to the text, whatever stands in it: runs are possessive, a bracket stops
at the next bracket, and nothing looks for its other half beyond the next delimiter of its kind. A test holds that.
Possessive are single characters only: Python 3.11.2 (Debian 12) misses matches of possessive groups with alternatives.
"""

from __future__ import annotations

import html
import re

_FENCE = re.compile(r"^[ \t]*+(?:```|~~~)[^\n]*+$", re.MULTILINE)
# Inline, with one level of brackets in the text and of parentheses in the address; images too.
_LINK = re.compile(
    r"!?\[((?:[^\[\]]++|\[[^\[\]]*+\])*)\]"
    r"(?:\((?:[^()\n]++|\([^()\n]*+\))*\)|\[[^\[\]\n]*+\])"
)
_LINK_TARGET = re.compile(r"^[ \t]*+\[[^\[\]\n]++\]:[ \t]*+<?(?:https?:|mailto:|/)[^\n]*+$", re.MULTILINE)
_FOOTNOTE = re.compile(r"\[\^[^\[\]\s]++\]:?")
_AUTOLINK = re.compile(r"<((?:https?|mailto):[^<>\s]++)>")
_BREAK = re.compile(r"<(?:br|/p|/li|/div|/tr|/h[1-6])\s*+/?>", re.IGNORECASE)
# Attributes have values, or "a <b and c> d" would be a tag.
_TAG = re.compile(r"</?[A-Za-z][A-Za-z0-9-]*+(?:\s++[\w:-]++=(?:\"[^\"<>]*+\"|'[^'<>]*+'|[^\s\"'<>]++))*\s*+/?>")
_ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9A-Fa-f]{1,6}|[A-Za-z][A-Za-z0-9]{1,30});")
# Rules, underlines of headings, and the line below a table's head.
_RULE = re.compile(r"^(?:[ \t]*+(?:[*_=][ \t]*+){3,}|(?=[^\n-]*+-)[ \t|:-]++)$", re.MULTILINE)
_LINE_MARK = re.compile(
    r"^[ \t]*+(?:>[ \t]*+)*(?:#{1,6}+[ \t]++|[-*+•][ \t]++(?:\[[ xX]\][ \t]++)?)?",
    re.MULTILINE,
)
_STRONG = re.compile(r"\*\*(?=\S)((?:(?!\*\*).)+)(?<=\S)\*\*", re.DOTALL)
# Without its other half. Before a digit it stays: **21*0123# is a number to dial.
_LOST_STRONG = re.compile(r"\*{2,}+(?![\d*])")
_STAR = re.compile(r"(?<![\w*])\*(?=[^\s*])([^*\n]++)(?<=\S)\*(?![\w*])")
_UNDERSCORE = re.compile(r"(?<!\w)_{1,3}+(?=[^\s_])((?:[^_\n]|(?<=[^\W_])_(?=[^\W_]))+)(?<=\S)_{1,3}+(?!\w)")
_BLANK = re.compile(r"_{3,}+")


def without_markdown(text: str) -> str:
    """What is to be said of ``text``; its lines stay lines."""
    text = _FENCE.sub("", text)
    text = _LINK_TARGET.sub("", text)
    text = _FOOTNOTE.sub("", text)
    text = _LINK.sub(r"\1", text)
    text = _AUTOLINK.sub(r"\1", text)
    text = _TAG.sub(" ", _BREAK.sub("\n", text))
    text = _RULE.sub("", text)
    text = _LINE_MARK.sub("", text)
    text = _STRONG.sub(r"\1", text)
    text = _STAR.sub(r"\1", text)
    text = _LOST_STRONG.sub("", text)
    text = _UNDERSCORE.sub(r"\1", text)
    text = _BLANK.sub(" ", text).replace("~~", "")
    # html.unescape() has no limit for numbers and fails beyond 4,300 digits; the pattern has one.
    text = _ENTITY.sub(lambda entity: html.unescape(entity[0]), text)
    return "\n".join(_table_row(line) if line.count("|") >= 2 else line for line in text.split("\n"))


def without_thoughts(text: str) -> str:
    """What follows the thinking of a model whose server passes it on as text (``<think>...</think>``).

    Empty where the thinking never ended.
    """
    _thinking, end, answer = text.rpartition("</think>")
    if end:
        return answer
    return "" if answer.lstrip().startswith("<think>") else answer


def _table_row(line: str) -> str:
    return ", ".join(cell.strip() for cell in line.strip().strip("|").split("|") if cell.strip())
