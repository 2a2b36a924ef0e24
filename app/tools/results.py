"""What a model sees of a response: bytes and headers in, text out.

Data (JSON, XML) may be selected from and put into a template; pages and texts are shown as text. Whatever comes out is
no longer than the tool says. Decompression is bounded here and not left to the HTTP client: a few kilobytes of gzip can
hold gigabytes.
"""

from __future__ import annotations

import asyncio
import zlib
from typing import Any, Final

import orjson

from app.tools.backend import Response
from app.tools.definition import ResultSpec, ToolDefinition
from app.tools.errors import ToolResultUnusable
from app.tools.reading.charsets import decoded
from app.tools.reading.cutting import cut_json, cut_text
from app.tools.reading.html_text import page_text
from app.tools.reading.json_data import JsonRefused, json_data
from app.tools.reading.selection import SelectionFailed, SelectionInvalid, select
from app.tools.reading.template import TemplateFailed, TemplateInvalid, render_result
from app.tools.reading.xml_data import XmlRefused, xml_data

_MAX_EXCERPT_BYTES: Final = 500
# More is for the system itself to choose from.
MAX_DATA_BYTES: Final = 1_000_000
# What takes longer than 2 ms is done beside the event loop. Data that is only shown is read by a fast library; XML,
# pages, selections and templates are worked on in Python.
_FAST_BYTES: Final = 40_000
_MISSING: Final = object()


class Decompressor:
    """Inflates a body piece by piece. ``encoding`` is the value of Content-Encoding.

    Raises:
        ValueError: the encoding is unknown, or the data is not what it says.
    """

    def __init__(self, encoding: str) -> None:
        encoding = encoding.strip().lower()
        self._inflater: zlib._Decompress | None = None
        self._fed = False
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
        if self._inflater.eof:  # zlib would keep it all
            raise ValueError("the response goes on after the end of what is compressed")
        self._fed = self._fed or bool(data)
        try:
            return self._inflater.decompress(data, room + 1)
        except zlib.error as error:
            if self._raw_allowed:
                self._raw_allowed = False
                self._inflater = zlib.decompressobj(wbits=-zlib.MAX_WBITS)
                return self.feed(data, room)
            raise ValueError(f"the response is not compressed as it says: {error}") from error

    def finish(self) -> None:
        """The body is complete. Raises ValueError where what was compressed is not."""
        if self._inflater is not None and self._fed and not self._inflater.eof:
            raise ValueError("the response breaks off within what is compressed")


async def words_of(tool: ToolDefinition, response: Response) -> str:
    """:func:`in_words`, beside the event loop where it may take long."""
    if _is_quick(tool.result, response):
        return in_words(tool, response)
    return await asyncio.to_thread(in_words, tool, response)


def in_words(tool: ToolDefinition, response: Response) -> str:
    """What the model sees of a successful response, as the tool's ``result`` says.

    Raises:
        ToolResultUnusable: a selection or a template is given, and does not fit what came.
    """
    spec = tool.result
    if own := _own_words(spec, response.status):
        return own
    if not spec.select and not spec.template:
        return _as_it_is(response, spec.max_bytes)
    if not response.body.strip() and not spec.template:
        return _as_it_is(response, spec.max_bytes)
    try:
        selected = _selected(spec, response)
        if spec.template:
            text = render_result(spec.template, selected, response.status)
            return cut_text(text, spec.max_bytes) if text.strip() else _nothing(selected, response)
        if isinstance(selected, str) and selected.strip():
            return cut_text(selected, spec.max_bytes)
        return _nothing(selected, response) if _is_empty(selected) else cut_json(selected, spec.max_bytes)
    except (SelectionInvalid, SelectionFailed) as error:
        raise _unusable(tool, f"the selection cannot be made: {error}") from error
    except (TemplateInvalid, TemplateFailed) as error:
        raise _unusable(tool, f"the template of the result: {error}") from error
    except _NoData as error:
        raise _unusable(tool, str(error)) from error
    except (TypeError, RecursionError) as error:
        raise _unusable(tool, "what was selected is nested too deeply") from error


