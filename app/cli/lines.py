"""Lines from standard input, without stopping the event loop."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading


class Lines:
    """Reads one line at a time, when it is asked for, in a thread of its own.

    A thread, because a file or a terminal cannot be awaited in all systems, and because line editing comes with
    ``input()``. It is a daemon: the process may end while it waits for a person.

    Args:
        prompt: Shown before each line.
    """

    def __init__(self, prompt: str = "") -> None:
        self._prompt = prompt
        self._loop = asyncio.get_running_loop()
        self._wanted: queue.Queue[asyncio.Future[str | None]] = queue.Queue(1)
        self._thread = threading.Thread(target=self._read, name="lines", daemon=True)
        self._thread.start()

    async def next(self) -> str | None:
        """The next line without its end; None when there are no more.

        Cancelled, it stops waiting; a line that is typed afterwards is lost.
        """
        line: asyncio.Future[str | None] = self._loop.create_future()
        self._wanted.put_nowait(line)
        return await line

    def _read(self) -> None:
        with contextlib.suppress(ImportError):
            import readline  # noqa: F401 - its import gives input() line editing and history
        while True:
            future = self._wanted.get()
            try:
                line: str | None = input(self._prompt)
            except (EOFError, OSError, ValueError):
                line = None
            with contextlib.suppress(RuntimeError):  # the loop was closed meanwhile
                self._loop.call_soon_threadsafe(_give, future, line)
            if line is None:
                return


def _give(future: asyncio.Future[str | None], line: str | None) -> None:
    if not future.done():
        future.set_result(line)
