"""Calls that are finished although their turns are over, and what the conversations remember of such turns.

A caller who hangs up while an order is placed has placed it: the call of a tool with ``commit_on_interrupt`` goes on in
a task of its own, within the tool's timeout, and the interrupted turn is then remembered with its result. The next turn
of the conversation waits for that, but no longer than it can afford (:func:`patience`). What has no result by then is
remembered as on its way, in its place before the next turn; a result that comes still later is in log and history only,
since a turn that is stored is never changed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

import structlog

from app.agent.history import TurnMessages
from app.core.metrics import TOOL_COMMITS, UNEXPECTED
from app.memory.interface import ConversationMemory
from app.tools.errors import ToolFailure

T = TypeVar("T")
_log = structlog.get_logger(__name__)

# Calls at a time of tools that are to be finished in any case. Beyond it no new one begins: none that has begun is
# ever given up for another.
MAX_CALLS: Final = 256
# Of what a turn has left until its deadline, how much it may wait for the turn before it.
PATIENCE_SHARE: Final = 0.5


class TooManyCommits(ToolFailure):
    """There are :data:`MAX_CALLS` already."""

    code = "tool_busy"


@dataclass(eq=False, slots=True)
class _Left:
    """An interrupted turn on its way into the memory.

    Attributes:
        open: Calls that are not over.
        due: Done when it is to be written, whatever is still open.
        written: Done when it is in the memory.
    """

    open: set[asyncio.Task[Any]]
    due: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    written: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    def write_now(self) -> None:
        if not self.due.done():
            self.due.set_result(None)

    def over(self, task: asyncio.Task[Any]) -> None:
        self.open.discard(task)
        if not self.open:
            self.write_now()


class Commits:
    """The owner of these tasks; one for all turns.

    Args:
        memory: Where interrupted turns go.
    """

    def __init__(self, memory: ConversationMemory[TurnMessages], most: int = MAX_CALLS) -> None:
        self._memory = memory
        self._most = most
        self._calls: set[asyncio.Task[Any]] = set()
        self._writing: set[asyncio.Task[None]] = set()
        self._left: dict[str, list[_Left]] = {}

    def start(self, work: Coroutine[Any, Any, T], name: str) -> asyncio.Task[T]:
        """Carry ``work`` out in a task that outlives its turn.

        Args:
            name: The tool's.

        Raises:
            TooManyCommits: nothing has begun.
        """
        if len(self._calls) >= self._most:
            work.close()
            TOOL_COMMITS.labels(outcome="refused").inc()
            raise TooManyCommits(
                f"{name}: {self._most} calls of tools that must be finished are under way",
                for_model=f"{name} was not called: too much is being done at once. Tell the caller to try again later.",
            )
        task = asyncio.create_task(work, name=f"commit {name}")
        self._calls.add(task)
        task.add_done_callback(self._calls.discard)
        return task

    def leave(
        self, conversation: str | None, open_calls: Sequence[asyncio.Task[Any]], turn: Callable[[], TurnMessages]
    ) -> None:
        """A turn was interrupted: remember it when its calls are over. Returns at once.

        Args:
            conversation: None: it has no memory.
            turn: What is to be remembered, as things are when it is called.
        """
        if conversation is None:
            return
        left = _Left({task for task in open_calls if not task.done()})
        for task in tuple(left.open):
            task.add_done_callback(left.over)
        if not left.open:
            left.write_now()
        waiting = self._left.setdefault(conversation, [])
        before = [each.written for each in waiting]
        waiting.append(left)
        writing = asyncio.create_task(self._write(conversation, left, before, turn), name="interrupted turn")
        self._writing.add(writing)
        writing.add_done_callback(self._writing.discard)

    async def settled(self, conversation: str, deadline: float) -> None:
        """Wait until the interrupted turns of a conversation are remembered.

        Args:
            deadline: Loop time; the waiting turn's. After a share of the time until then the turns are written as
                they are.
        """
        waiting = self._left.get(conversation)
        if not waiting:
            return
        now = asyncio.get_running_loop().time()
        await asyncio.wait([left.written for left in waiting], timeout=patience(now, deadline))
        for left in tuple(waiting):
            left.write_now()
            if not left.written.done():
                await asyncio.wait((left.written,))

    async def aclose(self, timeout: float) -> None:
        """Let what is under way end within ``timeout`` seconds; then write the turns as they are, and cancel it."""
        if self._calls:
            _log.info("tool.commits_awaited", calls=len(self._calls), timeout_s=timeout)
            await asyncio.wait(tuple(self._calls), timeout=timeout)
        if self._calls:
            TOOL_COMMITS.labels(outcome="cut").inc(len(self._calls))
            _log.error(
                "tool.commits_cut",
                calls=len(self._calls),
                detail="the service stopped before these calls of tools had ended, so whether they were carried out is "
                "not known; a longer AI_DRAIN_TIMEOUT waits for them",
            )
        for waiting in tuple(self._left.values()):
            for left in waiting:
                left.write_now()
        if self._writing:
            await asyncio.wait(tuple(self._writing))
        rest = tuple(self._calls)
        for task in rest:
            task.cancel()
        if rest:
            await asyncio.wait(rest)

    async def _write(
        self, conversation: str, left: _Left, before: Sequence[asyncio.Future[None]], turn: Callable[[], TurnMessages]
    ) -> None:
        try:
            await left.due
            if before:  # in the order of their turns
                await asyncio.wait(before)
            await self._memory.append(conversation, turn())
        except Exception:  # noqa: BLE001 - the next turn must not wait for ever; what was done is in log and history
            UNEXPECTED.labels(where="agent.commits").inc()
            _log.exception("turn.not_remembered", conversation=conversation)
        finally:
            waiting = self._left[conversation]
            waiting.remove(left)
            if not waiting:
                del self._left[conversation]
            left.written.set_result(None)


def patience(now: float, deadline: float) -> float:
    """Seconds that a turn waits for the one before it."""
    return max(0.0, (deadline - now) * PATIENCE_SHARE)
