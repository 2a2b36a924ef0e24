"""One reads for all: what many open pages show is read once every so often, however many ask."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from datetime import UTC, datetime
from typing import Final, Generic, TypeVar

from app.api.problems import ProblemError
from app.core.errors import GatewayError

T = TypeVar("T")

# Open pages and programs that watch the state at a time.
MOST_WATCHERS: Final = 100


class Sampled(Generic[T]):
    """A value that is read at most every ``every`` seconds. Who asks meanwhile gets the one that is there; who asks
    while it is read waits for it.

    Attributes:
        taken_at: When the last one was read, aware; None: never.
    """

    def __init__(self, every: float) -> None:
        self._every = every
        self._lock = asyncio.Lock()
        self._result: tuple[T] | GatewayError | None = None
        self._due = 0.0
        self.taken_at: datetime | None = None

    async def get(self, read: Callable[[], Awaitable[T]]) -> T:
        """The value, read by ``read`` where it is due.

        Raises:
            GatewayError: as ``read`` did. A failure is kept as long as a value: while a database is away, not
                everybody waits for it in turn.
        """
        async with self._lock:
            if self._result is None or time.monotonic() >= self._due:
                # Cancelled here, nothing is kept, and the next one reads.
                try:
                    self._result = (await read(),)
                except GatewayError as error:
                    self._result = error
                self.taken_at = datetime.now(UTC)
                self._due = time.monotonic() + self._every
            if isinstance(self._result, GatewayError):
                raise self._result.with_traceback(None)
            return self._result[0]


class Watchers:
    """Those who watch the state: so many and no more, until the service stops."""

    def __init__(self, most: int = MOST_WATCHERS) -> None:
        self._most = most
        self._closed = asyncio.Event()
        self.count = 0

    async def ticks(self, every: float) -> AsyncGenerator[bool, None]:
        """Now, and then every ``every`` seconds until :meth:`close`; true the first time.

        Raises:
            ProblemError: 503, at the first one, where there is no room.
        """
        if self.count >= self._most:
            raise ProblemError(
                503, "too_many_watchers", f"{self._most} are watching already. Close a page that does.", retry_after=10
            )
        self.count += 1
        first = True
        try:
            while not self._closed.is_set():
                yield first
                first = False
                try:
                    async with asyncio.timeout(every):
                        await self._closed.wait()
                except TimeoutError:
                    continue
        finally:
            self.count -= 1

    def close(self) -> None:
        """End all watching, now and from now on. The web server waits for open answers before it stops."""
        self._closed.set()