def failure_words(tool: ToolDefinition, response: Response) -> str:
    """What the model is told about a status that is no success: what the operator says of it, or else what we do."""
    status, content_type, charset, body = response.status, response.content_type, response.charset, response.body
    if own := _own_words(tool.result, status):
        return own
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
    # Only where the arguments may be at fault does the body help the model; a page of 500 lines never does. Where the
    # operator selects what the model sees, the rest of the system's words is not for it either.
    wanted = not tool.result.select and not tool.result.template
    if wanted and 400 <= status < 500 and status not in (401, 403, 429) and not _looks_like_html(body):
        excerpt = _excerpt(" ".join(decoded(body[: 8 * _MAX_EXCERPT_BYTES], charset).split()))
        if excerpt and "html" not in content_type:
            sentence += f" It says: {excerpt}"
    return sentence


_NOTHING: Final = "The request succeeded, and found nothing: there is no data for these arguments."
_NOT_SHOWN: Final = "The request succeeded, but nothing of its answer can be shown here."
# Enough to find the name that was meant.
_MAX_NAMES: Final = 20


async def note_of(tool: ToolDefinition, response: Response, text: str) -> str:
    """Why the model sees nothing of the response, for who tries the tool; empty where it sees something.

    Args:
        text: What :func:`words_of` made of it.
    """
    spec = tool.result
    if text not in (_NOTHING, _NOT_SHOWN) or not (spec.select or spec.template):
        return ""
    return await asyncio.to_thread(_note, tool, response)


def _note(tool: ToolDefinition, response: Response) -> str:
    try:
        data = _data(response)
        selected = _selected(tool.result, response)
    except (_NoData, SelectionFailed, SelectionInvalid):
        return ""
    if tool.result.select and _is_empty(selected):
        words, looked_at = "The selection matched nothing in this response.", data
    elif tool.result.template:
        words, looked_at = "The wording is empty over this response.", selected
    else:
        return ""
    return f"{words} {_top_of(looked_at)}"


def _top_of(data: Any) -> str:
    if isinstance(data, list):
        return "At its top it is a list" + (f" of {len(data):,}." if data else " without entries.")
    if not isinstance(data, dict):
        return "At its top it has no names."
    names = [name[:60] for name in list(data)[:_MAX_NAMES]]
    more = f" and {len(data) - len(names):,} more" if len(data) > len(names) else ""
    return f"At its top it has the names {', '.join(names)}{more}." if names else "It is an object without names."


def _nothing(selected: Any, response: Response) -> str:
    """An empty list or text is an answer: there is no data. ``null`` may also be a name that the response has not."""
    if selected in ([], {}) or (isinstance(selected, str) and not selected.strip()):
        return _NOTHING
    data = _data(response)
    return _NOTHING if data is not _MISSING and _is_empty(data) else _NOT_SHOWN


class _NoData(Exception):
    """The response is nothing to select from. Holds nothing of what came."""


def _own_words(spec: ResultSpec, status: int) -> str | None:
    return spec.statuses.get(str(status)) or spec.statuses.get(f"{status // 100}xx")


def _is_quick(spec: ResultSpec, response: Response) -> bool:
    if spec.select or spec.template:
        return False
    kind = _kind(response)
    page = "html" in kind or (kind in ("", "application/json") and _looks_like_html(response.body))
    return len(response.body) <= (4_000 if page else _FAST_BYTES)


