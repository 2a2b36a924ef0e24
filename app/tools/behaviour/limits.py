"""How many calls of one tool may run at a time, and begin within a minute.

Who finds no place waits in the order of coming, for a share of the time that is left: the rest is for the call itself.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Final

from app.tools.errors import ToolBusy

_MINUTE: Final = 60.0
# Of what is left until the call must be over: a place that comes later leaves no time to use it.
_SHARE_FOR_WAITING: Final = 0.5
# More would wait in vain: turns are short.
_MOST_WAITING: Final = 200


class Limits:
    """Of one tool; ``resize`` when its definition changes, and who is inside stays.

    Args:
        clock: Seconds, of the loop.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._places = 0
        self._per_minute = 0
        self.running = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._begun: deque[float] = deque()  # at most per_minute of them

    @property
    def waiting(self) -> int:
        """Calls that wait for a place."""
        return sum(1 for place in self._waiting if not place.done())

    @property
    def idle(self) -> bool:
        """Whether nothing is lost when it is forgotten."""
        self._forget_old()
        return not self.running and not self._waiting and not self._begun

    def resize(self, max_concurrent: int, per_minute: int) -> None:
        """Set the limits; 0: none."""
        self._places, self._per_minute = max_concurrent, per_minute
        if not per_minute:
            self._begun.clear()
        self._hand_out()

    @asynccontextmanager
    async def place(self, name: str, ends: float) -> AsyncIterator[None]:
        """A place for one call, given back at the end however that comes.

        Args:
            name: Of the tool, for the words.
            ends: Clock time at which the call must be over.

        Raises:
            ToolBusy: there is none in time, or the minute is full.
        """
        self._refuse_full_minute(name)
        await self._take(name, ends)
        try:
            self._refuse_full_minute(name)  # others may have begun meanwhile
            if self._per_minute:
                self._begun.append(self._clock())
            yield
        finally:
            self.running -= 1
            self._hand_out()

    def _refuse_full_minute(self, name: str) -> None:
        if not self._per_minute:
            return
        self._forget_old()
        over = len(self._begun) - self._per_minute
        if over >= 0:
            seconds = self._begun[over] + _MINUTE - self._clock()
            calls = "call" if self._per_minute == 1 else "calls"
            raise ToolBusy(name, f"{self._per_minute:,} {calls} began within a minute, which is the limit", seconds)

    def _forget_old(self) -> None:
        limit = self._clock() - _MINUTE
        while self._begun and self._begun[0] <= limit:
            self._begun.popleft()

    async def _take(self, name: str, ends: float) -> None:
        if not self._places or (self.running < self._places and not self._waiting):
            self.running += 1
            return
        if len(self._waiting) >= _MOST_WAITING:
            raise self._busy(name)
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(place)
        now = self._clock()
        try:
            async with asyncio.timeout((ends - now) * _SHARE_FOR_WAITING):
                await place
        except BaseException as error:
            if place.done() and not place.cancelled():  # it came in the same moment: it is the next one's
                self.running -= 1
            else:
                place.cancel()
                with suppress(ValueError):  # handing out drops those that are done
                    self._waiting.remove(place)
            self._hand_out()
            if isinstance(error, TimeoutError):
                raise self._busy(name) from None
            raise

    def _hand_out(self) -> None:
        while self._waiting and (not self._places or self.running < self._places):
            place = self._waiting.popleft()
            if not place.done():
                self.running += 1
                place.set_result(None)

    def _busy(self, name: str) -> ToolBusy:
        calls = "call is" if self._places == 1 else "calls are"
        return ToolBusy(name, f"{self._places:,} {calls} running, which is the limit, and none ended in time")
