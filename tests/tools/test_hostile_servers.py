"""Servers that mean harm, or are broken: each ends in a failure with words, in time, and nothing else suffers."""

from __future__ import annotations

import asyncio
import gzip
import resource
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from app.tools.errors import ToolFailure, ToolResponseTooLarge, ToolTimeout, ToolUnreachable
from app.tools.execution import ToolExecutor
from app.tools.guard.rules import Policy
from app.tools.opening import open_executor
from tests.tools.conftest import context, raw_server, response, tool

Script = Callable[[asyncio.StreamWriter], Awaitable[None]]


@pytest.fixture
async def executor() -> AsyncIterator[ToolExecutor]:
    made = open_executor(Policy.parse("127.0.0.1"))
    yield made
    await made.aclose()


@asynccontextmanager
async def saying(script: Script) -> AsyncIterator[str]:
    """A server that does what the script says, after any request."""
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            await script(writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.transport.abort()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.create_task(serve(reader, writer)))

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/x"
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)


async def forever(writer: asyncio.StreamWriter, piece: bytes, pause: float = 0.0) -> None:
    while True:
        writer.write(piece)
        await writer.drain()
        await asyncio.sleep(pause)


@asynccontextmanager
async def unharmed(*, longest_pause: float = 0.5, kib: int = 80_000) -> AsyncIterator[None]:
    """The loop goes on for others meanwhile, and memory stays where it was."""
    worst = 0.0

    async def beat() -> None:
        nonlocal worst
        while True:
            before = time.perf_counter()
            await asyncio.sleep(0.005)
            worst = max(worst, time.perf_counter() - before)

    beating, peak = asyncio.create_task(beat()), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        yield
    finally:
        beating.cancel()
        await asyncio.gather(beating, return_exceptions=True)
    assert worst < longest_pause
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak < kib


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
FLOODS = {
    "interim answers that drip": lambda w: forever(w, b"HTTP/1.1 100 Continue\r\n\r\n", 0.01),
    "a head that drips": lambda w: forever(w, b"X", 0.01),
    "empty lines before a head": lambda w: forever(w, b"\r\n" * 1_000),
    "a body that drips": lambda w: _after(w, HEAD + b"\r\n", b"x", 0.01),
    "chunks that drip": lambda w: _after(w, HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n", 0.01),
    "a chunk that never comes": lambda w: _after(w, HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"", 0.1),
    "less than it said, and then nothing": lambda w: _after(w, HEAD + b"Content-Length: 100\r\n\r\nabc", b"", 0.1),
}


async def _after(writer: asyncio.StreamWriter, head: bytes, piece: bytes, pause: float = 0.0) -> None:
    writer.write(head)
    await forever(writer, piece, pause)


@pytest.mark.parametrize("name", FLOODS)
async def test_what_never_ends_ends_with_the_time_of_the_call(executor: ToolExecutor, name: str) -> None:
    async with saying(FLOODS[name]) as url, unharmed():
        began = time.perf_counter()
        with pytest.raises((ToolTimeout, ToolUnreachable)) as caught:
            await executor.run(tool(url), {}, context(0.5))
        assert time.perf_counter() - began < 1.0
        assert "127" not in caught.value.for_model


ENDLESS = {
    "plain": (HEAD + b"\r\n", b"x" * 65_536),
    "chunks": (HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"10000\r\n" + b"x" * 65_536 + b"\r\n"),
    "one-byte chunks": (HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n" * 2_000),
    "more than a content length could hold": (HEAD + b"Content-Length: 99999999999999\r\n\r\n", b"x" * 65_536),
    "compressed nothing": (
        HEAD + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(b"")[:10],
        b"\0\0\0\xff\xff" * 10_000,  # empty stored blocks (RFC 1951, 3.2.4)
    ),
    "bomb": (
        HEAD + b"Content-Encoding: gzip\r\n\r\n",
        gzip.compress(b"\0" * 100_000_000),
    ),
}


@pytest.mark.parametrize("name", ENDLESS)
async def test_a_body_without_end_is_read_up_to_the_limit(executor: ToolExecutor, name: str) -> None:
    head, piece = ENDLESS[name]
    async with saying(lambda writer: _after(writer, head, piece)) as url, unharmed():
        with pytest.raises(ToolResponseTooLarge) as caught:
            await executor.run(tool(url, max_response_bytes=200_000), {}, context())
        assert "127" not in caught.value.for_model


BROKEN = {
    "interim answers without end": b"HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n" * 20_000,
    "a header that is too long": HEAD + b"X-Long: " + b"x" * 20_000 + b"\r\n\r\n{}",
    "too many headers": HEAD + b"".join(b"X-%d: y\r\n" % number for number in range(500)) + b"\r\n{}",
    "a status line that is too long": b"HTTP/1.1 200 " + b"x" * 20_000 + b"\r\n\r\n",
    "a status that is none": b"HTTP/1.1 99999 OK\r\n\r\n",
    "no HTTP": b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
    "two content lengths": HEAD + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    "a content length that is none": HEAD + b"Content-Length: -5\r\n\r\nab",
    "a chunk size that is none": HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nab\r\n0\r\n\r\n",
    "a chunk that is longer than it says": HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n0\r\n\r\n",
    "less than it said": HEAD + b"Content-Length: 100\r\n\r\nabc",
    "compressed, it says": HEAD + b"Content-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc",
    "half of what was compressed": HEAD + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(b"x" * 5_000)[:20],
    "more after the end of what was compressed": HEAD
    + b"Content-Encoding: gzip\r\n\r\n"
    + gzip.compress(b"{}")
    + b"x" * 200_000,
    "an encoding that nobody asked for": HEAD + b"Content-Encoding: br\r\nContent-Length: 3\r\n\r\nabc",
    "a header with a null": HEAD + b"X-A: a\0b\r\n\r\n{}",
    "nothing at all": b"",
}


@pytest.mark.parametrize("name", BROKEN)
async def test_what_is_broken_is_a_failure_with_words(executor: ToolExecutor, name: str) -> None:
    async def script(writer: asyncio.StreamWriter) -> None:
        writer.write(BROKEN[name])
        await writer.drain()
        writer.write_eof()
        await asyncio.sleep(0.2)

    async with saying(script) as url, unharmed():
        with pytest.raises(ToolFailure) as caught:
            await executor.run(tool(url), {}, context(2))
        assert isinstance(caught.value, ToolUnreachable), name
        assert str(caught.value).startswith("look_up: http://127.0.0.1:")
        assert len(str(caught.value)) < 500
        assert caught.value.for_model.startswith("look_up cannot be reached at the moment.")


async def test_some_interim_answers_are_no_matter(executor: ToolExecutor) -> None:
    interim = b"HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n" * 10
    async with raw_server(interim + response(b'{"a":1}')) as server:
        for _ in range(3):
            assert (await executor.run(tool(server.url), {}, context())).text == '{"a":1}'
        assert server.connections == 1


async def test_what_a_server_adds_to_its_answer_is_no_answer_to_the_next(executor: ToolExecutor) -> None:
    smuggled = response(b'{"first":1}') + response(b'{"smuggled":1}')
    async with raw_server(smuggled) as server:
        first = await executor.run(tool(f"{server.url}/one"), {}, context())
        server.answer = response(b'{"second":1}')
        second = await executor.run(tool(f"{server.url}/two"), {}, context())
    assert (first.text, second.text) == ('{"first":1}', '{"second":1}')
