"""A web page as text that a model reads: headings, lists and tables keep their shape, links are their words."""

from __future__ import annotations

import re
import time
from html.parser import HTMLParser
from typing import Final

# Reading a page of a megabyte takes a quarter of a second.
MAX_PAGE_CHARS: Final = 60_000
MAX_SECONDS: Final = 0.25
_PIECE_CHARS: Final = 1_000
# The parser begins anew at each sign of something that is never finished: 60 kB of ``<a a='"`` take it 40 seconds, in a
# thread that cannot be stopped. So it gets a page by pieces, and what is still open after so much ends the page. Long
# enough for a picture within its tag.
_MAX_OPEN_CHARS: Final = 20_000
# At the end of the page it begins anew for certain.
_MAX_OPEN_AT_END: Final = 200
_MAX_INDENTS: Final = 8

_HIDDEN: Final = frozenset({"script", "style", "template", "noscript", "svg", "iframe", "select", "datalist"})
# fmt: off
_BLOCKS: Final = frozenset({
    "address", "article", "aside", "blockquote", "body", "br", "caption", "dd", "details",
    "div", "dl", "dt", "fieldset", "figure", "footer", "form", "header", "hr",
    "html", "legend", "main", "nav", "ol", "p", "pre", "section", "summary",
    "table", "tbody", "tfoot", "thead", "title", "tr", "ul",
})
# fmt: on
_HEADINGS: Final = {f"h{level}": "#" * level for level in range(1, 7)}
_SPACE: Final = re.compile(r"\s+")


def page_text(html: str) -> str:
    """The words of the beginning of a page, without scripts and styles."""
    reader = _PageText()
    reader.read(html[:MAX_PAGE_CHARS])
    return reader.text()


class _PageText(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._lines: list[str] = []
        self._line: list[str] = []
        self._mark = ""  # what begins the next line
        self._lists: list[int | None] = []  # the number of the last item; None: an unordered list
        self._hidden = 0
        self._cells = 0

    def read(self, html: str) -> None:
        """Go through a page, as far as it can be done in a moment."""
        ends = time.perf_counter() + MAX_SECONDS
        for start in range(0, len(html), _PIECE_CHARS):
            self.feed(html[start : start + _PIECE_CHARS])
            if self._open_chars() > _MAX_OPEN_CHARS or time.perf_counter() > ends:
                return
        if self._open_chars() <= _MAX_OPEN_AT_END:
            self.close()

    def _open_chars(self) -> int:
        # Without a tag it is a text that the parser holds back since it ends with an &.
        return len(self.rawdata) if self.rawdata.startswith("<") else 0

    def text(self) -> str:
        """What was read."""
        self._end_line()
        return "\n".join(self._lines)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _HIDDEN:
            self._hidden += 1
        elif tag in _HEADINGS:
            self._end_line()
            self._mark = f"{_HEADINGS[tag]} "
        elif tag in ("ul", "ol"):
            self._end_line()
            self._lists.append(0 if tag == "ol" else None)
        elif tag == "li":
            self._end_line()
            self._mark = self._item_mark()
        elif tag == "tr":
            self._end_line()
            self._cells = 0
        elif tag in ("td", "th"):
            if self._cells:
                self._line.append(" | ")
            self._cells += 1
        elif tag == "img":
            self._line.append(f" {dict(attrs).get('alt') or ''} ")
        elif tag in _BLOCKS:
            self._block()

    def handle_endtag(self, tag: str) -> None:
        if tag in _HIDDEN:
            self._hidden = max(0, self._hidden - 1)
        elif tag in ("ul", "ol"):
            self._end_line()
            if self._lists:
                self._lists.pop()
        elif tag == "tr":
            self._end_line()
            self._cells = 0
        elif tag in _HEADINGS or tag == "li":
            self._end_line()
        elif tag in _BLOCKS:
            self._block()

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self._line.append(data)

    def _block(self) -> None:
        if self._cells:  # a paragraph in a cell stays in its row
            self._line.append(" ")
        elif "".join(self._line).strip():
            self._end_line()
        else:  # one that begins an item stays behind its mark
            self._line = []

    def _item_mark(self) -> str:
        indent = "  " * min(max(0, len(self._lists) - 1), _MAX_INDENTS)
        if self._lists and self._lists[-1] is not None:
            self._lists[-1] += 1
            return f"{indent}{self._lists[-1]}. "
        return f"{indent}- "

    def _end_line(self) -> None:
        line = _SPACE.sub(" ", "".join(self._line)).strip()
        if line.strip("| "):
            self._lines.append(self._mark + line)
        self._line, self._mark = [], ""
