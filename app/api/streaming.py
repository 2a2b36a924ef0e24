"""Server-sent events of a state that is read once for all who watch."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import Final

from fastapi.responses import StreamingResponse

from app.api.sampling import Watchers
from app.core.errors import GatewayError

# Seconds between two events.
EVERY: Final = 2.0
# Seconds after which a view ends; browsers come back by themselves, and then their login is looked at again. Without an
# end, a token that was revoked would see what callers say for as long as it stays.
LONGEST: Final = 600.0
# Milliseconds after which a browser that lost the connection tries again.
_RETRY: Final = b"retry: 3000\n\n"
_HEADERS: Final = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


async def stream(
    watchers: Watchers, name: str, read: Callable[[], Awaitable[bytes]], *, every: float | None = None
) -> StreamingResponse:
    """An answer that goes on until the reader leaves, the service stops or :data:`LONGEST` is over.

    ``read`` is asked every ``every`` seconds (:data:`EVERY`), and what it says is sent as event ``name``; where nothing
    changed, ``same`` is sent without it.

    Raises:
        ProblemError: 503, where there are too many watchers.
    """
    events = _events(watchers.ticks(EVERY if every is None else every), name, read)
    # The first piece tells whether there is room, while the answer can still be a problem. There is none where the
    # service stops already.
    first = await anext(events, _RETRY)
    return StreamingResponse(_after(first, events), media_type="text/event-stream", headers=_HEADERS)


async def _events(
    ticks: AsyncGenerator[bool, None], name: str, read: Callable[[], Awaitable[bytes]]
) -> AsyncGenerator[bytes, None]:
    before: bytes | None = None
    ends = time.monotonic() + LONGEST
    async with aclosing(ticks):
        async for first in ticks:
            if not first and time.monotonic() >= ends:
                return
            if first:
                yield _RETRY
            try:
                now = await read()
            except GatewayError as error:
                before = None
                yield _event("trouble", str(error).encode())
            else:
                yield _event("same", b"") if now == before else _event(name, now)
                before = now


def _event(name: str, data: bytes) -> bytes:
    """One event; each line of the data on a line of its own, as the format wants it."""
    lines = b"".join(b"data: %s\n" % line for line in data.splitlines() or [b""])
    return b"event: %s\n%s\n" % (name.encode(), lines)


async def _after(first: bytes, rest: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    async with aclosing(rest):
        yield first
        async for piece in rest:
            yield piece
