"""The event socket: aiohttp's WebSocket with a reader that never waits, and pings from our side."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import aiohttp
from aiohttp import WSMsgType

from app.ari.errors import AriError, AriUnavailable

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
        # Set by the reader at each pong; the pinger clears it before each ping.
        self._pong = asyncio.Event()
        # Set to have a ping sent now rather than at the end of the interval.
        self._doubt = asyncio.Event()
        # A ping of the peer's that is to be answered. Only the newest matters (RFC 6455, 5.5.3).
        self._owed_pong: bytes | None = None

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
            autoclose=True,
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
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._keep_alive())
                await self._read()
        except* AriError as group:
            ending = group.exceptions[0]
        raise ending

    async def send(self, frame: bytes) -> None:
        """Send one text frame. Waits only while the peer does not read and the send buffer is full.

        Cancelled while it waits, the frame is sent nevertheless.

        Raises:
            AriUnavailable: the connection is closed; nothing was sent.
        """
        try:
            await self._ws.send_frame(frame, WSMsgType.TEXT)
        except aiohttp.ClientConnectionError as error:
            raise AriUnavailable("The event socket to Asterisk is closed.") from error

    def doubt(self) -> None:
        """Something did not come in time: have a ping sent now."""
        self._doubt.set()

    async def close(self) -> None:
        """Say good-bye, or give up after a second. Cancelled, it drops the connection at once."""
        try:
            async with asyncio.timeout(2 * _CLOSE_SECONDS):
                await self._ws.close()
        except TimeoutError:
            pass  # the send buffer of a stalled peer; close() has dropped the transport when it was cancelled

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
                self._owed_pong = message.data
                self._doubt.set()
            elif kind is not WSMsgType.BINARY:
                raise AriUnavailable(self._why_closed(message.data))

    def _why_closed(self, data: object) -> str:
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
                raise AriUnavailable(
                    f"Asterisk did not answer a ping on the event socket in {self._ping_timeout:g} s."
                ) from None
            except aiohttp.ClientConnectionError:
                # Closing. The reader knows why, or will in a moment.
                return

    async def _exchange_ping(self) -> None:
        if self._owed_pong is not None:
            owed, self._owed_pong = self._owed_pong, None
            await self._ws.pong(owed)
        self._pong.clear()
        await self._ws.ping()
        await self._pong.wait()
