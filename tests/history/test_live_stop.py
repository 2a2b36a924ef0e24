"""A live view that is open does not hold up the stop of a real web server."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from pathlib import Path

SERVE = """
import asyncio, contextlib, socket, sys
import uvicorn
from starlette.applications import Starlette
from starlette.responses import StreamingResponse
from starlette.routing import Route
from app.history.live import LiveHub
from app.process import at_stop_signal

hub = LiveHub()

async def events():
    with hub.watching() as watcher:
        yield b"begun"
        async for _ in watcher.events(60):
            pass

async def live(_request):
    return StreamingResponse(events())

@contextlib.asynccontextmanager
async def lifespan(_app):
    with at_stop_signal(hub.close):
        yield
    print("stopped", flush=True)

listening = socket.create_server(("127.0.0.1", 0))
print(listening.getsockname()[1], flush=True)
# No bound on the stop, as where an operator runs uvicorn by hand.
config = uvicorn.Config(Starlette(routes=[Route("/", live)], lifespan=lifespan), log_level="warning")
uvicorn.Server(config).run(sockets=[listening])
"""


async def test_the_stop_ends_open_live_views_at_once(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", SERVE, stdout=asyncio.subprocess.PIPE, cwd=tmp_path, env=environment
    )
    assert process.stdout is not None
    try:
        port = int(await asyncio.wait_for(process.stdout.readline(), 20))
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        await asyncio.wait_for(reader.readuntil(b"begun"), 10)
        asked = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.stdout.readline(), 10) == b"stopped\n"
        assert time.monotonic() - asked < 1.0
        writer.close()
        await writer.wait_closed()
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()
