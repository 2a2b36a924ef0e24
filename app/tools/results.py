"""What a model sees of an HTTP response. Pure: bytes and headers in, text out.

Decompression is bounded here and not left to the HTTP client: a few kilobytes of gzip can hold gigabytes.
"""

from __future__ import annotations

import zlib
from html.parser import HTMLParser

import orjson

from app.tools.backend import Response
from app.tools.definition import ToolDefinition

# Enough for a record or a short list; more crowds the conversation out of the model's sight.
MAX_RESULT_BYTES = 8_000
_MAX_EXCERPT_BYTES = 500
# Reading a page of a megabyte would hold up every other call for a quarter of a second, and so would 15 MB of JSON.
_MAX_PAGE_CHARS = 60_000
_MAX_JSON_BYTES = 1_000_000


class Decompressor:
    """Inflates a body piece by piece. ``encoding`` is the value of Content-Encoding.

    Raises:
        ValueError: the encoding is unknown, or the data is not what it says.
    """

    def __init__(self, encoding: str) -> None:
        encoding = encoding.strip().lower()
        self._inflater: zlib._Decompress | None = None
        self._raw_allowed = encoding == "deflate"  # some servers send raw deflate without the zlib header
        if encoding in ("gzip", "x-gzip"):
            self._inflater = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
        elif encoding == "deflate":
            self._inflater = zlib.decompressobj()
        elif encoding not in ("", "identity"):
            raise ValueError(f"the response is encoded as {encoding!r}, which was not asked for")

    def feed(self, data: bytes, room: int) -> bytes:
        """At most ``room`` + 1 bytes of what ``data`` holds; more than ``room`` means that it is too much."""
        if self._inflater is None:
            return data[: room + 1]
        try:
            return self._inflater.decompress(data, room + 1)
        except zlib.error as error:
            if self._raw_allowed:
                self._raw_allowed = False
                self._inflater = zlib.decompressobj(wbits=-zlib.MAX_WBITS)
                return self.feed(data, room)
            raise ValueError(f"the response is not compressed as it says: {error}") from error


def describe(status: int, content_type: str, charset: str | None, body: bytes) -> str:
    """The text of a successful response for the model: compact JSON, plain text, or the words of a web page."""
    if not body.strip():
        return f"The request succeeded (HTTP {status}); the response is empty."
    kind = content_type.partition(";")[0].strip().lower()
    if kind in ("application/json", "") or kind.endswith("+json"):
        try:
            if len(body) <= _MAX_JSON_BYTES:
                return cut(orjson.dumps(orjson.loads(body)).decode(), MAX_RESULT_BYTES)
        except (orjson.JSONDecodeError, TypeError):
            pass  # it says JSON and is none: the model may still read it
    if kind in ("text/html", "application/xhtml+xml") or (kind in ("", "application/json") and _looks_like_html(body)):
        words = page_text(_text(body, charset))
        return cut(f"The response is a web page, not data. Its text: {words or '(none)'}", MAX_RESULT_BYTES)
    if kind.startswith("text/") or kind in ("", "application/json", "application/xml") or kind.endswith("+xml"):
        return cut(_text(body, charset).strip(), MAX_RESULT_BYTES)
    text = _text(body, charset)
    if "\ufffd" in text or "\x00" in text:
        return f"The request succeeded; the response is {len(body):,} bytes of {kind}, which cannot be read as text."
    return cut(text.strip(), MAX_RESULT_BYTES)


def in_words(tool: ToolDefinition, response: Response) -> str:
    """What the model sees of a successful response, as the tool's ``result`` says."""
    return describe(response.status, response.content_type, response.charset, response.body)


def failure_words(tool: ToolDefinition, response: Response) -> str:
    """What the model is told about a status that is no success."""
    status, content_type, charset, body = response.status, response.content_type, response.charset, response.body
    if status in (401, 403):
        words = "refused access; nothing that you say can change it"
    elif status in (404, 410):
        words = "found nothing for these arguments"
    elif status in (408, 429) or status >= 500:
        words = "is not working at the moment"
    elif status < 400:
        words = "wants to lead elsewhere, which is not allowed"
    else:
        words = "did not accept these arguments"
    sentence = f"{tool.name} {words} (HTTP {status})."
    # Only where the arguments may be at fault does the body help the model; a page of 500 lines never does.
    if 400 <= status < 500 and status not in (401, 403, 429) and not _looks_like_html(body):
        excerpt = cut(" ".join(_text(body, charset).split()), _MAX_EXCERPT_BYTES)
        if excerpt and "html" not in content_type:
            sentence += f" It says: {excerpt}"
    return sentence


def cut(text: str, max_bytes: int) -> str:
    """The text within ``max_bytes`` of UTF-8 and a note; whole characters only."""
    data = text.encode("utf-8", errors="replace")
    if len(data) <= max_bytes:
        return text
    beginning = data[:max_bytes].decode(errors="ignore")
    return f"{beginning}\n[cut: this is the beginning, {max_bytes:,} of {len(data):,} bytes]"


def page_text(html: str) -> str:
    """The words of a web page, without scripts and styles."""
    reader = _PageText()
    reader.feed(html[:_MAX_PAGE_CHARS])
    reader.close()
    return " ".join(" ".join(reader.words).split())


class _PageText(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.words: list[str] = []
        self._hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("script", "style", "template", "noscript"):
            self._hidden += 1

    def handle_endtag(self, tag: str) -> None:
        if tag in ("script", "style", "template", "noscript"):
            self._hidden = max(0, self._hidden - 1)

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.words.append(data)


def _looks_like_html(body: bytes) -> bool:
    return body[:200].lstrip().lower().startswith((b"<!doctype html", b"<html"))


def _text(body: bytes, charset: str | None) -> str:
    try:
        return body.decode(charset or "utf-8", errors="replace")
    except LookupError:  # the server names a charset that does not exist
        return body.decode("utf-8", errors="replace")
