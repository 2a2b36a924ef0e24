"""Replaying stored conversations, on the real agent and the real history."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.history.errors import ConversationNotFound
from app.history.record import ToolCallRecord, TurnRecord
from app.history.recorder import Recorder
from app.history.redaction import Redaction
from app.prompts.draft import PromptDraft
from app.prompts.errors import PromptNotFound
from app.rehearsal.choice import Draft
from app.rehearsal.errors import NothingToReplay, TextsNotKept
from app.rehearsal.replay import ReplayPlan
from app.rehearsal.replay_events import (
    ConversationFailed,
    ConversationReplayed,
    ReplayDone,
    ReplayEvent,
    ReplayStarted,
    TurnReplayed,
)
from app.tools.definition import Behaviour
from lab.providers.answer import Answer, StubToolCall
from lab.providers.server import StubProviders
from tests.rehearsal.conftest import House, MakeHouse
from tests.tools.conftest import raw_server, response, tool

AT = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
DEFAULTS: dict[str, Any] = {
    "pbx": "pbx",
    "channel_id": "c",
    "caller_number": "100",
    "caller_name": "",
    "called_number": "",
    "prompt_id": 1,
    "prompt_name": "reception",
    "prompt_version": 1,
    "status": "OK",
    "error": "",
    "detail": "",
    "model": "openai:old",
    "number": 1,
    "answer_text": "Good day.",
    "action": "",
    "action_data": "",
    "latency_ms": 500,
    "elapsed_ms": 510,
    "first_text_ms": 200.0,
    "input_tokens": 40,
    "output_tokens": 5,
}


def called(name: str, arguments: dict[str, Any], result: str, *, error: str | None = None) -> ToolCallRecord:
    return ToolCallRecord(name, arguments, result, error is None, error, 1.0, 2.0)


async def keep(house: House, key: str, *turns: dict[str, Any], redaction: Redaction | None = None) -> int:
    """A conversation in the history; returns its id."""
    recorder = Recorder(house.database)
    await recorder.start()
    for number, turn in enumerate(turns, 1):
        fields = DEFAULTS | {
            "turn_id": f"{key}-{number}",
            "conversation": f"pbx:{key}",
            "shown_conversation": key,
            "started_at": AT + timedelta(seconds=number),
        }
        record = TurnRecord(**(fields | turn))
        recorder.record(redaction.turn(record) if redaction else record)
    await recorder.aclose()
    page = await house.rehearsal._history.conversations()
    return next(each.id for each in page.items if each.key == key)


async def replay(house: House, *conversations: int, **plan: Any) -> list[ReplayEvent]:
    return [event async for event in house.rehearsal.replay(ReplayPlan(conversations, **plan))]


def turns_of(events: list[ReplayEvent]) -> list[TurnReplayed]:
    return [event for event in events if isinstance(event, TurnReplayed)]


async def test_the_callers_words_go_to_a_draft_turn_by_turn_with_memory_and_variables(
    house: House, stub: StubProviders
) -> None:
    await house.prompt()
    number = await keep(
        house, "k", {"caller_text": "I am Ann", "variables": {"who": "Ann"}}, {"caller_text": "Who am I?"}
    )
    stub.script([Answer(text="Good day."), Answer(text="You are Ann, I believe.")])
    events = await replay(house, number, prompt=Draft(PromptDraft("new", "Serve {{ who }}.")))
    started, first, second, row, done = events
    assert started == ReplayStarted({number: 2}, {number: 0})
    assert isinstance(first, TurnReplayed)
    assert isinstance(second, TurnReplayed)
    assert (first.differs, first.differences) == (False, ())
    assert first.replayed.prompt_version == "new:draft"
    assert (first.original.prompt_version, first.original.latency_ms) == ("reception:1", 500)
    assert [each.what for each in second.differences] == ["answer"]
    assert second.differs is False
    assert stub.requests[0].body["messages"][0]["content"] == "Serve Ann."
    assert "I am Ann" in str(stub.requests[1].body)
    assert isinstance(row, ConversationReplayed)
    assert (row.turns, row.different, row.replayed.ok, row.original.input_tokens) == (2, 0, 2, 80)
    assert isinstance(done, ReplayDone)
    assert (done.conversations, done.failed, done.turns) == (1, 0, 2)
    assert house.memory.status().conversations == 0


async def test_recorded_results_answer_equal_calls_and_nothing_really_happens(
    house: House, stub: StubProviders
) -> None:
    await house.prompt()
    async with raw_server(response(b"{}")) as server:
        definition = tool(server.url, {"id": {"type": "string"}, "n": {"type": "integer"}})
        await house.tools.create(definition, by="t")
        recorded = called("look_up", {"id": "A1", "n": 1}, '{"state":"sent"}')
        broken = called("look_up", {"id": "B2"}, "look_up did not answer.", error="tool_timeout")
        number = await keep(house, "k", {"caller_text": "Where are they?", "tools": (recorded, broken)})
        calls = (
            StubToolCall("look_up", {"n": 1.0, "id": "A1"}),
            StubToolCall("look_up", {"id": "B2"}),
            StubToolCall("look_up", {"id": "C3"}),
        )
        stub.script([Answer(tool_calls=calls), Answer(text="Good day.")])
        (turn,) = turns_of(await replay(house, number))
        assert server.requests == []
    found = {tool.arguments["id"]: (tool.ok, tool.error, tool.result) for tool in turn.replayed.tools}
    assert found["A1"] == (True, None, '{"state":"sent"}')
    assert found["B2"] == (False, "tool_timeout", "look_up did not answer.")
    assert found["C3"][:2] == (False, "tool_not_recorded")
    assert "no recorded result" in found["C3"][2]
    assert [each.what for each in turn.differences] == ["tools", "unrecorded"]
    assert turn.differs


async def test_tools_can_be_really_called_or_left_out(house: House, stub: StubProviders) -> None:
    await house.prompt()
    async with raw_server(response(b'{"live": true}')) as server:
        await house.tools.create(tool(server.url, {"id": {"type": "string"}}), by="t")
        number = await keep(house, "k", {"caller_text": "Go"})
        stub.script([Answer(tool_calls=(StubToolCall("look_up", {"id": "A"}),)), Answer(text="Good day.")])
        (turn,) = turns_of(await replay(house, number, tools_mode="live"))
        assert turn.replayed.tools[0].result == '{"live":true}'
        assert len(server.requests) == 1
    await replay(house, number, tools_mode="off")
    assert "tools" not in stub.requests[-1].body


async def test_what_differs_is_said_with_the_weightiest_first(house: House, stub: StubProviders) -> None:
    await house.prompt(fallback="Later.")
    number = await keep(
        house,
        "k",
        {"caller_text": "Goodbye", "action": "hangup", "output": {"intent": "bye"}},
        {"caller_text": "Hello?", "status": "TIMEOUT", "answer_text": "Later."},
    )
    stub.script([Answer(text="Good day."), Answer(text="Good day.")])
    first, second = turns_of(await replay(house, number))
    assert [each.summary for each in first.differences] == [
        "the action was hangup, is none",
        'the field intent was "bye", is nothing',
    ]
    assert [each.what for each in second.differences] == ["status", "answer"]
    assert second.differences[0].summary == "AI_STATUS was TIMEOUT, is OK"


async def test_several_conversations_give_a_table_and_those_that_cannot_are_rows_of_their_own(
    house: House, stub: StubProviders
) -> None:
    await house.prompt()
    stub.default = Answer(text="Good day.")
    numbers = [await keep(house, f"k{n}", {"caller_text": "Hi"}, {"caller_text": "Ho"}) for n in range(4)]
    silent = await keep(house, "silent", {"caller_text": "", "status": "NO_INPUT"})
    events = await replay(house, *numbers, silent, 999)
    rows = {event.conversation: event for event in events if isinstance(event, ConversationReplayed)}
    assert set(rows) == set(numbers)
    failed = {event.conversation: event.error.code for event in events if isinstance(event, ConversationFailed)}
    assert failed == {silent: "nothing_to_replay", 999: "conversation_not_found"}
    done = events[-1]
    assert isinstance(done, ReplayDone)
    assert (done.conversations, done.failed, done.turns, done.original.latency_ms) == (4, 2, 8, 4000)


async def test_what_cannot_be_replayed_is_said_before_anything_begins(house: House) -> None:
    with pytest.raises(ConversationNotFound):
        await replay(house, 999)
    off = await keep(house, "off", {"caller_text": "Hi"}, redaction=Redaction(texts=False))
    with pytest.raises(TextsNotKept, match="HISTORY_TEXTS was off"):
        await replay(house, off)
    masked = await keep(house, "masked", {"caller_text": "I am 12345"}, redaction=Redaction(expressions=[r"\d+"]))
    with pytest.raises(TextsNotKept, match="HISTORY_REDACT"):
        await replay(house, masked)
    silent = await keep(house, "silent", {"caller_text": "", "status": "NO_INPUT"})
    with pytest.raises(NothingToReplay):
        await replay(house, silent)
    gone = await keep(house, "gone", {"caller_text": "Hi"})
    with pytest.raises(PromptNotFound):
        await replay(house, gone)


async def test_masked_texts_are_replayed_where_that_is_wanted(house: House, stub: StubProviders) -> None:
    await house.prompt()
    masked = await keep(house, "masked", {"caller_text": "I am 12345"}, redaction=Redaction(expressions=[r"\d+"]))
    (turn,) = turns_of(await replay(house, masked, masked=True))
    assert turn.caller_text == "I am ***"
    assert stub.requests[-1].body["messages"][-1]["content"] == "I am ***"


async def test_costs_are_compared_by_the_prices_of_the_models(open_house: MakeHouse) -> None:
    house: House = await open_house(history_prices={"demo:demo": {"input": 1.0, "output": 2.0}})
    await house.prompt()
    number = await keep(house, "k", {"caller_text": "Hi", "cost_micros": 70})
    events = await replay(house, number)
    (turn,) = turns_of(events)
    used = turn.replayed
    assert used.cost_micros == used.input_tokens + 2 * used.output_tokens > 0
    row = next(event for event in events if isinstance(event, ConversationReplayed))
    assert (row.original.cost_micros, row.replayed.cost_micros) == (70, used.cost_micros)


async def test_closing_it_cancels_all_its_turns(house: House, stub: StubProviders) -> None:
    await house.prompt()
    stub.default = Answer(fault="hang")
    numbers = [await keep(house, f"k{n}", {"caller_text": "Hi"}) for n in range(3)]
    async with aclosing(house.rehearsal.replay(ReplayPlan(tuple(numbers)))) as events:
        assert isinstance(await anext(events), ReplayStarted)
        waiting = asyncio.ensure_future(anext(events))
        while len(stub.requests) < 3:
            await asyncio.sleep(0.01)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
    await asyncio.wait_for(asyncio.gather(*(each.closed.wait() for each in stub.requests)), 2)
    assert house.memory.status().conversations == 0


async def test_of_a_caller_who_hung_up_no_status_is_made_up(house: House) -> None:
    await house.prompt()
    number = await keep(house, "k", {"caller_text": "Hi", "status": "ABANDONED", "answer_text": "", "model": ""})
    (turn,) = turns_of(await replay(house, number))
    assert turn.differences[0].summary == "the caller hung up before the answer; AI_STATUS would be OK"


async def test_a_replay_asks_as_calls_do_and_carries_nothing_out(house: House, stub: StubProviders) -> None:
    await house.prompt()
    async with raw_server(response(b"{}")) as server:
        definition = tool(server.url, {"id": {"type": "string"}}, method="POST")
        definition = replace(definition, behaviour=Behaviour(needs_confirmation=True))
        await house.tools.create(definition, by="t")
        asked = replace(called("look_up", {"id": "A1"}, "ask"), error="confirmation_needed")
        done = called("look_up", {"id": "A1"}, '"ordered"')
        number = await keep(
            house,
            "k",
            {"caller_text": "A chair", "tools": (asked,)},
            {"caller_text": "Yes", "tools": (done,)},
            {"caller_text": "Another", "tools": (asked,)},
            {"caller_text": "No", "tools": ()},
        )
        wants, said = Answer(tool_calls=(StubToolCall("look_up", {"id": "A1"}),)), Answer(text="Good day.")
        stub.script([wants, said, wants, said, wants, said, said])
        found = turns_of(await replay(house, number))
        assert server.requests == []
    tools = [[(each.ok, each.error, each.result[:9]) for each in turn.replayed.tools] for turn in found]
    held = [(True, "confirmation_needed", "look_up w")]
    assert tools == [held, [(True, None, '"ordered"')], held, []]
    assert [turn.differs for turn in found] == [False] * 4


async def test_what_only_waited_for_a_yes_is_no_recorded_result(house: House, stub: StubProviders) -> None:
    await house.prompt()
    async with raw_server(response(b"{}")) as server:
        await house.tools.create(tool(server.url, {"id": {"type": "string"}}, method="POST"), by="t")
        asked = replace(called("look_up", {"id": "A1"}, "ask"), error="confirmation_needed")
        number = await keep(house, "k", {"caller_text": "A chair", "tools": (asked,)})
        stub.script([Answer(tool_calls=(StubToolCall("look_up", {"id": "A1"}),)), Answer(text="Good day.")])
        (turn,) = turns_of(await replay(house, number))
        assert server.requests == []
    assert [each.error for each in turn.replayed.tools] == ["tool_not_recorded"]
