"""The bound on request bodies, over a real server and socket."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator

import pytest
import uvicorn
from fastapi import FastAPI

from app.api.limits import MAX_BODY_BYTES
from tests.api.conftest import LOGIN

HEAD = (
    "POST /api/prompts HTTP/1.1\r\nHost: service.test\r\nContent-Type: application/json\r\n"
    f"Authorization: Basic {base64.b64encode(':'.join(LOGIN).encode()).decode()}\r\n"
)


@pytest.fixture
async def port(app: FastAPI) -> AsyncIterator[int]:
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, lifespan="off"))
    running = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    await running


async def test_a_body_that_says_it_is_too_large_is_not_read(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"{HEAD}Content-Length: 10000000\r\n\r\n".encode())
    answer = await asyncio.wait_for(reader.read(), 5)  # to the end: the server closes
    writer.close()
    assert answer.startswith(b"HTTP/1.1 413")
    assert b"body_too_large" in answer


async def test_a_body_of_unknown_length_is_cut_off_while_it_is_read(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"{HEAD}Transfer-Encoding: chunked\r\n\r\n".encode())
    sent, chunk = 0, b'10000\r\n{"name": "' + b"x" * (0x10000 - 10) + b"\r\n"
    answer = asyncio.create_task(reader.readline())
    while not answer.done() and sent < 5 * MAX_BODY_BYTES:
        writer.write(chunk)
        sent += len(chunk)
        try:
            await writer.drain()
        except ConnectionError:
            break
        await asyncio.sleep(0)
    assert (await asyncio.wait_for(answer, 5)).startswith(b"HTTP/1.1 413")
    writer.close()
    assert MAX_BODY_BYTES < sent < 5 * MAX_BODY_BYTES


async def test_a_stranger_is_refused_before_the_body(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = HEAD.replace("Authorization", "X-Authorization")
    writer.write(f"{head}Content-Length: 7000000\r\n\r\n".encode())
    line = await asyncio.wait_for(reader.readline(), 5)
    writer.close()
    assert line.startswith(b"HTTP/1.1 401")
