"""Sentences for slow tools: while the tool runs, once for each call, one at a time, and never after the turn."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import replace
from typing import Any

from app.agent.events import AgentEvent, Done, TextDelta, ToolFinished, ToolSlow, ToolStarted
from app.agent.turn import TurnRequest
from app.tools.definition import Behaviour, ToolDefinition, ToolResult
from tests.agent.conftest import MakeBench
from tests.agent.scripted import Bench, call, run, turn
from tests.tools.conftest import tool


def slow(name: str, seconds: float, *, after: float = 0.05, filler: str = "One moment.") -> ToolDefinition:
    made = replace(tool("http://127.0.0.1:9/x"), id=hash(name) % 1000, name=name, description=str(seconds))
    return replace(made, behaviour=Behaviour(filler=filler, filler_after=after))


class Takes:
    """Takes as long as the tool's description says."""

    async def run(self, definition: ToolDefinition, *_: Any, **__: Any) -> ToolResult:
        await asyncio.sleep(float(definition.description))
        return ToolResult("done", 200, 0.0)


def agent(bench: MakeBench, *tools: ToolDefinition) -> Bench:
    calls = [call(each.name, {}, each.name, index) for index, each in enumerate(tools)]
    made = bench(calls, ["Here."], tools=tools)
    made.agent._graphs._executor = Takes()  # type: ignore[assignment]
    return made


async def timed(made: Bench, request: TurnRequest) -> list[tuple[AgentEvent, float]]:
    loop = asyncio.get_running_loop()
    began = loop.time()
    async with aclosing(made.agent.run(request)) as events:
        return [(event, loop.time() - began) async for event in events]


async def test_it_comes_while_the_tool_runs(bench: MakeBench) -> None:
    events = await timed(agent(bench, slow("a", 1.5)), turn())
    assert [type(each) for each, _ in events] == [ToolStarted, ToolSlow, ToolFinished, TextDelta, Done]
    assert events[1][0] == ToolSlow("a", "a", "One moment.")
    assert 0.04 < events[1][1] < 1.4
    assert events[2][1] > 1.4


async def test_a_quick_tool_and_one_without_a_sentence_say_nothing(bench: MakeBench) -> None:
    for definition in (slow("a", 0.01, after=0.2), slow("a", 0.1, filler="")):
        events, _ = await run(agent(bench, definition).agent, turn())
        assert not [each for each in events if isinstance(each, ToolSlow)]


async def test_several_slow_tools_say_one_sentence_at_a_time(bench: MakeBench) -> None:
    made = agent(bench, slow("a", 0.2), slow("b", 0.25), slow("c", 0.8))
    events = [each for each, _ in await timed(made, turn())]
    said = [each.name for each in events if isinstance(each, ToolSlow)]
    assert said == ["a", "c"]  # b was through before it could be said
    ends = {each.name: place for place, each in enumerate(events) if isinstance(each, ToolFinished)}
    assert [type(each) for each in events[: ends["a"]]] == [ToolStarted] * 3 + [ToolSlow]


async def test_the_timer_goes_with_the_turn(bench: MakeBench) -> None:
    made = agent(bench, slow("a", 5, after=0.2))
    seen: list[AgentEvent] = []

    async def read() -> None:
        async with aclosing(made.agent.run(turn())) as events:
            async for event in events:
                seen.append(event)

    running = asyncio.create_task(read())
    await asyncio.sleep(0.1)
    running.cancel()
    await asyncio.wait((running,))
    scheduled = getattr(asyncio.get_running_loop(), "_scheduled", [])
    assert not [each for each in scheduled if "Fillers" in repr(each) and not each.cancelled()]
    await asyncio.sleep(0.2)
    assert [type(each) for each in seen] == [ToolStarted]


async def test_it_goes_with_a_tool_that_is_finished_in_any_case(bench: MakeBench) -> None:
    definition = slow("a", 0.3)
    definition = replace(definition, behaviour=replace(definition.behaviour, commit_on_interrupt=True))
    events, _ = await run(agent(bench, definition).agent, turn())
    assert [type(each) for each in events] == [ToolStarted, ToolSlow, ToolFinished, TextDelta]
