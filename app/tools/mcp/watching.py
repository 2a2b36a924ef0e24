"""A stream of messages from a server, watched: it ends where the server floods it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

import structlog

from app.tools.mcp.definition import McpServer

_log = structlog.get_logger(__name__)

# What a server may send without being asked, in a window of seconds, and what it may send at all: each message is read
# on the loop that serves calls. More ends the session.
_UNASKED: Final = 300
_MESSAGES: Final = 5_000
_WINDOW_SECONDS: Final = 10.0


@asynccontextmanager
async def watched(server: McpServer, streams: Any, over: Callable[[], None]) -> AsyncIterator[Any]:
    """The two streams, the first of them watched.

    Args:
        over: Called when it has ended, for whatever reason.
    """
    async with streams as (reading, writing):
        yield _Watched(server, reading, over), writing


class _Watched:
    """A stream of messages that ends where a server floods it, and says when it has ended."""

    def __init__(self, server: McpServer, inner: Any, over: Callable[[], None]) -> None:
        self._server = server
        self._inner = inner
        self._over = over
        self._since, self._unasked, self._messages = 0.0, 0, 0

    @property
    def last_context(self) -> Any:
        """What the SDK wants of such a stream."""
        return getattr(self._inner, "last_context", None)

    async def receive(self) -> Any:
        """The next message."""
        try:
            item = await self._inner.receive()
        except BaseException:
            self._over()
            raise
        now = asyncio.get_running_loop().time()
        if now - self._since > _WINDOW_SECONDS:
            self._since, self._unasked, self._messages = now, 0, 0
        self._messages += 1
        # An answer has none.
        self._unasked += hasattr(getattr(item, "message", None), "method")
        if self._unasked > _UNASKED or self._messages > _MESSAGES:
            _log.warning("mcp.flooded", server=self._server.name, messages=self._messages, seconds=_WINDOW_SECONDS)
            self._over()
            await self._inner.aclose()
            raise StopAsyncIteration
        return item

    async def aclose(self) -> None:
        """Close it."""
        await self._inner.aclose()

    def __aiter__(self) -> _Watched:
        return self

    async def __anext__(self) -> Any:
        import anyio

        try:
            return await self.receive()
        except anyio.EndOfStream:
            raise StopAsyncIteration from None

    async def __aenter__(self) -> _Watched:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()
