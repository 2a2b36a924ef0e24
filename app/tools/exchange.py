"""What went over the wire in one call of a tool, for who tries it: with its secrets masked.

The executor reports to an :class:`ExchangeObserver` what it sends and what comes back; each redirect, and each retry,
is an exchange of its own. A turn notes only what was sent, with :class:`RequestNote`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Final, Protocol

from app.db.audit import MASK, names_secret
from app.tools.definition import AnyRequest
from app.tools.reading.charsets import decoded
from app.tools.secrets import SHORTEST_FOR_PEOPLE, SecretMask, is_secret_header, mapped_url, secrets_in

# What a person looks through; the model sees less.
MAX_SHOWN_BYTES: Final = 100_000
# Repeats and redirects of one call; earlier ones are forgotten.
MAX_EXCHANGES: Final = 10


class ExchangeObserver(Protocol):
    """Who wants to know what a tool sends and gets."""

    def hides(self, secrets: Iterable[str]) -> None:
        """What follows may hold these secrets, in these forms. They are shown to nobody."""
        ...

    def sent(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> None:
        """A request goes out: there is a connection. What was refused, or found nobody, was not sent."""
        ...

    def answered(self, status: int, headers: Iterable[tuple[str, str]], charset: str | None) -> None:
        """The head of its response is here."""
        ...

    def received(self, data: bytes) -> None:
        """A piece of its body is here, decompressed."""
        ...

    def finished(self) -> None:
        """The body is complete."""
        ...


@dataclass(frozen=True, slots=True)
class ShownRequest:
    """A request as it was sent, secrets masked. ``body`` is None where there was none."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: str | None


@dataclass(frozen=True, slots=True)
class ShownResponse:
    """A response, secrets masked.

    Attributes:
        truncated: There was more than ``body`` shows, or it broke off.
    """

    status: int
    headers: Mapping[str, str]
    body: str
    truncated: bool


@dataclass(slots=True)
class _Seen:
    """An exchange as it was, secrets and all."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes | None
    status: int | None = None
    response_headers: list[tuple[str, str]] = field(default_factory=list)
    charset: str | None = None
    received: bytearray = field(default_factory=bytearray)
    complete: bool = False
    cut: bool = False


class ExchangeRecorder:
    """Keeps the last exchanges of one call.

    Args:
        request: The tool's; its secrets are masked wherever they turn up.
        idempotency_header: The name of the header with the call's own key, which is no secret and is shown, since who
            tries a tool wants to see that it stays the same.
    """

    KEPT: ClassVar[int] = MAX_EXCHANGES

    def __init__(self, request: AnyRequest, *, idempotency_header: str = "") -> None:
        name = idempotency_header.lower()
        # Under another name, such as that of a login, it may be a secret after all.
        self._shown = name if "idempotency" in name else None
        self._secrets: set[str | int] = set(secrets_in(request).values())
        self._seen: _Seen | None = None
        self._all: deque[_Seen] = deque(maxlen=self.KEPT)

    def hides(self, secrets: Iterable[str]) -> None:
        """See :class:`ExchangeObserver`."""
        self._secrets.update(secrets)

    def sent(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> None:
        """See :class:`ExchangeObserver`."""
        self._secrets |= {value for name, value in headers.items() if self._is_secret(name, value)}
        self._seen = _Seen(method, url, dict(headers), body)
        self._all.append(self._seen)

    def answered(self, status: int, headers: Iterable[tuple[str, str]], charset: str | None) -> None:
        """See :class:`ExchangeObserver`."""
        if self._seen is not None:
            self._seen.status, self._seen.response_headers, self._seen.charset = status, list(headers), charset

    def received(self, data: bytes) -> None:
        """See :class:`ExchangeObserver`."""
        if self._seen is not None:
            room = MAX_SHOWN_BYTES - len(self._seen.received)
            self._seen.received += data[:room]
            self._seen.cut = self._seen.cut or len(data) > room

    def finished(self) -> None:
        """See :class:`ExchangeObserver`."""
        if self._seen is not None:
            self._seen.complete = True

    def request(self) -> ShownRequest | None:
        """What was sent last; None: nothing was."""
        return None if self._seen is None else self._request(self._seen)

    def _request(self, seen: _Seen) -> ShownRequest:
        headers = {
            name: MASK if self._is_secret(name, value) else self.masked(value) for name, value in seen.headers.items()
        }
        url = self.masked(mapped_url(seen.url, lambda _place, _value: MASK))
        return ShownRequest(seen.method, url, headers, None if seen.body is None else self._text(seen.body, None))

    def _is_secret(self, name: str, value: str) -> bool:
        return name.lower() != self._shown and is_secret_header(name, value)

    def response(self) -> ShownResponse | None:
        """What came back of it; None: nothing did."""
        return None if self._seen is None else self._response(self._seen)

    def exchanges(self) -> list[tuple[ShownRequest, ShownResponse | None]]:
        """All of them, in order: each repeat and each redirect is one of its own."""
        return [(self._request(seen), self._response(seen)) for seen in self._all]

    def _response(self, seen: _Seen) -> ShownResponse | None:
        if seen.status is None:
            return None
        headers: dict[str, str] = {}
        for name, value in seen.response_headers:
            shown = MASK if names_secret(name) else self.masked(value)
            headers[name] = f"{headers[name]}, {shown}" if name in headers else shown
        body = self._text(bytes(seen.received), seen.charset)
        return ShownResponse(seen.status, headers, body, seen.cut or not seen.complete)

    def masked(self, text: str, *, cut: bool = False) -> str:
        """The text without the secrets that were sent; ``cut``: it breaks off."""
        return SecretMask(self._secrets, shortest=SHORTEST_FOR_PEOPLE).text(text, cut=cut)

    def _text(self, body: bytes, charset: str | None) -> str:
        text = decoded(body[:MAX_SHOWN_BYTES], charset)
        return self.masked(text.replace("\0", "\ufffd"), cut=len(body) >= MAX_SHOWN_BYTES)


class RequestNote(ExchangeRecorder):
    """Keeps what was sent and the status that came back, for the history of calls; what the model was told of the
    response is there already."""

    KEPT = 1

    def received(self, data: bytes) -> None:
        """Not kept."""

    def request(self) -> ShownRequest | None:
        """What was sent; None: nothing was, or its address was none."""
        try:
            return super().request()
        except ValueError:
            return None

    @property
    def begun(self) -> bool:
        """Whether a request went out."""
        return self._seen is not None

    @property
    def status(self) -> int | None:
        """The HTTP status of the response; None: there was none, or it did not come over HTTP."""
        if self._seen is None or not self._seen.url.startswith(("http://", "https://")):
            return None
        return self._seen.status
