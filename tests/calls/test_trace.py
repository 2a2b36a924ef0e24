"""Every turn that ends leaves a record, in whatever way it ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from datetime import datetime
from typing import Any

from app.agent.events import AgentEvent, Done, Timing, ToolFinished, ToolSlow, ToolStarted, Usage
from app.agent.turn import TurnRequest
from app.ari.errors import AriRequestFailed
from app.ari.events import CallerId
from app.calls.supervisor import CallSupervisor
from app.history.record import ToolCallRecord, TurnRecord
from app.tools.exchange import ShownRequest
from tests.calls.test_supervisor import House, OnePrompt, Script, answer
from tests.virtual_time import virtual_time


class Listening:
    """A journal that keeps what it is told."""

    def __init__(self) -> None:
        self.started: list[str] = []
        self.tools: list[ToolCallRecord] = []
        self.ended: list[TurnRecord] = []

    def turn_started(
        self, turn_id: str, *, conversation: str, caller_number: str, prompt: str, caller_text: str, at: datetime
    ) -> None:
        self.started.append(turn_id)

    def tool_finished(self, turn_id: str, tool: ToolCallRecord) -> None:
        self.tools.append(tool)

    def turn_ended(self, record: TurnRecord) -> None:
        self.ended.append(record)


def house(script: Script, **settings: Any) -> tuple[House, Listening]:
    made, told = House(script, **settings), Listening()
    made.supervisor = CallSupervisor(made.settings, made.agent, OnePrompt(), told)
    made.ari = type(made.ari)(made.supervisor)
    return made, told


@virtual_time
async def test_an_answer_is_recorded_with_its_tools_times_and_variables() -> None:
    async def script(turn: TurnRequest) -> AsyncGenerator[AgentEvent, None]:
        yield ToolStarted("1", "weather", {"city": "Ulm"})
        await asyncio.sleep(0.2)
        sent = ShownRequest("GET", "https://weather.test/Ulm", {"Authorization": "***"}, None)
        yield ToolFinished(
            "1", "weather", ok=True, result="rain", error=None, elapsed_ms=150.0, request=sent, http_status=200
        )
        timings = (Timing("memory", "load", 0.0, 1.0), Timing("model", "test:model", 1.0, 199.0))
        yield Done("Rain.", "test:model", 2, Usage(30, 4), 1, first_text_ms=190.0, timings=timings)

    made, told = house(script)
    async with made.open() as opened:
        caller = CallerId(name="Ada", number="100")
        opened.ari.enter("1.1", "UNIQUEID=abc", variables={"USER_INPUT": "Weather?"}, caller=caller)
        variables = await opened.back("1.1")
        await asyncio.sleep(0.1)
    (record,) = told.ended
    assert told.started == [record.turn_id]
    assert (record.status, record.number, record.model) == ("OK", 2, "test:model")
    assert (record.caller_text, record.answer_text, record.caller_number) == ("Weather?", "Rain.", "100")
    assert (record.prompt_name, record.prompt_version, record.shown_conversation) == ("main", 3, "abc")
    assert record.conversation == "02:00:00:00:00:01:abc"
    assert (record.input_tokens, record.output_tokens) == (30, 4)
    assert record.returned["AI_RESPONSE"] == variables["AI_RESPONSE"]
    assert told.tools == list(record.tools)
    assert record.tools[0].arguments == {"city": "Ulm"}
    assert record.tools[0].http_status == 200
    assert record.tools[0].request == {
        "method": "GET",
        "url": "https://weather.test/Ulm",
        "headers": {"Authorization": "***"},
        "body": None,
    }
    spans = {span.part: span for span in record.spans}
    assert set(spans) == {"ari", "memory", "model", "first_text", "tool", "delivery"}
    assert 40 <= spans["tool"].start_ms <= 60
    assert spans["tool"].elapsed_ms == 150.0


@virtual_time
async def test_a_caller_who_hangs_up_is_recorded_as_abandoned() -> None:
    made, told = house(answer("late", delay=5))
    async with made.open() as opened:
        opened.ari.enter("1.1", "USER_INPUT=hello")
        await asyncio.sleep(1)
        opened.ari.hang_up("1.1")
        await asyncio.sleep(1)
    assert [(each.status, each.caller_text, dict(each.returned)) for each in told.ended] == [("ABANDONED", "hello", {})]
    assert 1000 <= told.ended[0].elapsed_ms <= 1200


@virtual_time
async def test_turns_that_fail_are_recorded_with_their_words() -> None:
    made, told = house(answer("late", delay=60))
    async with made.open() as opened:
        opened.ari.enter("1.1", "USER_INPUT=x", "AI_TIMEOUT=2")
        opened.ari.enter("2.1", "USER_INPUT= ")
        opened.ari.enter("3.1", "USER_INPUT=x", "AI_PROMPT_NAME=nobody")
        await opened.back("1.1")
        await asyncio.sleep(0.1)
    assert {(each.status, each.error) for each in told.ended} == {
        ("TIMEOUT", "turn_timeout"),
        ("NO_INPUT", "no_input"),
        ("NO_PROMPT", "prompt_not_found"),
    }
    assert all(each.answer_text and each.returned for each in told.ended)


@virtual_time
async def test_a_refused_call_is_recorded_as_busy_and_one_at_the_stop_as_released() -> None:
    made, told = house(answer("late", delay=60), ai_max_calls=1)
    async with made.open() as opened:
        opened.ari.enter("1.1", "USER_INPUT=x", "AI_TIMEOUT=50")
        opened.ari.enter("2.1", "USER_INPUT=y")
        await opened.back("2.1")
        await opened.supervisor.drain(0.1)
    assert {(each.channel_id, each.status) for each in told.ended} == {("2.1", "BUSY"), ("1.1", "RELEASED")}


@virtual_time
async def test_a_turn_that_ends_with_the_process_is_recorded_too() -> None:
    made, told = house(answer("late", delay=60))
    async with made.open() as opened:
        opened.ari.enter("1.1", "USER_INPUT=x")
        await asyncio.sleep(0.1)
    assert [(each.status, each.error) for each in told.ended] == [("UNDELIVERED", "turn_lost")]


@virtual_time
async def test_a_turn_that_ran_out_of_time_tells_where_it_went() -> None:
    async def script(turn: TurnRequest) -> AsyncGenerator[AgentEvent, None]:
        turn.progress.begin()
        with turn.progress.measure("memory", "load"):
            await asyncio.sleep(0.05)
        turn.progress.model = "test:slow"
        with turn.progress.measure("model", "test:slow"):
            try:
                await asyncio.sleep(60)
            finally:
                turn.progress.usage = Usage(12, 3)
        yield Done("late", "test:slow", 1, Usage(), 1)

    made, told = house(script)
    async with made.open() as opened:
        opened.ari.enter("1.1", "USER_INPUT=x", "AI_TIMEOUT=8")
        opened.ari.enter("2.1", "USER_INPUT=x")
        await asyncio.sleep(3)
        opened.ari.hang_up("2.1")
        await opened.back("1.1")
        await asyncio.sleep(0.1)
    left, late = told.ended
    assert [(each.status, each.model, each.input_tokens) for each in told.ended] == [
        ("ABANDONED", "test:slow", 12),
        ("TIMEOUT", "test:slow", 12),
    ]
    for record, expected in ((late, 7950), (left, 2950)):
        (waited,) = (span for span in record.spans if span.part == "model")
        assert abs(waited.elapsed_ms - expected) < 20


@virtual_time
async def test_the_record_has_the_variables_that_asterisk_took() -> None:
    async def script(turn: TurnRequest) -> AsyncGenerator[AgentEvent, None]:
        yield Done("It is open.", "test:model", 4, Usage(5, 2), 1)

    for times in (1, 2):
        made, told = house(script)
        async with made.open() as opened:
            refusal = AriRequestFailed("too large", status=413, method="POST", uri="channels/1.1/variables")
            opened.ari.fail(refusal, ending="variables", times=times)
            opened.ari.enter("1.1", "USER_INPUT=x", variables={"AI_RESPONSE": "of the turn before"})
            variables = await opened.back("1.1")
            await asyncio.sleep(0.1)
        (record,) = told.ended
        assert (record.status, record.error, record.number, record.model) == (
            "ERROR",
            "ari_request_failed",
            4,
            "test:model",
        )
        assert "too large" in record.detail
        if times == 1:
            assert record.answer_text == record.returned["AI_RESPONSE"] == variables["AI_RESPONSE"]
            assert record.returned["AI_STATUS"] == "ERROR"
        else:
            assert record.returned == {}


@virtual_time
async def test_a_released_orphan_has_a_record() -> None:
    made, told = house(answer("Yes."))
    async with made.open() as opened:
        opened.ari.enter("1.1", silently=True)
        variables = await opened.back("1.1")
        await asyncio.sleep(0.1)
    (record,) = told.ended
    assert (record.status, record.error, record.channel_id) == ("RELEASED", "turn_lost", "1.1")
    assert record.conversation == "02:00:00:00:00:01:1.1"
    assert record.returned["AI_RESPONSE"] == variables["AI_RESPONSE"] == record.answer_text
    assert "restarted" in record.detail


@virtual_time
async def test_a_caller_who_hangs_up_leaves_the_tools_that_were_under_way() -> None:
    late: list[TurnRequest] = []

    async def script(turn: TurnRequest) -> AsyncGenerator[AgentEvent, None]:
        yield ToolStarted("1", "weather", {"city": "Ulm"})
        yield ToolStarted("2", "order", {"item": "chair"})
        await asyncio.sleep(0.1)
        yield ToolSlow("2", "order", "One moment.")
        try:
            await asyncio.sleep(9)
        finally:
            turn.progress.expect()  # as the agent does for a tool that is finished in any case
            late.append(turn)

    made, told = house(script)
    async with made.open() as opened:
        opened.ari.enter("1.1", "UNIQUEID=abc", variables={"USER_INPUT": "A chair"})
        await asyncio.sleep(0.5)
        opened.ari.hang_up("1.1")
        await asyncio.sleep(1)
        assert told.ended == []  # the turn belongs to history when its last tool is over
        event = ToolFinished("2", "order", ok=True, result="7", error=None, elapsed_ms=1_200.0)
        late[0].progress.finished_late(event)
    (record,) = told.ended
    found = {each.name: each for each in record.tools}
    assert (record.status, len(found)) == ("ABANDONED", 2)
    order, weather = found["order"], found["weather"]
    assert (order.ok, order.result, order.arguments, order.filler) == (True, "7", {"item": "chair"}, "One moment.")
    assert (weather.ok, weather.error, weather.arguments) == (False, "tool_interrupted", {"city": "Ulm"})
    assert 450 < weather.elapsed_ms < 700
    assert [span.part for span in record.spans if span.name == "order"].count("filler") == 1


@virtual_time
async def test_a_call_that_waits_for_the_callers_yes_is_a_part_of_its_own() -> None:
    async def script(turn: TurnRequest) -> AsyncGenerator[AgentEvent, None]:
        yield ToolStarted("1", "order", {"item": "chair"})
        yield ToolFinished("1", "order", ok=True, result="ask", error="confirmation_needed", elapsed_ms=0.0)
        yield Done("Shall I?", "test:model", 1, Usage(), 1)

    made, told = house(script)
    async with made.open() as opened:
        opened.ari.enter("1.1", "UNIQUEID=abc", variables={"USER_INPUT": "A chair"})
        await opened.back("1.1")
        await asyncio.sleep(0.1)
    (record,) = told.ended
    assert (record.tools[0].ok, record.tools[0].error) == (True, "confirmation_needed")
    assert ("confirmation", "order") in [(span.part, span.name) for span in record.spans]