def _as_it_is(response: Response, most: int) -> str:
    """Compact JSON, plain text, or the words of a web page."""
    status, body, kind = response.status, response.body, _kind(response)
    if not body.strip():
        return f"The request succeeded (HTTP {status}); the response is empty."
    if _is_json(kind) and len(body) <= MAX_DATA_BYTES:
        try:
            return cut_json(json_data(body), most)
        except (orjson.JSONDecodeError, JsonRefused, TypeError, RecursionError):
            pass  # it says JSON and is none, or nothing but brackets: the model may still read it
    if kind in ("text/html", "application/xhtml+xml") or (kind in ("", "application/json") and _looks_like_html(body)):
        words = page_text(decoded(body, response.charset))
        return cut_text(f"The response is a web page, not data. Its text:\n{words or '(none)'}", most)
    # The model sees a hundred kilobytes at the very most: the rest need not be decoded.
    text = decoded(body[: 8 * most], response.charset).strip()
    if not (kind.startswith("text/") or _is_json(kind) or _is_xml(kind)) and ("\ufffd" in text or "\x00" in text):
        return f"The request succeeded; the response is {len(body):,} bytes of {kind}, which cannot be read as text."
    return cut_text(decoded(body, response.charset).strip(), most)


def _selected(spec: ResultSpec, response: Response) -> Any:
    data = _data(response)
    if data is _MISSING:
        if spec.select:
            kind = _kind(response) or "of no named type"
            raise _NoData(f"the response is {kind}, and not the JSON or XML that the selection needs")
        return _page_or_text(response)
    return select(spec.select, data) if spec.select else data


def _data(response: Response) -> Any:
    """What JSON or XML holds; ``_MISSING`` where the response is neither."""
    body, kind = response.body, _kind(response)
    if not body.strip():
        return None
    if len(body) > MAX_DATA_BYTES and (_is_json(kind) or _is_xml(kind)):
        raise _NoData(f"the response has {len(body):,} bytes; up to {MAX_DATA_BYTES:,} are read as data")
    if _is_xml(kind) or (kind == "text/plain" and body.lstrip().startswith(b"<?xml")):
        try:
            return xml_data(body, response.charset)
        except XmlRefused as error:
            raise _NoData(f"the response is {kind}, but {error}") from error
    if len(body) <= MAX_DATA_BYTES and (_is_json(kind) or kind.startswith("text/")):
        try:
            return json_data(body)
        except orjson.JSONDecodeError:
            return _MISSING
        except JsonRefused as error:
            raise _NoData(f"the response is {kind or 'JSON'}, but {error}") from error
    return _MISSING


def _page_or_text(response: Response) -> str:
    text = decoded(response.body, response.charset)
    return page_text(text) if "html" in _kind(response) or _looks_like_html(response.body) else text.strip()


def _unusable(tool: ToolDefinition, why: str) -> ToolResultUnusable:
    return ToolResultUnusable(
        f"{tool.name} answered, but {why}",
        for_model=f"{tool.name} was carried out, but what it answered cannot be read. Do not call it again for the "
        "same; go on without its answer.",
    )


def _is_empty(value: Any) -> bool:
    """Nothing, or nothing but nothing: ``null``, ``[]``, ``{}``, and objects of nulls only."""
    if isinstance(value, dict):
        return all(_is_empty(each) for each in value.values()) if len(value) <= 100 else False
    return value is None or value in ("", []) or (isinstance(value, str) and not value.strip())


def _excerpt(text: str) -> str:
    data = text.encode(errors="replace")
    if len(data) <= _MAX_EXCERPT_BYTES:
        return text
    return data[:_MAX_EXCERPT_BYTES].decode(errors="ignore") + " [cut]"


def _kind(response: Response) -> str:
    return response.content_type.partition(";")[0].strip().lower()


def _is_json(kind: str) -> bool:
    return kind in ("application/json", "text/json", "") or kind.endswith("+json")


def _is_xml(kind: str) -> bool:
    return kind in ("application/xml", "text/xml") or (kind.endswith("+xml") and kind != "application/xhtml+xml")


def _looks_like_html(body: bytes) -> bool:
    return body[:200].lstrip().lower().startswith((b"<!doctype html", b"<html"))
