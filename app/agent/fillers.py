"""A sentence for the caller while a slow tool runs: said once for each call, and one at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from langgraph.config import get_stream_writer

from app.agent.events import ToolSlow
from app.tools.definition import ToolDefinition

# Seconds until a filler looks again whether another one is through, at least.
_AGAIN: Final = 0.25


class Fillers:
    """Of one turn. While a call runs whose sentence was said, the sentences of others wait; when theirs ends in the
    meantime they are never said."""

    def __init__(self) -> None:
        self._said_for: object | None = None  # the running call whose sentence was said last

    @contextmanager
    def watch(self, tool: ToolDefinition, call_id: str) -> Iterator[None]:
        """Around one call, within a node of the graph: the event goes through its stream, while the call runs.

        Nothing runs beside the call's own task: leaving the block, by cancellation too, takes the timer away.
        """
        loop, tell = asyncio.get_running_loop(), get_stream_writer()
        after, this = tool.behaviour.filler_after, object()

        timer: asyncio.TimerHandle

        def due() -> None:
            nonlocal timer
            if self._said_for is not None:
                timer = loop.call_later(max(after, _AGAIN), due)
                return
            self._said_for = this
            tell(ToolSlow(call_id, tool.name, tool.behaviour.filler))

        timer = loop.call_later(after, due)
        try:
            yield
        finally:
            timer.cancel()
            if self._said_for is this:
                self._said_for = None
