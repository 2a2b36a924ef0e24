"""ARI over one WebSocket as a state machine without I/O: text in, events and answers out; requests in, frames out.

REST over the WebSocket (Asterisk 20.14, 21.9, 22.4 and later) puts requests and events on the same socket. A request
is a text frame of ``type: RESTRequest``; its answer is a ``RESTResponse`` that repeats the ``request_id``. Asterisk
carries out the requests of a socket one after another, so that answers come in order, but nothing here depends on it.
Source: "ARI REST over WebSocket" in Asterisk's documentation, and tries on 22.10.1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, TypeAlias, TypeVar

import msgspec
import structlog

from app.ari.counters import AriCounters
from app.ari.errors import AriTooLarge
from app.ari.events import Event, KnownEvent, UnknownEvent
from app.ari.requests import UNREADABLE, Request

logger = structlog.get_logger(__name__)

MAX_FRAME = 65_535
"""Bytes. Asterisk closes the socket (1009) at a longer frame (tried on 16.28 and 22.10.1)."""

W = TypeVar("W")


class RestResponse(msgspec.Struct, frozen=True, gc=False, tag_field="type", tag="RESTResponse"):
    """An answer. ``message_body`` is JSON inside a string; None where there is no body."""

    request_id: str
    status_code: int
    reason_phrase: str = ""
    message_body: str | None = None


class _NameValue(msgspec.Struct, gc=False):
    name: str
    value: str


class _RestRequest(msgspec.Struct, gc=False, omit_defaults=True, tag_field="type", tag="RESTRequest"):
    transaction_id: str
    request_id: str
    method: str
    uri: str
    query_strings: list[_NameValue] = []
    content_type: str | None = None
    message_body: str | None = None


class _Head(msgspec.Struct, gc=False):
    type: str


@dataclass(frozen=True, slots=True)
class Answered(Generic[W]):
    """An answer, with what was given to :meth:`AriProtocol.send` for its request."""

    waiter: W
    response: RestResponse


Received: TypeAlias = Event | Answered[W] | None

_encode = msgspec.json.Encoder().encode
_decoder: msgspec.json.Decoder[KnownEvent | RestResponse] = msgspec.json.Decoder(KnownEvent | RestResponse)
_decode = _decoder.decode
_decode_head = msgspec.json.Decoder(_Head).decode
_decode_raw = msgspec.json.Decoder(dict[str, Any]).decode
_KNOWN_TYPES = frozenset({member.__name__ for member in KnownEvent.__args__} | {"RESTResponse"})


class AriProtocol(Generic[W]):
    """One connection's life. ``W`` is whatever the shell uses to wake the one who asked: a future, or a word in a test.

    Nothing here blocks, and no method raises for what Asterisk sent.
    """

    def __init__(self, counters: AriCounters) -> None:
        self._counters = counters
        # Requests whose answer has not come, by request id. Bounded by the client, which admits the requests.
        self._pending: dict[str, W] = {}
        self._last_id = 0

    @property
    def pending(self) -> int:
        """Requests without an answer."""
        return len(self._pending)

    def send(self, request: Request, waiter: W) -> tuple[str, bytes]:
        """Make the frame of a request, and remember who waits for its answer.

        Returns:
            The request's id, for :meth:`forget`, and the text frame's bytes.

        Raises:
            AriTooLarge: the frame would be longer than Asterisk takes; nothing is remembered.
        """
        self._last_id += 1
        request_id = str(self._last_id)
        body = request.body_json()
        frame = _encode(
            _RestRequest(
                transaction_id=request_id,
                request_id=request_id,
                method=request.method,
                uri=request.path,
                query_strings=[_NameValue(name, value) for name, value in request.query_text()],
                content_type=None if body is None else "application/json",
                message_body=None if body is None else body.decode(),
            )
        )
        if len(frame) > MAX_FRAME:
            raise AriTooLarge(
                f"{request.method} {request.path} takes {len(frame)} bytes on the event socket; "
                f"Asterisk closes it at more than {MAX_FRAME}."
            )
        self._pending[request_id] = waiter
        return request_id, frame

    def forget(self, request_id: str) -> None:
        """Nobody waits for this answer any more. When it comes, it is dropped and counted."""
        self._pending.pop(request_id, None)

    def lose(self) -> list[W]:
        """The connection is gone: whoever still waits, in the order of asking. None of them will get an answer."""
        waiting = list(self._pending.values())
        self._pending.clear()
        return waiting

    def receive(self, text: bytes | str) -> Received[W]:
        """Take one text message from Asterisk.

        Returns:
            An event; an answer that somebody waits for; or None for an answer that nobody waits for and for a message
            that makes no sense (logged and counted).
        """
        try:
            message = _decode(text)
        except UNREADABLE as error:
            return self._unknown(text, error)
        if isinstance(message, RestResponse):
            waiter = self._pending.pop(message.request_id, None)
            if waiter is None:
                self._stray(message)
                return None
            return Answered(waiter, message)
        self._counters.events += 1
        return message

    def _unknown(self, text: bytes | str, error: Exception) -> Event | None:
        """A type without a class, or nonsense. Off the usual path: the event filter keeps unknown types away."""
        kind = ""
        try:
            kind = _decode_head(text).type
            if kind in _KNOWN_TYPES:
                raise error
            raw = _decode_raw(text)
        except UNREADABLE as reason:
            self._counters.malformed += 1
            # The text itself may hold what a caller said, so it stays out of the log.
            logger.warning("ari.message_malformed", event_type=kind, reason=str(reason), size=len(text))
            return None
        self._counters.events += 1
        self._counters.unknown_events += 1
        return UnknownEvent(
            type=kind,
            raw=raw,
            application=_text(raw, "application"),
            timestamp=_text(raw, "timestamp"),
            asterisk_id=_text(raw, "asterisk_id"),
        )

    def _stray(self, response: RestResponse) -> None:
        if response.request_id:
            self._counters.late_answers += 1
            return
        # Asterisk could not read a frame of ours well enough to find its id. Only a fault of this module does that.
        self._counters.malformed += 1
        logger.error("ari.request_unreadable", status=response.status_code, reason=response.reason_phrase)


def _text(raw: dict[str, Any], name: str) -> str:
    value = raw.get(name)
    return value if isinstance(value, str) else ""
