"""Turns that nobody called for: they leave no trace among those of calls."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from app.agent import graph
from app.agent.events import ToolFinished, Usage
from app.agent.turn import Rehearsed
from app.agent.warm import Rewarming
from app.llm.errors import ProviderUnavailable
from app.prompts.prompt import Prompt
from app.tools.definition import CallContext, ToolDefinition, ToolResult
from tests.agent.conftest import MakeBench
from tests.agent.scripted import call, finish, run, turn
from tests.tools.conftest import tool

TOOL = tool("http://127.0.0.1:9/x", {"id": {"type": "string"}})


class Record:
    """Answers every call."""

    async def run(
        self, definition: ToolDefinition, arguments: Mapping[str, Any], context: CallContext, *, observer: Any = None
    ) -> ToolResult:
        return ToolResult(f"{definition.description} {arguments['id']}", 200, 0.0)


async def test_another_executor_answers_its_tools_and_only_its(bench: MakeBench) -> None:
    made = bench(*([[call("look_up", {"id": "A"})], ["Done."]] * 2), tools=(TOOL,))
    events, _ = await run(made.agent, turn(rehearsed=Rehearsed((TOOL,), Record())))
    assert [each.result for each in events if isinstance(each, ToolFinished)] == ["Looks something up. A"]
    events, _ = await run(made.agent, turn())
    assert [each.error for each in events if isinstance(each, ToolFinished)] == ["tool_unreachable"]


async def test_drafts_of_a_tool_with_the_same_key_share_no_graph_and_equal_ones_do(bench: MakeBench) -> None:
    made = bench(*([[call("look_up", {"id": "A"})], ["Done."]] * 3))
    one, other = (replace(TOOL, id=0, version=0, description=words) for words in ("One.", "Other."))
    results = []
    for draft in (one, other, replace(one)):
        events, _ = await run(made.agent, turn(rehearsed=Rehearsed((draft,), Record())))
        results += [each.result for each in events if isinstance(each, ToolFinished)]
    assert results == ["One. A", "Other. A", "One. A"]
    assert made.models.built == 2


async def test_without_tools_chosen_it_has_those_that_the_prompt_selects(bench: MakeBench) -> None:
    made = bench(["a"], ["b"], tools=(TOOL,))
    await run(made.agent, turn(rehearsed=Rehearsed()))
    assert [each.name for each in made.models.by_name["first"].bound["tools"]] == ["look_up"]
    made.models.by_name["first"].bound.clear()
    await run(made.agent, turn(rehearsed=Rehearsed(tools=())))
    assert "tools" not in made.models.by_name["first"].bound


async def test_its_failure_is_no_news_of_the_provider(bench: MakeBench) -> None:
    made = bench([ProviderUnavailable("down", provider="first")], [1.0])
    with pytest.raises(ProviderUnavailable):
        await run(made.agent, turn(rehearsed=Rehearsed()))
    with pytest.raises(Exception, match="deadline"):
        await run(made.agent, turn(seconds=0.05, rehearsed=Rehearsed()))
    assert made.models.failures == []


async def test_each_message_of_the_model_has_its_time_and_tokens(bench: MakeBench) -> None:
    made = bench(
        [0.05, call("look_up", {"id": "A"}), finish("tool_calls", tokens=7)],
        [0.1, "Done.", finish("stop", tokens=9)],
        tools=(TOOL,),
    )
    request = turn()
    _, done = await run(made.agent, request)
    first, second = done.model_steps
    assert (first.usage, second.usage) == (Usage(7, 1), Usage(9, 1))
    assert first.elapsed_ms >= 45
    assert second.elapsed_ms >= 95
    assert first.start_ms + first.elapsed_ms <= second.start_ms
    assert request.progress.steps == list(done.model_steps)


async def test_what_changed_is_compiled_before_a_call_needs_it(bench: MakeBench) -> None:
    made = bench(["a"])
    prompts = [Prompt(1, "p", 1, "x"), Prompt(2, "q", 1, "y", temperature=0.5)]
    rewarming = Rewarming(lambda: made.agent.warm_prompts(prompts))
    running = asyncio.create_task(rewarming.run())
    try:
        await asyncio.sleep(0.01)
        assert made.models.built == 0
        rewarming.changed()
        async with asyncio.timeout(2):
            while made.models.built < 2:
                await asyncio.sleep(0.01)
        await run(made.agent, turn(content="x"))
        assert made.models.built == 2
    finally:
        running.cancel()
        await asyncio.wait((running,))


async def test_a_warming_that_fails_does_not_end_the_next_ones() -> None:
    tries = []

    async def fails() -> None:
        tries.append(1)
        raise RuntimeError("no")

    rewarming = Rewarming(fails)
    running = asyncio.create_task(rewarming.run())
    for count in (1, 2):
        rewarming.changed()
        async with asyncio.timeout(2):
            while len(tries) < count:
                await asyncio.sleep(0)
    running.cancel()
    await asyncio.wait((running,))


async def test_hundreds_of_tools_are_made_ready_without_holding_up_the_calls(bench: MakeBench) -> None:
    made = bench(["a"])
    parameters = {"type": "object", "properties": {f"p{number}": {"type": "string"} for number in range(10)}}
    tools = tuple(replace(TOOL, id=number, name=f"t{number}", parameters=parameters) for number in range(1, 400))
    compiling: list[bool] = []
    build = graph.build_graph

    def watched(*arguments: Any) -> Any:
        compiling.append(threading.current_thread() is threading.main_thread())
        return build(*arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(graph, "build_graph", watched)
        await run(made.agent, turn(rehearsed=Rehearsed(tools)))
    assert compiling == [False]
