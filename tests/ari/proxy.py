"""A TCP proxy in front of Asterisk, to cut, stall and reset connections as networks do."""

from __future__ import annotations

import asyncio
import socket
import struct
from types import TracebackType
from typing import Self


class Proxy:
    """Forwards a port of its own to ``port``, both on loopback.

    Attributes:
        port: To connect to.
        accepted: Connections so far.
    """

    def __init__(self, port: int) -> None:
        self._target = port
        self.port = 0
        self.accepted = 0
        self._server: asyncio.Server | None = None
        self._pipes: set[asyncio.Task[None]] = set()
        # Both ends of each open connection, oldest first: the event socket comes before the pool.
        self._open: list[tuple[asyncio.StreamWriter, asyncio.StreamWriter]] = []
        self._stalled: set[asyncio.StreamWriter] = set()
        self._refusing = False

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def stall_event_socket(self) -> None:
        """Nothing passes on the oldest connection any more, either way; its ends stay open."""
        self._stalled.update(self._open[0])

    def cut_event_socket(self, *, reset: bool = False) -> None:
        """Close the oldest connection, orderly or with a reset."""
        for writer in self._open[0]:
            self._close(writer, reset)

    def cut(self, *, reset: bool = False) -> None:
        """Close all connections."""
        for pair in list(self._open):
            for writer in pair:
                self._close(writer, reset)

    def refuse(self, refusing: bool = True) -> None:
        """Close every new connection at once."""
        self._refusing = refusing

    def _close(self, writer: asyncio.StreamWriter, reset: bool) -> None:
        if reset:
            sock = writer.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._stalled.discard(writer)
        writer.transport.abort()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        if self._refusing:
            writer.transport.abort()
            return
        there, here = await asyncio.open_connection("127.0.0.1", self._target)
        pair = (writer, here)
        self._open.append(pair)
        try:
            await asyncio.gather(self._pipe(reader, here), self._pipe(there, writer))
        finally:
            self._open.remove(pair)
            for each in pair:
                self._stalled.discard(each)
                each.close()

    async def _pipe(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        try:
            while data := await source.read(65_536):
                while sink in self._stalled:
                    await asyncio.sleep(0.01)
                sink.write(data)
                await sink.drain()
        except OSError:
            pass
        sink.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._pipes.add(task)
        try:
            await self._accept(reader, writer)
        except (OSError, asyncio.CancelledError):
            writer.close()
        finally:
            self._pipes.discard(task)

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        for task in list(self._pipes):
            task.cancel()
        await asyncio.gather(*self._pipes, return_exceptions=True)
        await self._server.wait_closed()
