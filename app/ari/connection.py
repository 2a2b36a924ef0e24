"""The event socket: aiohttp's WebSocket with a reader that never waits, and pings from our side."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable

import aiohttp
from aiohttp import WSMsgType

from app.ari.errors import AriUnavailable

# Events of one Asterisk are a few kB, but an answer (all channels of a large PBX) may be long.
_MAX_MESSAGE = 32 * 1024 * 1024
# What a peer gets that may already be gone.
_CLOSE_SECONDS = 1.0


class EventSocket:
    """One open WebSocket. :meth:`run` reads it until it ends; all other methods may be called meanwhile.

    Args:
        on_text: Gets every text message, as bytes. Synchronous, so that the reader never waits: Asterisk drops a client
            that reads slowly (``websocket_write_timeout``, 100 ms by default). It may raise an ``AriError`` to end the
            connection.
        ping_interval, ping_timeout: Seconds. Asterisk 22 sends no pings, so that only ours find a dead peer.
    """

    def __init__(
        self,
        ws: aiohttp.ClientWebSocketResponse[bool],
        on_text: Callable[[bytes], None],
        *,
        ping_interval: float,
        ping_timeout: float,
    ) -> None:
        self._ws = ws
        self._on_text = on_text
        self._ping_interval = ping_interval
        self._ping_timeout = ping_timeout
        # What is to be sent, with its opcode. Bounded by the client, which admits the requests, and by withdraw().
        self._outgoing: deque[tuple[bytes, WSMsgType]] = deque()
        self._wake_sender = asyncio.Event()
        self._ended = False
        # Set by the reader at each pong; the pinger clears it before each ping.
        self._pong = asyncio.Event()
        # Set to have a ping sent now rather than at the end of the interval.
        self._doubt = asyncio.Event()
        # Why the pinger gave the peer up; empty as long as it has not.
        self._dead = ""

    @staticmethod
    async def open(
        session: aiohttp.ClientSession,
        url: str,
        on_text: Callable[[bytes], None],
        *,
        ping_interval: float,
        ping_timeout: float,
    ) -> EventSocket:
        """Connect.

        Raises:
            aiohttp.ClientError: cannot be reached, or refuses (``WSServerHandshakeError`` has the status).
        """
        ws = await session.ws_connect(
            url,
            autoping=False,  # pongs are what we wait for
            autoclose=False,  # close() does it, where it cannot hold up the reader
            compress=0,
            max_msg_size=_MAX_MESSAGE,
            timeout=aiohttp.ClientWSTimeout(ws_close=_CLOSE_SECONDS),
            decode_text=False,  # msgspec reads bytes, and text of bad UTF-8 costs one message, not the connection
        )
        return EventSocket(ws, on_text, ping_interval=ping_interval, ping_timeout=ping_timeout)

    async def run(self) -> None:
        """Read until the connection ends, which always raises.

        Raises:
            AriUnavailable: the peer closed, the connection broke, or no pong came in time.
            AriError: what ``on_text`` raised.
        """
        tasks = [
            asyncio.create_task(self._send(), name="ari.sender"),
            asyncio.create_task(self._keep_alive(), name="ari.pinger"),
        ]
        try:
            await self._read()
        finally:
            self._ended = True
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)

    def send(self, frame: bytes) -> None:
        """Send one text frame, after those before it. Never waits.

        Raises:
            AriUnavailable: the connection has ended; nothing was sent.
        """
        if self._ended:
            raise AriUnavailable("The event socket to Asterisk is closed.")
        self._put(frame, WSMsgType.TEXT)

    def withdraw(self, frame: bytes) -> None:
        """Do not send a frame any more, if it still waits to be sent."""
        if self._outgoing:
            with contextlib.suppress(ValueError):
                self._outgoing.remove((frame, WSMsgType.TEXT))

    def doubt(self) -> None:
        """Something did not come in time: have a ping sent now."""
        self._doubt.set()

    async def close(self) -> None:
        """Say good-bye, and give up after two seconds, or at once with a peer that is known to be dead. Cancelled, it
        drops the connection.

        In a task of its own, because aiohttp's ``close`` can end as if it had been cancelled; see :meth:`_send`.
        """
        closing = asyncio.create_task(self._ws.close(), name="ari.closing")
        try:
            # Not 0: the task has to begin, so that cancelling it drops the transport.
            await asyncio.wait([closing], timeout=0.01 if self._dead else 2 * _CLOSE_SECONDS)
        finally:
            if not closing.done():
                closing.cancel()  # the peer reads nothing; this drops the transport
                await asyncio.wait([closing])
            if not closing.cancelled():
                closing.exception()  # whatever it is, the connection is closed

    def _put(self, frame: bytes, opcode: WSMsgType) -> None:
        self._outgoing.append((frame, opcode))
        self._wake_sender.set()

    async def _send(self) -> None:
        """The only one who writes.

        While the peer reads nothing and the send buffer is full, aiohttp (3.14) lets all writers wait for one and the
        same future, so that cancelling one of them cancels the others. Requests have time limits and are cancelled when
        callers hang up: they must not wait there.
        """
        send_frame, outgoing = self._ws.send_frame, self._outgoing
        try:
            while True:
                while outgoing:
                    await send_frame(*outgoing.popleft())
                self._wake_sender.clear()
                await self._wake_sender.wait()
        except ConnectionError:
            self._ended = True  # the reader knows why, or will in a moment

    async def _read(self) -> None:
        receive, on_text = self._ws.receive, self._on_text
        while True:
            message = await receive()
            kind = message.type
            if kind is WSMsgType.TEXT:
                on_text(message.data)
            elif kind is WSMsgType.PONG:
                self._pong.set()
            elif kind is WSMsgType.PING:
                self._put(message.data, WSMsgType.PONG)
            elif kind is not WSMsgType.BINARY:
                raise AriUnavailable(self._why_closed(message.data))

    def _why_closed(self, data: object) -> str:
        if self._dead:
            return self._dead
        if isinstance(data, BaseException):
            return f"The event socket to Asterisk broke: {data}."
        match self._ws.close_code:
            case None | 1006:
                return "The event socket to Asterisk broke without a good-bye."
            case 1009:
                return "Asterisk closed the event socket: a message was too long for it (1009)."
            case code:
                return f"Asterisk closed the event socket ({int(code)})."

    async def _keep_alive(self) -> None:
        while True:
            try:
                async with asyncio.timeout(self._ping_interval):
                    await self._doubt.wait()
            except TimeoutError:
                pass
            self._doubt.clear()
            try:
                async with asyncio.timeout(self._ping_timeout):
                    await self._exchange_ping()
            except TimeoutError:
                self._dead = f"Asterisk did not answer a ping on the event socket in {self._ping_timeout:g} s."
                await self._ws.close()  # wakes the reader, which ends this

    async def _exchange_ping(self) -> None:
        self._pong.clear()
        self._put(b"", WSMsgType.PING)
        await self._pong.wait()
