"""Decides whether and how often a call is tried: cache, circuit breaker, limits, repeats, in this order.

A draft that somebody tries (version 0) has repeats only: it is another tool each time, and is to tell how the system
is now.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import structlog

from app.core.metrics import TOOL_REPEATS, TOOLS_DOWN
from app.tools.backend import Response, ToolCall
from app.tools.behaviour.breaker import Breaker, Passage, State
from app.tools.behaviour.cache import ResponseCache
from app.tools.behaviour.limits import Limits
from app.tools.behaviour.retrying import LEAST_TRY, seconds_of, tries_of, wait_before, worth_repeating
from app.tools.definition import RequestSpec, ToolDefinition
from app.tools.errors import ToolDown, ToolFailure, ToolResponseTooLarge, ToolTimeout, ToolUnreachable

_log = structlog.get_logger(__name__)

_MAX_TOOLS: Final = 2_000
# Our time for a try ends so much before that of the call, so that it is told apart from a caller who hung up.
_MARGIN: Final = 0.01
# A timeout tells of the tool only where the try had its time, and not when the turn was nearly over: half a second, or
# half of its even share where that is less.
_FAIR_SECONDS: Final = 0.5

# A tool that is down and was not asked for since so long is not shown any more.
_GIVEN_UP_SECONDS: Final = 600.0

Attempt = Callable[[], Awaitable[Response]]
Outcome = Response | ToolFailure | TimeoutError


@dataclass(frozen=True, slots=True)
class ToolState:
    """How one tool is, of those that were called lately.

    Attributes:
        breaker: ``closed`` is the usual state.
        failures: In a row.
        seconds: Until it is tried again, where it is down.
        running: Calls under way.
        waiting: Calls that wait for a place.
    """

    id: int
    name: str
    breaker: State
    failures: int
    seconds: float
    running: int
    waiting: int


class _Kept:
    """What is remembered of one tool; its breaker is new with each version."""

    def __init__(self, tool: ToolDefinition, clock: Callable[[], float], down: set[int]) -> None:
        self._clock = clock
        self._down = down  # the ids of all tools that are; the governor's
        self.limits = Limits(clock)
        self.users = 0
        self.breaker: Breaker | None = None
        self.take(tool)

    def take(self, tool: ToolDefinition) -> None:
        """From now on it is this version."""
        behaviour = tool.behaviour
        self.id, self.version, self.name = tool.id, tool.version, tool.name
        self.limits.resize(behaviour.max_concurrent, behaviour.per_minute)
        self._most, self._seconds = behaviour.breaker_failures, behaviour.breaker_seconds
        self.close()

    def close(self) -> None:
        """Begin with a new breaker."""
        self.breaker = Breaker(self._most, self._seconds, self._clock, self._changed) if self._most else None
        self._count(down=False)

    @property
    def given_up(self) -> bool:
        """Whether it went down and nobody asks for it any more: it was disabled or deleted, most likely."""
        return not self.users and self.breaker is not None and self.breaker.unasked_for() > _GIVEN_UP_SECONDS

    @property
    def idle(self) -> bool:
        """Whether it may be forgotten."""
        at_rest = self.breaker is None or (self.breaker.state == "closed" and not self.breaker.failures)
        return not self.users and at_rest and self.limits.idle

    def state(self) -> ToolState:
        """As it is now."""
        breaker = self.breaker
        return ToolState(
            self.id,
            self.name,
            "closed" if breaker is None else breaker.state,
            0 if breaker is None else breaker.failures,
            0.0 if breaker is None else round(breaker.refused_for() or 0.0, 1),
            self.limits.running,
            self.limits.waiting,
        )

    def _changed(self, state: State) -> None:
        if state == "open":
            failures = None if self.breaker is None else self.breaker.failures
            _log.warning("tool.down", tool=self.name, failures=failures)
        elif state == "closed":
            _log.info("tool.up_again", tool=self.name)
        self._count(down=state != "closed")

    def _count(self, *, down: bool) -> None:
        (self._down.add if down else self._down.discard)(self.id)
        TOOLS_DOWN.set(len(self._down))


class Governor:
    """Shared by all turns.

    Args:
        clock: Seconds, of the loop, as those in ``ToolCall.ends``.
        wall: Seconds since 1970, for what servers say as a date.
        random: From 0 to 1.
    """

    def __init__(
        self,
        *,
        clock: Callable[[], float] | None = None,
        wall: Callable[[], float] = time.time,
        random: Callable[[], float] = random.random,
    ) -> None:
        self._clock = clock or _loop_time
        self._wall = wall
        self._random = random
        self._tools: OrderedDict[int, _Kept] = OrderedDict()
        self._down: set[int] = set()
        self._cache = ResponseCache(self._clock)

    async def run(
        self, call: ToolCall, attempt: Attempt, *, identity: Callable[[], bytes | None] | None = None
    ) -> Response:
        """The response of one call, by as many tries as its tool allows.

        Args:
            attempt: Makes one try.
            identity: What two calls that would send the same have in common; None: that cannot be told.

        Raises:
            ToolFailure: of the last try, or ToolDown or ToolBusy where there was none.
            TimeoutError: the last try took all the time that there was.
        """
        tool = call.tool
        if not tool.version:
            return await self._tries(call, attempt, None)
        seconds = tool.behaviour.cache_seconds
        if seconds and identity is not None and isinstance(tool.request, RequestSpec) and tool.request.method == "GET":
            same = identity()
            if same is not None:
                return await self._cache.get((*tool.key, same), seconds, lambda: self._governed(call, attempt))
        return await self._governed(call, attempt)

    def states(self) -> list[ToolState]:
        """The tools that are down, failing or at work, by name."""
        for kept in self._tools.values():
            if kept.given_up:
                kept.close()
        return sorted((kept.state() for kept in self._tools.values() if not kept.idle), key=lambda state: state.name)

    async def _governed(self, call: ToolCall, attempt: Attempt) -> Response:
        with self._kept(call.tool) as kept:
            # A turn that began before the tool was edited has the old one still: it says nothing of the new one.
            breaker = kept.breaker if kept.version == call.tool.version else None
            _refuse_when_down(call.tool, breaker)
            async with kept.limits.place(call.tool.name, call.ends):
                _refuse_when_down(call.tool, breaker)  # it may have gone down while this call waited
                return await self._tries(call, attempt, breaker)

    @contextmanager
    def _kept(self, tool: ToolDefinition) -> Iterator[_Kept]:
        kept = self._tools.get(tool.id)
        if kept is None:
            kept = self._tools[tool.id] = _Kept(tool, self._clock, self._down)
        elif kept.version < tool.version:
            kept.take(tool)
        self._tools.move_to_end(tool.id)
        kept.users += 1
        try:
            yield kept
        finally:
            kept.users -= 1
            if len(self._tools) > _MAX_TOOLS:
                oldest = next((each.id for each in self._tools.values() if each.idle), None)
                if oldest is not None:
                    del self._tools[oldest]

    async def _tries(self, call: ToolCall, attempt: Attempt, breaker: Breaker | None) -> Response:
        tries = tries_of(call.tool)
        for number in range(1, tries + 1):
            outcome = await self._one_try(call, attempt, breaker, left=tries - number + 1)
            if number == tries or not worth_repeating(outcome) or (breaker is not None and breaker.state != "closed"):
                break
            asked = seconds_of(outcome.retry_after, self._wall()) if isinstance(outcome, Response) else None
            wait = wait_before(number, asked, self._random)
            if self._clock() + wait + LEAST_TRY > call.ends:
                break
            reason = _reason(outcome)
            TOOL_REPEATS.labels(reason=reason).inc()
            _log.info(
                "tool.repeated",
                tool=call.tool.name,
                turn_id=call.context.turn_id,
                reason=reason,
                repeat=number,
                wait_ms=round(wait * 1000),
            )
            await asyncio.sleep(wait)
        if isinstance(outcome, Response):
            return outcome
        raise outcome

    async def _one_try(self, call: ToolCall, attempt: Attempt, breaker: Breaker | None, *, left: int) -> Outcome:
        """How one try ended. It gets its share of the time; the last one all that there is."""
        passage = None
        if breaker is not None:
            passage = breaker.begin()
            if passage is None:
                return _down(call.tool, breaker)
        remaining = call.ends - self._clock()
        given = remaining / left if left > 1 else remaining - min(_MARGIN, remaining / 10)
        told: bool | None = None
        outcome: Outcome
        try:
            async with asyncio.timeout(given):
                outcome = await attempt()
            told = outcome.status < 500
        except TimeoutError as error:
            outcome = error
            told = False if _was_fair(call.tool, given) else None
        except ToolFailure as failure:
            outcome = failure
            told = _tells(failure)
        finally:  # also where the caller hung up: a probe must not be waited for that nobody makes
            if breaker is not None and passage is not None:
                _tell(breaker, passage, told)
        return outcome


def _loop_time() -> float:
    return asyncio.get_running_loop().time()


def _refuse_when_down(tool: ToolDefinition, breaker: Breaker | None) -> None:
    if breaker is not None and breaker.refused_for() is not None:
        raise _down(tool, breaker)


def _down(tool: ToolDefinition, breaker: Breaker) -> ToolDown:
    return ToolDown(tool.name, breaker.failures, breaker.refused_for() or 0.0)


def _was_fair(tool: ToolDefinition, given: float) -> bool:
    return given >= min(_FAIR_SECONDS, tool.request.timeout / tries_of(tool) / 2)


def _tells(failure: ToolFailure) -> bool | None:
    """Whether the system is up; None: the failure does not tell, as when it was never asked."""
    if isinstance(failure, ToolUnreachable | ToolTimeout):
        return False if failure.retryable else None
    return True if isinstance(failure, ToolResponseTooLarge) else None


def _tell(breaker: Breaker, passage: Passage, told: bool | None) -> None:
    if told is None:
        breaker.untold(passage)
    elif told:
        breaker.succeeded(passage)
    else:
        breaker.failed(passage)


def _reason(outcome: Outcome) -> str:
    if isinstance(outcome, Response):
        return "status"
    return "timeout" if isinstance(outcome, TimeoutError | ToolTimeout) else "unreachable"
