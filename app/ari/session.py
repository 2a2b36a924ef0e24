"""One connection's life: from opening the event socket, through finding out what the server has, to its end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, NoReturn
from urllib.parse import quote

import structlog

from app.ari.config import AriConfig, AsteriskInfo
from app.ari.connection import EventSocket
from app.ari.counters import AriCounters
from app.ari.detection import short_version, surely_without_rest_over_websocket
from app.ari.errors import AriError, AriNotFound, AriReplaced, AriTimeout, AriUnavailable
from app.ari.events import Event
from app.ari.http import AriHttp
from app.ari.protocol import Answered, AriProtocol, RestResponse
from app.ari.requests import Request, result_of

logger = structlog.get_logger(__name__)

# What the client needs to see whatever ``AriConfig.events`` says. A filter that allows some types and not RESTResponse
# would swallow the answers to requests on the socket (tried on 22.10.1).
_NEEDED_EVENTS = frozenset({"RESTResponse", "ApplicationReplaced", "ChannelDestroyed"})

# How long a server that may have REST over the WebSocket gets to show it. It answers within a millisecond if it does.
_TRY_SECONDS = 1.0


class AriSession:
    """One event socket and what was learnt over it. Used once.

    Attributes:
        takes_requests: Requests may go over the socket.
    """

    def __init__(
        self, config: AriConfig, http: AriHttp, counters: AriCounters, on_event: Callable[[Event], None]
    ) -> None:
        """``on_event`` gets every event from the reader, and raises ``AriReplaced`` to end the session."""
        self.takes_requests = False
        self._config = config
        self._http = http
        self._counters = counters
        self._on_event = on_event
        self._protocol: AriProtocol[asyncio.Future[RestResponse]] = AriProtocol(counters)
        # From open to the end.
        self._socket: EventSocket | None = None
        # Set when another client took over.
        self._replaced: AriReplaced | None = None

    async def run(self, on_ready: Callable[[AsteriskInfo], Awaitable[None]]) -> NoReturn:
        """Connect, set up, call ``on_ready``, and read until the connection ends, which always raises.

        However it ends, requests on the socket fail at once with ``AriUnavailable``.

        Raises:
            AriReplaced, AriUnavailable, AriUnauthorized, AriTimeout: why it ended.
            aiohttp.ClientError, OSError, TimeoutError: it could not be opened.
        """
        config = self._config
        async with asyncio.timeout(config.connect_timeout):
            socket = await EventSocket.open(
                self._http.session,
                str(self._http.url(f"events?app={quote(config.app, safe='')}")),
                self._on_text,
                ping_interval=config.ping_interval,
                ping_timeout=config.ping_timeout,
            )
        self._socket = socket
        reader = asyncio.create_task(self._read(socket), name="ari.reader")
        try:
            asterisk = await self._set_up()
            if not reader.done():
                await on_ready(asterisk)
            await asyncio.wait([reader])
            _raise_from(reader)
        except Exception:
            # A takeover makes other things fail as well, such as the setting up, and is the one to report.
            if self._replaced is not None:
                raise self._replaced from None
            raise
        finally:
            reader.cancel()
            try:
                await asyncio.wait([reader])
            finally:
                await socket.close()
            if not reader.cancelled():
                reader.exception()  # known by now, or less telling than what is being raised
        raise AssertionError("the reader ends by raising")

    async def _read(self, socket: EventSocket) -> None:
        try:
            await socket.run()
            raise AssertionError("socket.run() ends by raising")
        except AriError as error:
            self._lose(str(error))
            raise
        finally:
            self._lose("The ARI client is stopped.")

    async def request(self, request: Request) -> Any:
        """Send one request over the socket. The caller bounds the time.

        Raises:
            AriUnavailable: the socket is closed, or broke before the answer came.
            AriTooLarge: does not fit a frame; nothing was sent.
            AriRequestFailed: Asterisk refused.
        """
        socket = self._socket
        if socket is None:
            raise AriUnavailable("The event socket to Asterisk is closed.")
        answer: asyncio.Future[RestResponse] = asyncio.get_running_loop().create_future()
        request_id, frame = self._protocol.send(request, answer)
        try:
            socket.send(frame)
            self._counters.requests_socket += 1
            response = await answer
        except BaseException:
            self._protocol.forget(request_id)
            socket.withdraw(frame)
            raise
        return result_of(request, response.status_code, response.reason_phrase, response.message_body)

    def doubt(self) -> None:
        """An answer did not come in time: see whether the peer is alive."""
        if self._socket is not None:
            self._socket.doubt()

    def _on_text(self, text: bytes) -> None:
        """One message of the socket. Called by the reader."""
        message = self._protocol.receive(text)
        if message is None:
            return
        if isinstance(message, Answered):
            if not message.waiter.done():
                message.waiter.set_result(message.response)
            return
        try:
            self._on_event(message)
        except AriReplaced as error:
            self._replaced = error
            raise

    def _lose(self, reason: str) -> None:
        self.takes_requests = False
        self._socket = None
        for waiter in self._protocol.lose():
            if not waiter.done():
                waiter.set_exception(AriUnavailable(reason))

    # -- setting up

    async def _set_up(self) -> AsteriskInfo:
        """Tell a fresh connection what we want, and find out what the server has."""
        await self._filter_events()
        info = await self._ask(Request("GET", "asterisk/info"))
        version = short_version(_text(info, "system", "version") or "unknown")
        self.takes_requests = await self._try_requests(version)
        return AsteriskInfo(
            version=version,
            entity_id=_text(info, "system", "entity_id"),
            system_name=_text(info, "config", "name"),
            rest_over_websocket=self.takes_requests,
            bulk_variables=await self._has("channels/-/variables"),
        )

    async def _filter_events(self) -> None:
        """At every connect: the filter lives in Asterisk's application object, and may be another client's."""
        wanted = self._config.events
        allowed = [{"type": name} for name in sorted(wanted | _NEEDED_EVENTS)] if wanted is not None else None
        path = f"applications/{quote(self._config.app, safe='')}/eventFilter"
        try:
            await self._ask(Request("PUT", path, body={} if allowed is None else {"allowed": allowed}))
        except AriNotFound:
            # Asterisk before 13.26 and 16.3. All events come then, which costs time and nothing else.
            logger.warning("ari.no_event_filter")

    async def _try_requests(self, version: str) -> bool:
        if self._config.rest_over_websocket is False or surely_without_rest_over_websocket(version):
            return False
        try:
            async with asyncio.timeout(_TRY_SECONDS):
                await self.request(Request("GET", "asterisk/ping"))
        except TimeoutError:
            logger.warning("ari.no_rest_over_websocket", version=version)
            return False
        return True

    async def _has(self, path: str) -> bool:
        """Whether a resource exists: ARI answers OPTIONS for every path it knows, whatever the ids in it."""
        try:
            await self._ask(Request("OPTIONS", path))
        except AriNotFound:
            return False
        return True

    async def _ask(self, request: Request) -> Any:
        """Over HTTP, as the socket has not shown yet what it can do."""
        seconds = self._config.request_timeout
        try:
            async with asyncio.timeout(seconds):
                return await self._http.request(request)
        except TimeoutError:
            raise AriTimeout(f"Asterisk did not answer {request.method} {request.path} in {seconds:g} s.") from None


def _text(answer: Any, *names: str) -> str:
    """A text deep in an answer; empty where it is missing."""
    for name in names:
        answer = answer.get(name) if isinstance(answer, dict) else None
    return answer if isinstance(answer, str) else ""


def _raise_from(reader: asyncio.Task[None]) -> None:
    """Raise why a reader ended that we did not cancel."""
    if reader.cancelled():  # aiohttp can make it look so: see EventSocket._send()
        raise AriUnavailable("The event socket to Asterisk broke.")
    reader.result()
