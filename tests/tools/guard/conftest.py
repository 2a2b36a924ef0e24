"""Servers that must see nobody, and a watch on every connection that is tried."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any

import pytest

from app.tools.execution import ToolExecutor
from app.tools.guard.rules import Policy
from app.tools.opening import open_executor
from tests.tools.conftest import RawServer
from tests.tools.guard.name_server import AskingResolver, name_server


@dataclass
class Watch:
    """Where TCP sockets were told to connect to."""

    tried: list[tuple[str, int]] = field(default_factory=list)

    @property
    def hosts(self) -> set[str]:
        return {host for host, _port in self.tried}


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Watch:
    """Every ``connect()`` of the process, under both event loops; what leads off this machine fails at once."""
    seen = Watch()
    for name in ("connect", "connect_ex"):
        original = getattr(socket.socket, name)

        def connect(self: socket.socket, address: Any, original: Any = original) -> Any:
            if self.type & socket.SOCK_STREAM and self.family in (socket.AF_INET, socket.AF_INET6):
                seen.tried.append((address[0], address[1]))
                if not ip_address(address[0].partition("%")[0]).is_loopback:
                    raise OSError(errno.ENETUNREACH, "Network is unreachable")
            return original(self, address)

        monkeypatch.setattr(socket.socket, name, connect)
    return seen


@asynccontextmanager
async def listening(
    answer: bytes | None = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", host: str = "127.0.0.1", port: int = 0
) -> AsyncIterator[RawServer]:
    """A :class:`RawServer` on an address of choice."""
    recorder, tasks = RawServer(answer=answer), set[asyncio.Task[None]]()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.create_task(recorder.serve(reader, writer)))

    server = await asyncio.start_server(connected, host, port)
    recorder.port = server.sockets[0].getsockname()[1]
    try:
        yield recorder
    finally:
        server.close()
        await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)  # the transports' last callbacks


@asynccontextmanager
async def guarded(
    allowed: str = "",
    names: dict[str, list[list[str]]] | None = None,
    *,
    own_ports: Collection[int] = (),
    dns_seconds: int = 0,
) -> AsyncIterator[ToolExecutor]:
    """The executor as the service opens it, but that it asks a name server of its own."""
    async with name_server(names or {}) as server:
        executor = open_executor(
            Policy.parse(allowed), own_ports=own_ports, resolver=AskingResolver(server), dns_seconds=dns_seconds
        )
        try:
            yield executor
        finally:
            await executor.aclose()
