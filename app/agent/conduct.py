"""One turn's dealings with tools that have consequences, or are slow: the agent's :class:`app.tools.conduct.Conduct`.

What becomes of the calls when the turn ends without an answer is decided here too: see :meth:`TurnConduct.close`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, TypeVar

import structlog
from langchain_core.messages import BaseMessage, ToolMessage

from app.agent.commits import Commits
from app.agent.confirmation import Claims, Confirmations
from app.agent.events import ToolFinished
from app.agent.fillers import Fillers
from app.agent.history import TurnMessages
from app.agent.interrupted import CallLeft, interrupted_turn
from app.agent.progress import Progress
from app.agent.stream import finished_event
from app.core.metrics import TOOL_COMMITS
from app.memory.interface import Conversation
from app.tools.adapter import ToolOutcome
from app.tools.conduct import Held
from app.tools.definition import ToolDefinition

T = TypeVar("T")
_log = structlog.get_logger(__name__)


@dataclass(eq=False, slots=True)
class _Call:
    """A call with consequences; ``task``: None for one that ends with its turn."""

    tool: ToolDefinition
    call_id: str
    begun: Callable[[], bool]
    task: asyncio.Task[Any] | None = None
    message: Any = None

    def left(self) -> CallLeft:
        if self.message is not None:
            return CallLeft(self.call_id, "done", self.message)
        return CallLeft(self.call_id, "open" if self.begun() else "not_begun")

    @property
    def goes_on(self) -> bool:
        return self.task is not None and not self.task.done() and not self.task.cancelling() and self.begun()


class TurnConduct:
    """Of one turn.

    Args:
        conversation: None: no memory.
    """

    def __init__(self, commits: Commits, claims: Claims, conversation: str | None, progress: Progress) -> None:
        self._commits = commits
        self._conversation = conversation
        self._progress = progress
        self._confirmations = Confirmations(conversation, claims)
        self._fillers = Fillers()
        self._calls: list[_Call] = []
        self._provider = ""
        self._said: Sequence[BaseMessage] = ()
        self._answered = False

    def recalled(self, earlier: Conversation[TurnMessages]) -> None:
        """The turns before this one are known."""
        self._confirmations.recalled(earlier)

    def asks(self, provider: str, said: Sequence[BaseMessage]) -> None:
        """A model is asked; ``said`` fills with what it and its tools add."""
        self._provider, self._said = provider, said

    # -- what tools ask: see app.tools.conduct

    def admit(self, tool: ToolDefinition, arguments: Mapping[str, Any]) -> Held | None:
        """See :class:`app.tools.conduct.Conduct`."""
        return self._confirmations.admit(tool, arguments)

    def filler(self, tool: ToolDefinition, call_id: str) -> AbstractContextManager[None]:
        """See :class:`app.tools.conduct.Conduct`; within a node of the graph only."""
        return self._fillers.watch(tool, call_id)

    async def carry_out(
        self, tool: ToolDefinition, call_id: str, work: Callable[[], Coroutine[Any, Any, T]], begun: Callable[[], bool]
    ) -> T:
        """See :class:`app.tools.conduct.Conduct`. Raises :class:`~app.agent.commits.TooManyCommits` too."""
        call = _Call(tool, call_id, begun)
        if not tool.behaviour.commit_on_interrupt:
            self._calls.append(call)
            call.message = result = await work()
            return result

        async def noted() -> T:
            call.message = result = await work()
            return result

        call.task = task = self._commits.start(noted(), tool.name)
        self._calls.append(call)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if not begun():  # nothing is on its way, and the turn is discarded: it never happens
                task.cancel()
            raise

    # -- how the turn ends

    @property
    def fingerprints(self) -> dict[str, tuple[str, ...]]:
        """What the turn's record keeps: calls about which the caller is asked, and those that a yes was used for."""
        return {"asked": tuple(self._confirmations.asked), "confirmed": tuple(self._confirmations.used)}

    def answered(self) -> None:
        """The turn is being remembered as a whole one: there is nothing left to do."""
        self._answered = True

    def close(self, text: str) -> None:
        """The turn is over. Returns at once, also while it is being cancelled.

        Args:
            text: The caller's words.

        Where it was not answered, and a call with consequences was under way in it, it is remembered as an interrupted
        one as soon as that call is over, and its history waits for that too.
        """
        interrupted = not self._answered and any(call.begun() or call.message is not None for call in self._calls)
        if interrupted:
            self._leave(text)
        self._confirmations.close(remembered=self._answered or interrupted)

    def _leave(self, text: str) -> None:
        going_on = [call for call in self._calls if call.goes_on]
        for call in going_on:
            self._finish_later(call)
        said, provider = tuple(self._said), self._provider
        told = {message.tool_call_id for message in said if isinstance(message, ToolMessage)}
        for call in self._calls:  # over, in the very moment of the interruption
            if call.message is not None and call.call_id not in told:
                self._progress.expect()
                self._progress.finished_late(_event(call))
        self._commits.leave(
            self._conversation,
            [call.task for call in going_on if call.task is not None],
            lambda: interrupted_turn(
                text, said, [call.left() for call in self._calls], provider, self._confirmations.used
            ),
        )

    def _finish_later(self, call: _Call) -> None:
        self._progress.expect()
        _log.info("tool.goes_on", tool=call.tool.name, detail="the turn was interrupted; this call is finished")

        def over(task: asyncio.Task[Any]) -> None:
            event = _event(call)
            if event is None:
                _log.error("tool.outcome_unknown", tool=call.tool.name, cancelled=task.cancelled())
            else:
                _log.info("tool.finished_late", tool=event.name, ok=event.ok, error=event.error)
            if not task.cancelled():  # which is counted where it is done
                TOOL_COMMITS.labels(outcome="unknown" if event is None else "ok" if event.ok else "failed").inc()
            self._progress.finished_late(event)

        assert call.task is not None
        call.task.add_done_callback(over)


def _event(call: _Call) -> ToolFinished | None:
    message = call.message
    if isinstance(message, ToolMessage) and isinstance(message.artifact, ToolOutcome):
        return finished_event(message, message.artifact)
    return None
