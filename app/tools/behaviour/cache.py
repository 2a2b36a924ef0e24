"""Responses that serve equal requests for a while. Bounded in entries and bytes; what was used longest ago goes first.

Kept is what came with 2xx, as long as the operator said. ``Cache-Control: no-store`` and ``no-cache`` are obeyed.
``private`` is not looked at: equal requests carry the same login and the same values, so they are one reader's.

Requests that are equal and come at the same time are made once: the others wait for the first. Where that one is
cancelled or runs out of its time, the next of them makes the request.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from app.core.metrics import TOOL_CACHE
from app.tools.backend import Response
from app.tools.errors import ToolFailure

MAX_ENTRIES: Final = 1_000
MAX_BYTES: Final = 16_000_000
# Of one response; a larger one is not worth the room of sixteen others.
MAX_RESPONSE_BYTES: Final = 1_000_000
_OVERHEAD_BYTES: Final = 1_000

# Tool, version, and what the backend makes of the request.
Key = tuple[int, int, bytes]
Outcome = Response | ToolFailure


@dataclass(frozen=True, slots=True)
class _Entry:
    response: Response
    until: float

    @property
    def size(self) -> int:
        return len(self.response.body) + _OVERHEAD_BYTES


class ResponseCache:
    """Shared by all tools.

    Args:
        clock: Seconds.
    """

    def __init__(self, clock: Callable[[], float], *, entries: int = MAX_ENTRIES, size: int = MAX_BYTES) -> None:
        self._clock = clock
        self._most = entries
        self._most_bytes = size
        self._entries: OrderedDict[Key, _Entry] = OrderedDict()
        self.size = 0
        # Requests under way. None as a result: whoever made it went away, and another one may.
        self._under_way: dict[Key, asyncio.Future[Outcome | None]] = {}

    def __len__(self) -> int:
        return len(self._entries)

    async def get(self, key: Key, seconds: float, fetch: Callable[[], Awaitable[Response]]) -> Response:
        """The response that is kept, that of an equal request under way, or a new one. Raises what ``fetch`` raises."""
        while True:
            kept = self._kept(key)
            if kept is not None:
                TOOL_CACHE.labels(outcome="hit").inc()
                return kept
            first = self._under_way.get(key)
            if first is None:
                return await self._fetch(key, seconds, fetch)
            outcome = await asyncio.shield(first)  # who is cancelled here takes nothing from the others
            if outcome is not None:
                TOOL_CACHE.labels(outcome="shared").inc()
                if isinstance(outcome, ToolFailure):
                    raise outcome
                return outcome

    def _kept(self, key: Key) -> Response | None:
        entry = self._entries.get(key)
        if entry is None:
            return None
        if entry.until <= self._clock():
            self._drop(key)
            return None
        self._entries.move_to_end(key)
        return entry.response

    async def _fetch(self, key: Key, seconds: float, fetch: Callable[[], Awaitable[Response]]) -> Response:
        TOOL_CACHE.labels(outcome="miss").inc()
        told: asyncio.Future[Outcome | None] = asyncio.get_running_loop().create_future()
        self._under_way[key] = told
        outcome: Outcome | None = None
        try:
            outcome = response = await fetch()
            self._keep(key, response, seconds)
        except ToolFailure as failure:
            outcome = failure
            raise
        finally:
            del self._under_way[key]
            told.set_result(outcome)
        return response

    def _keep(self, key: Key, response: Response, seconds: float) -> None:
        if not 200 <= response.status < 300 or len(response.body) > MAX_RESPONSE_BYTES or _forbids(response):
            return
        if key in self._entries:
            self._drop(key)
        entry = self._entries[key] = _Entry(response, self._clock() + seconds)
        self.size += entry.size
        while len(self._entries) > self._most or self.size > self._most_bytes:
            self._drop(next(iter(self._entries)))

    def _drop(self, key: Key) -> None:
        self.size -= self._entries.pop(key).size


def _forbids(response: Response) -> bool:
    words = {word.partition("=")[0].strip().lower() for word in response.cache_control.split(",")}
    return not words.isdisjoint({"no-store", "no-cache"})
