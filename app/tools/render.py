"""A tool's request, from its definition, the model's arguments and the call's variables. Pure.

Each value is escaped for the place where it lands:

==============  ======================================================================================================
path            percent-encoded, ``/`` too; refused where it is empty, holds control characters, or would make a
                segment that a server takes for ``.`` or ``..`` (also after decoding ``%2F``)
query           percent-encoded; lists repeat the key, an absent value leaves it out
header          refused where it holds control characters (CR LF above all); UTF-8
JSON            by the encoder; a string that is one placeholder takes the value with its type
==============  ======================================================================================================
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, unquote

import orjson

from app.tools.definition import RequestSpec, ToolDefinition
from app.tools.errors import ArgumentsInvalid
from app.tools.placeholders import MISSING, Placeholder, Text, placeholders_in, split

METHODS_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_SEPARATORS = re.compile(r"[/\\]")
# What may stand unescaped in what the operator typed; ``%`` because it may be encoded already.
_LITERAL_SAFE = "%/:@!$&'()*+,;=-._~?[]"
_DROP = object()  # marks a key whose value is missing


@dataclass(frozen=True, slots=True)
class RenderedRequest:
    """What goes over the wire.

    Attributes:
        url: Percent-encoded; to be sent as it is, not normalised again.
        body: None: no body.
    """

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None


class RequestTemplate:
    """One tool's request, compiled: every string of it split into its pieces once.

    Raises:
        ValueError: at what :func:`app.tools.validation.parse_definition` would have refused.
    """

    def __init__(self, definition: ToolDefinition) -> None:
        spec = definition.http
        self._tool = definition.name
        self._method = spec.method
        path, _, query = spec.url.partition("?")
        self._path = [split(segment) for segment in path.split("/")]
        self._url_query = split(query)
        self._headers = [(name, split(value)) for name, value in spec.headers.items()]
        self._query = spec.query
        self._body = spec.json_body
        self._used = _used_arguments(spec)

    def render(self, arguments: Mapping[str, Any], variables: Mapping[str, str]) -> RenderedRequest:
        """The request of one call.

        Raises:
            ArgumentsInvalid: a value cannot stand where the operator put it.
        """

        def value(placeholder: Placeholder) -> Any:
            return placeholder.value(arguments, variables)

        unused = {name: each for name, each in arguments.items() if name not in self._used}
        headers = {name: text for name, pieces in self._headers if (text := self._header(pieces, value))}
        body: bytes | None = None
        if self._body is not None:
            body = _json_bytes(_fill(self._body, value))
        elif self._method in METHODS_WITH_BODY:
            body = _json_bytes(unused)
        if body is not None and not any(name.lower() == "content-type" for name in headers):
            headers["Content-Type"] = "application/json"
        return RenderedRequest(self._method, self._url(value, unused), headers, body)

    def _url(self, value: Callable[[Placeholder], Any], unused: Mapping[str, Any]) -> str:
        url = "/".join(self._segment(pieces, value) for pieces in self._path)
        queries = []
        if self._url_query:
            queries.append("".join(_encoded(piece, value) for piece in self._url_query))
        if self._query is not None:
            queries += _query_pairs(_fill(self._query, value))
        elif self._method not in METHODS_WITH_BODY and self._body is None:
            queries += _query_pairs(unused)
        return f"{url}?{'&'.join(queries)}" if queries else url

    def _segment(self, pieces: Text, value: Callable[[Placeholder], Any]) -> str:
        if all(isinstance(piece, str) for piece in pieces):
            return "".join(quote(str(piece), safe=_LITERAL_SAFE) for piece in pieces)
        rendered = "".join(_encoded(piece, value) for piece in pieces)
        decoded = unquote(rendered)
        names = ", ".join(str(piece) for piece in pieces if isinstance(piece, Placeholder))
        if not decoded:
            raise self._refused(names, "is empty, and stands in the address")
        if _CONTROL.search(decoded):
            raise self._refused(names, "holds control characters, and stands in the address")
        # Some servers decode %2F before they look for "..", some drop what follows ";", some decode twice.
        for part in _SEPARATORS.split(unquote(decoded)):
            if part.partition(";")[0].strip() in (".", ".."):
                raise self._refused(names, "would lead to another place of the server")
        return rendered

    def _header(self, pieces: Text, value: Callable[[Placeholder], Any]) -> str:
        text = "".join(piece if isinstance(piece, str) else _plain(value(piece)) for piece in pieces)
        if _CONTROL.search(text):
            names = ", ".join(str(piece) for piece in pieces if isinstance(piece, Placeholder))
            raise self._refused(names, "holds a line break or another control character")
        return text.strip()

    def _refused(self, names: str, words: str) -> ArgumentsInvalid:
        return ArgumentsInvalid(
            f"{self._tool} was not called: {names} {words}",
            for_model=f"{self._tool} was not called: {names} {words}. Ask the caller for a plain value.",
        )


def render(definition: ToolDefinition, arguments: Mapping[str, Any], variables: Mapping[str, str]) -> RenderedRequest:
    """The request of one call; for a single use. The executor keeps the :class:`RequestTemplate`."""
    return RequestTemplate(definition).render(arguments, variables)


def _used_arguments(spec: RequestSpec) -> frozenset[str]:
    parts = [spec.url, spec.headers, spec.query, spec.json_body]
    return frozenset(found.name for part in parts for found in placeholders_in(part) if found.source == "argument")


def _plain(value: Any) -> str:
    """A value inside text."""
    if value is MISSING or value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping | list | tuple):
        return _json_bytes(value).decode()
    return str(value)


def _encoded(piece: str | Placeholder, value: Callable[[Placeholder], Any]) -> str:
    if isinstance(piece, str):
        return quote(piece, safe=_LITERAL_SAFE)
    return quote(_plain(value(piece)), safe="", errors="replace")


def _query_pairs(values: Any) -> list[str]:
    return [
        f"{quote(str(name), safe='')}={quote(_plain(each), safe='', errors='replace')}"
        for name, value in values.items()
        for each in (value if isinstance(value, list | tuple) else [value])
        if each is not None
    ]


def _fill(template: Any, value: Callable[[Placeholder], Any]) -> Any:
    """A JSON template with its values. A key whose only value is missing is left out; in a list it becomes null."""
    filled = _fill_part(template, value)
    return {} if filled is _DROP else filled


def _fill_part(template: Any, value: Callable[[Placeholder], Any]) -> Any:
    if isinstance(template, str):
        pieces = split(template)
        if len(pieces) == 1 and isinstance(pieces[0], Placeholder):
            whole = value(pieces[0])
            return _DROP if whole is MISSING else whole
        return "".join(piece if isinstance(piece, str) else _plain(value(piece)) for piece in pieces)
    if isinstance(template, Mapping):
        parts = {name: _fill_part(part, value) for name, part in template.items()}
        return {name: part for name, part in parts.items() if part is not _DROP}
    if isinstance(template, list | tuple):
        return [None if part is _DROP else part for part in (_fill_part(each, value) for each in template)]
    return template


def _json_bytes(value: Any) -> bytes:
    try:
        return orjson.dumps(value)
    except (TypeError, orjson.JSONEncodeError) as error:  # a lone surrogate, an integer beyond 64 bits
        raise ArgumentsInvalid(
            f"The arguments cannot be written as JSON: {error}",
            for_model="The tool was not called: a value cannot be written as JSON. Use plain text and usual numbers.",
        ) from error
