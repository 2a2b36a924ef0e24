"""Answers that come piece by piece: one piece of work whose events are sent as they happen, to whoever asked for it.

The work runs in a task of its own, so that a sign of life can be sent while it is silent, and ends with the answer:
when the client goes away, it is cancelled.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing
from typing import Any, Final, Generic, TypeVar

import structlog
from fastapi import Request
from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from app.core.any_json import any_json

T = TypeVar("T")

logger = structlog.get_logger(__name__)

# Seconds between signs of life: proxies close connections on which nothing comes for a minute.
HEARTBEAT: Final = 15.0
# Events that wait for a slow reader; then the work waits, for so many seconds, and ends: a computer that was closed
# takes the place of others.
_WAITING: Final = 64
PATIENCE: Final = 30.0
_HEADERS: Final = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
MEDIA_TYPE: Final = "text/event-stream"


class Work(Generic[T]):
    """An async generator that runs in a task of its own. Whoever makes one closes it."""

    def __init__(self, events: AsyncGenerator[T, None]) -> None:
        self._events: deque[T] = deque()
        self._news, self._room = asyncio.Event(), asyncio.Event()
        self._ended = False
        self._task = asyncio.create_task(self._run(events), name="streamed work")

    @property
    def stopped(self) -> bool:
        """Whether it was cancelled from elsewhere, as when the service stops."""
        return self._task.done() and self._task.cancelled()

    async def begun(self) -> None:
        """Wait until the first event is there. Raises what the generator raises before it."""
        while not self._events and not self._ended:
            await self._news.wait()
        if not self._events:
            await self._result()

    async def events(self, heartbeat: float | None = None) -> AsyncIterator[T | None]:
        """The events; None after each ``heartbeat`` seconds without one. Raises what the generator raises."""
        while True:
            while self._events:
                yield self._events.popleft()
                self._room.set()
            if self._ended:
                await self._result()
                return
            self._news.clear()
            try:
                async with asyncio.timeout(heartbeat):
                    await self._news.wait()
            except TimeoutError:
                yield None

    async def aclose(self) -> None:
        """Cancel the work where it has not ended, and wait for its end."""
        self._task.cancel()
        await asyncio.wait((self._task,))
        if not self._task.cancelled():
            self._task.exception()  # it was raised already, or nobody wants to know any more

    async def _run(self, events: AsyncGenerator[T, None]) -> None:
        try:
            async with aclosing(events):
                async for event in events:
                    self._events.append(event)
                    self._news.set()
                    if len(self._events) >= _WAITING and not await self._room_in_time():
                        logger.info("stream.not_read", detail=f"nobody read for {PATIENCE:g} s, so the work was ended")
                        return
        finally:
            self._ended = True
            self._news.set()

    async def _room_in_time(self) -> bool:
        self._room.clear()
        try:
            async with asyncio.timeout(PATIENCE):
                await self._room.wait()
        except TimeoutError:
            return False
        return True

    async def _result(self) -> None:
        await asyncio.wait((self._task,))
        if not self._task.cancelled():
            self._task.result()


class EventStream(StreamingResponse):
    """Named server-sent events of some work: pairs of a name and a JSON value. Closes the work, however it ends.

    Args:
        stopped: The last event where the work was cancelled from elsewhere.
    """

    def __init__(self, work: Work[tuple[str, Any]], stopped: tuple[str, Mapping[str, Any]]) -> None:
        super().__init__(_pieces(work, stopped), media_type=MEDIA_TYPE, headers=_HEADERS)
        self._work = work

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send until the work or the client has ended."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            await self._work.aclose()


def wants_stream(request: Request, stream: bool | None) -> bool:
    """By the query parameter, then by the header Accept: JSON is sent to who asks for it and not for events."""
    if stream is not None:
        return stream
    accept = request.headers.get("accept", "")
    return MEDIA_TYPE in accept or "application/json" not in accept


async def _pieces(work: Work[tuple[str, Any]], stopped: tuple[str, Mapping[str, Any]]) -> AsyncIterator[bytes]:
    async for event in work.events(HEARTBEAT):
        yield b": still here\n\n" if event is None else _event(*event)
    if work.stopped:
        yield _event(*stopped)


def _event(name: str, data: Any) -> bytes:
    return b"event: %s\ndata: %s\n\n" % (name.encode(), any_json(data))
