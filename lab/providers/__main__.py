"""``python -m lab.providers --port N``: the stub providers as a process of their own."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import signal

import uvloop

from lab.providers.answer import Answer
from lab.providers.server import StubProviders


async def _serve(arguments: argparse.Namespace) -> None:
    default = Answer(text=arguments.say, delay=arguments.delay / 1000, gap=arguments.gap / 1000)
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    async with StubProviders(default, host=arguments.host, port=arguments.port) as stub:
        # Read by whoever started this with port 0.
        print(f"listening on {stub.url}", flush=True)
        await stopped.wait()


def main() -> None:
    """Serve until SIGINT or SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m lab.providers", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0: a free one, printed on the first line")
    parser.add_argument("--say", default=None, help="the text of every answer; otherwise it repeats what was said")
    parser.add_argument("--delay", type=float, default=0.0, help="milliseconds to the first byte")
    parser.add_argument("--gap", type=float, default=0.0, help="milliseconds between two pieces")
    arguments = parser.parse_args()
    with contextlib.suppress(KeyboardInterrupt):
        uvloop.run(_serve(arguments))


if __name__ == "__main__":
    main()
