"""A request, and what its answer means. Shared by both ways to Asterisk, the event socket and HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from app.ari.errors import (
    AriConflict,
    AriNotFound,
    AriProtocolError,
    AriRequestFailed,
    AriUnauthorized,
)

QueryValue = str | int | bool

UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What decoding raises for text that is no JSON, not of the expected shape, no UTF-8, or nested without end."""

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


@dataclass(frozen=True, slots=True)
class Request:
    """One ARI request.

    Attributes:
        method: ``GET``, ``POST``, ``PUT`` or ``DELETE``.
        path: Below ``/ari/``, without a leading slash, its ids percent-encoded.
        query: Parameters; booleans go as ``true`` and ``false``.
        body: Anything that msgspec can write as JSON; None: no body.
    """

    method: str
    path: str
    query: Mapping[str, QueryValue] | None = None
    body: Any = None

    @property
    def needs_http(self) -> bool:
        """Files are binary, which the event socket cannot carry (as of Asterisk 22.10)."""
        return self.path.endswith("/file")

    def body_json(self) -> bytes | None:
        """The body as UTF-8 JSON."""
        return None if self.body is None else _encode(self.body)

    def query_text(self) -> list[tuple[str, str]]:
        """The query as text, as both ways need it."""
        return [(name, query_value(value)) for name, value in self.query.items()] if self.query else []


def query_value(value: QueryValue) -> str:
    """Text of one query value: Asterisk reads ``true`` and ``false``, not Python's spelling."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def result_of(request: Request, status: int, reason: str, body: bytes | str | None) -> Any:
    """The decoded JSON of an answer, None where it has no body.

    Raises:
        AriRequestFailed: or the subclass for its status, with Asterisk's own words in the message.
        AriProtocolError: a good answer whose body is no JSON: something other than Asterisk answered.
    """
    if status >= 400:
        raise failure_of(request, status, reason, body)
    if not body:
        return None
    try:
        return _decode(body)
    except UNREADABLE as error:
        raise AriProtocolError(
            f"The answer to {request.method} {request.path} is no JSON ({error}). "
            "Does ASTERISK_ARI_URL point at Asterisk's own HTTP server?"
        ) from None


def failure_of(request: Request, status: int, reason: str, body: bytes | str | None) -> AriRequestFailed:
    """The error for an answer with status 400 and above."""
    said = reason
    if body:
        try:
            answer = _decode(body)
        except UNREADABLE:
            answer = None  # Asterisk's HTTP server speaks HTML for errors that ARI never saw, such as 400 and 413
        if isinstance(answer, dict):
            said = str(answer.get("message") or answer.get("error") or reason)
    message = f"Asterisk refused {request.method} {request.path}: {status} {said}."
    kind: type[AriRequestFailed]
    match status:
        case 401:
            kind = AriUnauthorized
            message += " Compare ASTERISK_ARI_USERNAME and ASTERISK_ARI_PASSWORD with the user in ari.conf."
        case 403:
            kind = AriUnauthorized
            message += " The ARI user may only read: set read_only = no for it in ari.conf."
        case 404:
            kind = AriNotFound
        case 409 | 412 | 422:
            kind = AriConflict
        case _:
            kind = AriRequestFailed
    error = kind(message, status=status, method=request.method, uri=request.path)
    error.retryable = status >= 500 and status != 501
    return error
