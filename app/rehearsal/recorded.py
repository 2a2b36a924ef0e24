"""Tools that answer from the record of a call, so that a replay orders nothing twice. No I/O."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from app.history.record import INTERRUPTED, ToolCallRecord
from app.tools.conduct import CONFIRMATION_NEEDED
from app.tools.definition import CallContext, ToolDefinition, ToolResult
from app.tools.errors import ToolFailure

NOT_RECORDED = "tool_not_recorded"


class ToolNotRecorded(ToolFailure):
    """In the recorded conversation nobody called this tool with these arguments."""

    code = NOT_RECORDED


class RecordedFailure(ToolFailure):
    """The recorded call had failed; ``code`` is that of then."""


class RecordedTools:
    """A :class:`~app.tools.execution.RunsTools` for the turns of one conversation, in their order.

    A call with the same name and equal arguments gets the stored result; the order of arguments does not count.
    Results of the turn that is replayed come first, then those of the turns before it, the nearest first, then later
    ones. Of several results for equal calls each is used once, and the last one again.
    """

    def __init__(self, turns: Sequence[Sequence[ToolCallRecord]]) -> None:
        self._turns = [list(turn) for turn in turns]
        self._left: dict[str, list[ToolCallRecord]] = {}

    def at(self, number: int) -> None:
        """Turn ``number`` (from 0) begins."""
        order = [number, *reversed(range(number)), *range(number + 1, len(self._turns))]
        self._left = {}
        for each in order:
            for record in self._turns[each]:
                if record.action or record.error in (CONFIRMATION_NEEDED, INTERRUPTED):
                    continue  # nothing came of it; whether to ask is decided anew
                self._left.setdefault(_key(record.name, record.arguments), []).append(record)

    async def run(
        self, tool: ToolDefinition, arguments: Mapping[str, Any], context: CallContext, *, observer: Any = None
    ) -> ToolResult:
        """The stored result.

        Raises:
            ToolNotRecorded: there is none. The model is told so, and goes on.
            RecordedFailure: the call had failed.
        """
        found = self._left.get(_key(tool.name, arguments))
        if not found:
            raise ToolNotRecorded(
                f"{tool.name}: no call with these arguments was recorded",
                for_model=f"There is no recorded result for this call of {tool.name}. Go on without it.",
            )
        record = found.pop(0) if len(found) > 1 else found[0]
        if not record.ok:
            failure = RecordedFailure(f"{tool.name}: this call had failed", for_model=record.result)
            failure.code = record.error or failure.code
            raise failure
        return ToolResult(text=record.result, status=200, elapsed_ms=0.0)


def _key(name: str, arguments: Mapping[str, Any]) -> str:
    # 1 and 1.0 are one number in JSON, and models write either.
    return name.casefold() + json.dumps(_plain(arguments), sort_keys=True, default=str)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(name): _plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
