"""``python -m bench.toolserver``: what a tool reaches, as fast as a server on the same machine can be."""

from __future__ import annotations

import asyncio
import signal

import uvloop
from aiohttp import web


async def _order(request: web.Request) -> web.Response:
    return web.json_response({"order_id": request.match_info["order_id"], "status": "shipped"})


async def _serve() -> None:
    app = web.Application()
    app.router.add_get("/orders/{order_id}", _order)
    runner = web.AppRunner(app, access_log=None, keepalive_timeout=600)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(f"listening on http://127.0.0.1:{runner.addresses[0][1]}", flush=True)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await stop.wait()
    await runner.cleanup()


if __name__ == "__main__":
    uvloop.run(_serve())
