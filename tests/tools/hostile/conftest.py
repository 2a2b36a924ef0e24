"""A server that keeps every byte that it gets, however much, and an executor that has a secret."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from app.tools.auth.definition import Secret
from app.tools.execution import ToolExecutor
from app.tools.http import HttpBackend
from tests.tools.hostile.values import SECRET

_LIMIT = 50_000_000


@dataclass
class Recorder:
    """``raw``: all that came, connection by connection."""

    port: int = 0
    raw: list[bytearray] = field(default_factory=list)
    writers: set[asyncio.StreamWriter] = field(default_factory=set)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def taken(self) -> bytes:
        """What came since the last time."""
        taken = b"".join(self.raw)
        for each in self.raw:
            each.clear()
        return taken

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        raw = bytearray()
        self.raw.append(raw)
        self.writers.add(writer)
        waiting = b""
        while data := await reader.read(1_000_000):
            raw += data
            waiting += data
            head, end, body = waiting.partition(b"\r\n\r\n")
            length = re.search(rb"\r\ncontent-length: (\d+)", head.lower())
            if end and len(body) >= (int(length[1]) if length else 0):
                waiting = b""
                writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")


@asynccontextmanager
async def recording() -> AsyncIterator[Recorder]:
    recorder = Recorder()
    server = await asyncio.start_server(recorder.serve, "127.0.0.1", 0, limit=_LIMIT)
    recorder.port = server.sockets[0].getsockname()[1]
    try:
        yield recorder
    finally:
        server.close()
        for writer in recorder.writers:
            writer.transport.abort()
        await asyncio.sleep(0)  # the transports' last callbacks


@pytest.fixture
async def recorder() -> AsyncIterator[Recorder]:
    async with recording() as made:
        yield made


@pytest.fixture
async def armed() -> AsyncIterator[ToolExecutor]:
    """An executor with one secret."""
    made = ToolExecutor(HttpBackend(secrets=lambda: {"key": Secret(SECRET, 1)}))
    yield made
    await made.aclose()
