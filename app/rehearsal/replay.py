"""Stored conversations once more: what their callers said, turn by turn, to another prompt, model or set of tools."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from app.core.errors import GatewayError
from app.history.record import ToolCallRecord
from app.history.records import TurnDetail
from app.history.redaction import MASK
from app.history.store import HistoryStore
from app.prompts.prompt import Prompt
from app.rehearsal.choice import PromptChoice, ToolChoice
from app.rehearsal.difference import differences, facts_now, facts_then
from app.rehearsal.errors import NothingToReplay, TextsNotKept
from app.rehearsal.events import Finished
from app.rehearsal.recorded import NOT_RECORDED, RecordedTools
from app.rehearsal.replay_events import (
    ConversationFailed,
    ConversationReplayed,
    ReplayDone,
    ReplayEvent,
    ReplayStarted,
    Sums,
    TurnReplayed,
)
from app.rehearsal.stage import Scene, Stage
from app.tools.definition import ToolDefinition

# Conversations of one replay, how many of them run at a time, and turns of each.
MOST_CONVERSATIONS: Final = 20
AT_A_TIME: Final = 3
MOST_TURNS: Final = 50
# Events that wait for a reader who is slow; then the replay waits.
_WAITING: Final = 16
# Seconds between two looks whether the calls leave room.
_LOOK_EVERY: Final = 0.5

ToolsMode = Literal["recorded", "live", "off"]
Cast = tuple[Prompt, tuple[ToolDefinition, ...]]


@dataclass(frozen=True, slots=True)
class ReplayPlan:
    """What is replayed, and with what.

    Attributes:
        conversations: Ids in the history; at most :data:`MOST_CONVERSATIONS`.
        prompt: None: of each turn the prompt that it had then, as it is published now.
        tools_mode: ``recorded``: tools answer from the record; ``live``: they are really called; ``off``: none.
        masked: Replay texts of which HISTORY_REDACT took something out, too.
        timeout: Seconds for each turn; None: the prompt's, then the installation's.
    """

    conversations: tuple[int, ...]
    prompt: PromptChoice | None = None
    model: str | None = None
    tools: ToolChoice = field(default_factory=ToolChoice)
    tools_mode: ToolsMode = "recorded"
    masked: bool = False
    timeout: float | None = None


@dataclass(frozen=True, slots=True)
class _Stored:
    """A conversation to be replayed; ``left_out``: turns that are not."""

    id: int
    turns: list[TurnDetail]
    left_out: int


class Replay:
    """One replay.

    Args:
        forget: Drops a conversation from the memory.
        calls_full: Whether the calls need all there is; the next turn then waits.
        cast: The prompt and the tools of a turn whose prompt had this name.
    """

    def __init__(
        self,
        stage: Stage,
        history: HistoryStore,
        forget: Callable[[str], Awaitable[None]],
        calls_full: Callable[[], bool],
        cast: Callable[[str], Awaitable[Cast]],
        plan: ReplayPlan,
    ) -> None:
        self._stage = stage
        self._history = history
        self._forget = forget
        self._calls_full = calls_full
        self._cast = cast
        self._plan = plan
        self._name = secrets.token_hex(8)

    async def run(self) -> AsyncGenerator[ReplayEvent, None]:
        """The events: :class:`ReplayStarted`, then as they come, :class:`ReplayDone` last.

        Raises:
            ConversationNotFound, NothingToReplay, PromptNotFound: before the first event, where no conversation can be
                replayed; otherwise those that cannot are :class:`ConversationFailed`.
        """
        stored, failed = await self._load()
        if not stored:
            raise failed[0].error
        yield ReplayStarted({each.id: len(each.turns) for each in stored}, {each.id: each.left_out for each in stored})
        for failure in failed:
            yield failure
        rows: list[ConversationReplayed] = []
        events: asyncio.Queue[ReplayEvent | None] = asyncio.Queue(_WAITING)
        work = asyncio.create_task(self._work(stored, events), name="replay")
        try:
            while (event := await events.get()) is not None:
                if isinstance(event, ConversationReplayed):
                    rows.append(event)
                yield event
            await work
        finally:
            work.cancel()
            await asyncio.wait((work,))
        yield ReplayDone(
            conversations=len(rows),
            failed=len(self._plan.conversations) - len(rows),
            turns=sum(row.turns for row in rows),
            different=sum(row.different for row in rows),
            unrecorded=sum(row.unrecorded for row in rows),
            original=_sum([row.original for row in rows]),
            replayed=_sum([row.replayed for row in rows]),
        )

    async def _load(self) -> tuple[list[_Stored], list[ConversationFailed]]:
        stored, failed = [], []
        for conversation_id in self._plan.conversations:
            try:
                _, page = await self._history.conversation(conversation_id, limit=MOST_TURNS)
                turns = spoken(conversation_id, page.items, masked=self._plan.masked)
                for name in {turn.summary.prompt_name for turn in turns}:
                    await self._cast(name)
                stored.append(_Stored(conversation_id, turns, page.total - len(turns)))
            except GatewayError as error:
                failed.append(ConversationFailed(conversation_id, error))
        return stored, failed

    async def _work(self, stored: Sequence[_Stored], events: asyncio.Queue[ReplayEvent | None]) -> None:
        waiting = list(reversed(stored))

        async def worker() -> None:
            while waiting:
                await self._replay(waiting.pop(), events)

        read = True
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(min(AT_A_TIME, len(waiting))):
                    group.create_task(worker())
        except asyncio.CancelledError:
            read = False  # and there may be no room for another event
            raise
        finally:
            if read:
                await events.put(None)

    async def _replay(self, stored: _Stored, events: asyncio.Queue[ReplayEvent | None]) -> None:
        key = f"replay:{self._name}:{stored.id}"
        records = [tuple(ToolCallRecord(**tool) for tool in turn.tools) for turn in stored.turns]
        recorded = RecordedTools(records)
        done: list[TurnReplayed] = []
        try:
            for index, turn in enumerate(stored.turns):
                while self._calls_full():  # noqa: ASYNC110 - how many calls there are is no event
                    await asyncio.sleep(_LOOK_EVERY)
                recorded.at(index)
                prompt, tools = await self._cast(turn.summary.prompt_name)
                scene = Scene(
                    prompt=prompt,
                    text=turn.summary.caller_text,
                    tools=tools,
                    conversation=key,
                    model=self._plan.model,
                    variables=turn.variables,
                    timeout=self._plan.timeout,
                    executor=recorded if self._plan.tools_mode == "recorded" else None,
                )
                original, replayed = facts_then(turn, records[index]), facts_now(await self._play(scene))
                # In a thread: long answers of the same few words take tens of milliseconds to compare.
                found = await asyncio.to_thread(differences, original, replayed)
                done.append(
                    TurnReplayed(
                        stored.id,
                        index + 1,
                        turn.summary.turn_id,
                        turn.summary.caller_text,
                        original,
                        replayed,
                        found,
                    )
                )
                await events.put(done[-1])
        except GatewayError as error:  # the prompt was deleted meanwhile, or the database is gone
            await events.put(ConversationFailed(stored.id, error))
            return
        finally:
            await self._forget(key)
        await events.put(_row(stored.id, done))

    async def _play(self, scene: Scene) -> Finished:
        async with aclosing(self._stage.play(scene)) as events:
            async for event in events:
                if isinstance(event, Finished):
                    return event
        raise AssertionError("a scene ends with Finished")


def spoken(conversation_id: int, turns: Sequence[TurnDetail], *, masked: bool) -> list[TurnDetail]:
    """The turns in which the caller said something.

    Raises:
        TextsNotKept: what was said is not in the history, or masked and ``masked`` is False.
        NothingToReplay: nobody said anything.
    """
    if any(turn.summary.status == "OK" and not turn.summary.caller_text for turn in turns):
        raise TextsNotKept(
            f"Conversation {conversation_id} cannot be replayed: its texts were not kept, since HISTORY_TEXTS was off."
        )
    said = [turn for turn in turns if turn.summary.caller_text.strip()]
    if not said:
        raise NothingToReplay(
            f"Conversation {conversation_id} cannot be replayed: it has no turn in which the caller said something."
        )
    if not masked and any(MASK in turn.summary.caller_text for turn in said):
        raise TextsNotKept(
            f"Conversation {conversation_id} cannot be replayed as it was: HISTORY_REDACT masked parts of what the "
            "caller said. You can have it replayed with the masks in it."
        )
    return said


def _row(conversation_id: int, turns: Sequence[TurnReplayed]) -> ConversationReplayed:
    return ConversationReplayed(
        conversation=conversation_id,
        turns=len(turns),
        different=sum(turn.differs for turn in turns),
        unrecorded=sum(tool.error == NOT_RECORDED for turn in turns for tool in turn.replayed.tools),
        original=_sum([turn.original for turn in turns]),
        replayed=_sum([turn.replayed for turn in turns]),
    )


def _sum(parts: Sequence[Any]) -> Sums:
    """Of :class:`TurnFacts` or of :class:`Sums`."""
    costs = [part.cost_micros for part in parts if part.cost_micros is not None]
    return Sums(
        ok=sum(part.ok if isinstance(part, Sums) else part.status == "OK" for part in parts),
        input_tokens=sum(part.input_tokens for part in parts),
        output_tokens=sum(part.output_tokens for part in parts),
        cost_micros=sum(costs) if costs else None,
        latency_ms=sum(part.latency_ms for part in parts),
    )
