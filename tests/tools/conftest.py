"""A real HTTP server that records the bytes it gets and answers with the bytes it is given."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from app.tools.definition import CallContext, ToolDefinition
from app.tools.execution import ToolExecutor
from app.tools.validation import parse_definition
from tests.db.databases import database, empty_url, second  # noqa: F401 - fixtures for the store and the catalog


@dataclass
class RawServer:
    """``answer`` is the whole response; None: it never answers. Connections are kept."""

    port: int = 0
    answer: Callable[[bytes], bytes] | bytes | None = b"HTTP/1.1 204 No Content\r\n\r\n"
    requests: list[bytes] = field(default_factory=list)
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    connections: int = 0
    closed_by_peer: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def request_line(self) -> str:
        return self.requests[-1].split(b"\r\n", 1)[0].decode()

    @property
    def body(self) -> bytes:
        return self.requests[-1].partition(b"\r\n\r\n")[2]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = next(
                    (int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0
                )
                request = head + await reader.readexactly(length)
                self.requests.append(request)
                self.asked.set()
                if self.answer is None:
                    await reader.read()
                    break
                writer.write(self.answer(request) if callable(self.answer) else self.answer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self.closed_by_peer.set()
            writer.transport.abort()  # also what the client did not read


@asynccontextmanager
async def raw_server(answer: Callable[[bytes], bytes] | bytes | None) -> AsyncIterator[RawServer]:
    recorder = RawServer(answer=answer)
    tasks: set[asyncio.Task[None]] = set()
    writers: set[asyncio.StreamWriter] = set()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.add(writer)
        tasks.add(asyncio.create_task(recorder.serve(reader, writer)))

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    recorder.port = server.sockets[0].getsockname()[1]
    try:
        yield recorder
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for writer in writers:  # a task that was cancelled before its first step has closed nothing
            writer.transport.abort()
        await asyncio.sleep(0)  # the transports' last callbacks


def response(body: bytes, content_type: str = "application/json", status: str = "200 OK", extra: str = "") -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n{extra}\r\n"
    return head.encode() + body


def tool(
    url: str, properties: dict[str, Any] | None = None, *, required: list[str] | None = None, **request: Any
) -> ToolDefinition:
    return parse_definition(
        {
            "name": "look_up",
            "description": "Looks something up.",
            "parameters": {"type": "object", "properties": properties or {}, "required": required or []},
            "request": {"url": url, **request},
        },
        id=1,
        version=1,
    )


def context(seconds: float = 5.0, **variables: str) -> CallContext:
    return CallContext("t1", variables, asyncio.get_running_loop().time() + seconds)


@pytest.fixture
async def executor() -> AsyncIterator[ToolExecutor]:
    made = ToolExecutor()
    yield made
    await made.aclose()
