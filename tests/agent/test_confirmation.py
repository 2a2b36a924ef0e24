"""Tools that need the caller's yes: asked for in one turn, carried out in a later one, once."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from app.agent.agent import Agent
from app.agent.confirmation import fingerprint
from app.agent.events import AgentEvent, ToolFinished, ToolStarted
from app.agent.history import TurnCodec
from app.agent.turn import Rehearsed
from app.core.settings import Settings
from app.memory.in_process import InProcessMemory
from app.tools.definition import Behaviour, ToolDefinition
from app.tools.execution import ToolExecutor
from tests.agent.conftest import MakeBench
from tests.agent.scripted import Bench, FakeModels, FakeTools, call, run, scripted, turn
from tests.tools.conftest import RawServer, raw_server, response, tool

STRING = {"type": "string"}


def order(server: RawServer, **changes: Any) -> ToolDefinition:
    """Needs a yes; ``line`` is bound to the call, ``count`` has a default."""
    properties = {"item": STRING, "count": {"type": "number", "default": 1}, "line": STRING}
    made = tool(server.url + "/order/{{ item }}/{{ count }}/{{ line }}", properties, required=["item"], method="POST")
    made = replace(made, bound={"line": "{{ call.caller }}"}, behaviour=Behaviour(needs_confirmation=True))
    return replace(made, **changes)


def finished(events: list[AgentEvent]) -> list[ToolFinished]:
    return [event for event in events if isinstance(event, ToolFinished)]


async def says(made: Bench, text: str, *script: list[Any], **changes: Any) -> list[ToolFinished]:
    """One turn in which the model follows ``script``."""
    made.models.by_name["first"].script.extend(script)
    events, _ = await run(made.agent, turn(text, **{"variables": {"caller": "12"}, **changes}))
    return finished(events)


def wants(arguments: dict[str, Any]) -> list[list[Any]]:
    return [[call("look_up", arguments)], ["Said."]]


ONE = {"item": "chair"}


async def test_it_asks_in_one_turn_and_runs_in_the_next_once(bench: MakeBench) -> None:
    async with raw_server(response(b'"ordered"')) as server:
        made = bench(tools=(order(server),))
        (asked,) = await says(made, "a chair please", *wants(ONE))
        assert (asked.ok, asked.error, asked.request, server.requests) == (True, "confirmation_needed", None, [])
        for words in ("was not carried out yet", "ask whether to do it", "exactly these arguments", "says no"):
            assert words in asked.result
        told = made.requests[1][-1]
        assert (told.text, getattr(told, "status", "")) == (asked.result, "success")
        (done,) = await says(made, "yes", *wants(ONE))
        assert (done.ok, done.error) == (True, None)
        assert [each.split(b" ")[1] for each in server.requests] == [b"/order/chair/1/12"]
        (again,) = await says(made, "and once more", *wants(ONE))
        assert again.error == "confirmation_needed"
        assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("arguments", "runs"),
    [
        ({"count": 1.0, "item": "chair"}, True),
        ({"count": 1, "item": "chair", "line": "99"}, True),  # bound: what the model gives for it is dropped
        ({"item": "chair", "count": 2}, False),
        ({"item": "Chair"}, False),
        ({"item": "table"}, False),
    ],
)
async def test_a_yes_is_for_the_arguments_that_were_asked_about(
    bench: MakeBench, arguments: dict[str, Any], runs: bool
) -> None:
    async with raw_server(response(b"1")) as server:
        made = bench(tools=(order(server),))
        await says(made, "a chair please", *wants(ONE))
        (second,) = await says(made, "yes", *wants(arguments))
        assert (second.error is None, len(server.requests)) == (runs, int(runs))


async def test_within_one_turn_a_second_call_never_runs(bench: MakeBench) -> None:
    async with raw_server(response(b"1")) as server:
        made = bench(tools=(order(server),))
        rounds: list[list[Any]] = [[call("look_up", ONE)], [call("look_up", ONE, "c2")], ["Shall I?"]]
        first, second = await says(made, "a chair", *rounds)
        assert (first.error, second.error, server.requests) == ("confirmation_needed", "confirmation_needed", [])
        assert "ask only once" in second.result
        done, after = await says(made, "yes", *rounds)
        assert (done.error, after.error, len(server.requests)) == (None, "confirmation_needed", 1)
        assert "another time needs another yes" in after.result


async def test_parallel_calls_of_the_same_are_one_question_and_one_yes(bench: MakeBench) -> None:
    async with raw_server(response(b"1")) as server:
        made = bench(tools=(order(server),))
        both: list[list[Any]] = [[call("look_up", ONE, "a", 0), call("look_up", ONE, "b", 1)], ["Said."]]
        assert [each.error for each in await says(made, "chair", *both)] == ["confirmation_needed"] * 2
        assert made.memory.kept["c"][0].asked == (fingerprint(order(server), {**ONE, "count": 1}),)
        assert sorted(str(each.error) for each in await says(made, "yes", *both)) == ["None", "confirmation_needed"]
        assert len(server.requests) == 1


async def test_a_yes_counts_for_two_turns_and_no_longer(bench: MakeBench) -> None:
    for between, runs in ((1, True), (2, False)):
        async with raw_server(response(b"1")) as server:
            made = bench(tools=(order(server),))
            await says(made, "a chair please", *wants(ONE))
            for _ in range(between):
                await says(made, "which colours are there?", ["Red."])
            (late,) = await says(made, "yes", *wants(ONE))
            assert (late.error is None, len(server.requests)) == (runs, int(runs))


async def test_wrong_arguments_are_refused_before_the_caller_is_bothered(bench: MakeBench) -> None:
    async with raw_server(response(b"1")) as server:
        made = bench(tools=(order(server),))
        (refused,) = await says(made, "a chair", *wants({"item": 5}))
        assert (refused.ok, refused.error) == (False, "tool_arguments_invalid")
        assert made.memory.kept["c"][0].asked == ()


async def test_of_two_turns_at_once_one_uses_the_yes(bench: MakeBench) -> None:
    async with raw_server(response(b"1")) as server:
        made = bench(tools=(order(server),))
        await says(made, "a chair", *wants(ONE))
        # Both have recalled the question before the first has ended; the second asks for it after that.
        slow: list[list[Any]] = [[call("look_up", ONE)], [0.3, "Said."]]
        first = asyncio.ensure_future(says(made, "yes", *slow))
        await asyncio.sleep(0.1)
        made.models.by_name["second"] = scripted([0.4, call("look_up", ONE)], ["Shall I?"])
        late, _ = await run(made.agent, turn("yes", model="second", variables={"caller": "12"}))
        assert [each.error for each in await first] == [None]
        (held,) = finished(late)
        assert held.error == "confirmation_needed"
        assert "just now" in held.result
        assert len(server.requests) == 1
        # The second turn has asked anew.
        assert [each.error for each in await says(made, "yes", *wants(ONE))] == [None]
        assert len(server.requests) == 2


async def test_a_turn_that_comes_while_the_one_before_is_broken_off_does_not_use_its_yes(bench: MakeBench) -> None:
    async with raw_server(None) as server:
        made = bench(tools=(order(server),))
        await says(made, "a chair", *wants(ONE))
        before = asyncio.ensure_future(says(made, "yes", *wants(ONE)))
        while not server.requests:
            await asyncio.sleep(0.01)
        made.models.by_name["second"] = scripted(*wants(ONE))
        before.cancel()
        events, _ = await run(made.agent, turn("hello?", model="second", variables={"caller": "12"}))
        assert [each.error for each in finished(events)] == ["confirmation_needed"]
        assert len(server.requests) == 1


async def test_a_turn_that_was_discarded_before_its_call_had_begun_leaves_the_yes_to_another(
    bench: MakeBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with raw_server(response(b"1")) as server:
        made = bench(tools=(order(server),))
        await says(made, "a chair", *wants(ONE))
        run_tool, held_up = ToolExecutor.run, asyncio.Event()

        async def waits(self: ToolExecutor, *args: Any, **kwargs: Any) -> Any:
            held_up.set()
            await asyncio.sleep(5)

        monkeypatch.setattr(ToolExecutor, "run", waits)
        # A third one is at it all the time, so that the conversation is never without a turn.
        made.models.by_name["third"] = scripted([0.5, "Said."])
        third = asyncio.ensure_future(run(made.agent, turn("hm", model="third")))
        discarded = asyncio.ensure_future(says(made, "yes", *wants(ONE)))
        await held_up.wait()
        discarded.cancel()
        await asyncio.wait((discarded,))
        monkeypatch.setattr(ToolExecutor, "run", run_tool)
        made.models.by_name["first"].script.clear()
        assert [each.error for each in await says(made, "yes", *wants(ONE))] == [None]
        await third
        assert made.agent._claims._turns == {}
        assert made.agent._claims._used == {}


async def test_a_turn_without_memory_can_never_confirm(bench: MakeBench) -> None:
    async with raw_server(response(b"1")) as server:
        made = bench(tools=(order(server),))
        for _ in range(2):
            (never,) = await says(made, "yes", *wants(ONE), conversation=None)
            assert (never.ok, never.error) == (False, "confirmation_impossible")
            assert "not remembered from turn to turn" in never.result
        assert server.requests == []


async def test_what_the_caller_never_heard_is_no_question(bench: MakeBench) -> None:
    async with raw_server(response(b"1")) as server:
        made = bench(tools=(order(server),))
        made.models.by_name["first"].script.extend([[call("look_up", ONE)], [RuntimeError("broke off")]])
        with pytest.raises(Exception, match="broke off"):
            await run(made.agent, turn("a chair"))
        assert made.memory.kept == {}
        assert [each.error for each in await says(made, "yes", *wants(ONE))] == ["confirmation_needed"]
        assert server.requests == []


async def test_a_changed_tool_asks_anew(bench: MakeBench) -> None:
    async with raw_server(response(b"1")) as server:
        made = bench(tools=(order(server),))
        await says(made, "a chair", *wants(ONE))
        made.tools.definitions = (order(server, version=2),)
        assert [each.error for each in await says(made, "yes", *wants(ONE))] == ["confirmation_needed"]


async def test_it_survives_trimming_and_another_provider(bench: MakeBench) -> None:
    async with raw_server(response(b"1")) as server:
        second = scripted(*wants(ONE))
        made = bench(tools=(order(server),), ai_memory_max_tokens=100)
        made.models.by_name["second"] = second
        await says(made, "a chair please " * 300, *wants(ONE))
        events, _ = await run(made.agent, turn("yes", model="second", variables={"caller": "12"}))
        assert [each.error for each in finished(events)] == [None]
        assert all("look_up" not in str(getattr(each, "tool_calls", "")) for each in second.requests[0])
        assert len(server.requests) == 1


async def test_it_survives_the_way_through_bytes_and_turns_of_the_old_format_are_read() -> None:
    codec = TurnCodec()
    old = b'{"v":1,"provider":"p","tokens":3,"answer":"b","messages":[{"type":"human","data":{"content":"a"}}]}'
    turn_ = codec.loads(old)
    assert (turn_.asked, turn_.confirmed) == ((), ())
    assert b"asked" not in codec.dumps(turn_)
    asked = replace(turn_, asked=("f1",), confirmed=("f2", "f3"))
    assert codec.loads(codec.dumps(asked)) == asked


async def test_a_second_instance_with_the_same_memory_knows_the_question(bench: MakeBench) -> None:
    async with raw_server(response(b"1")) as server:
        one, other = bench(tools=(order(server),)), bench(tools=(order(server),))
        await says(one, "a chair", *wants(ONE))
        codec = TurnCodec()
        other.memory.kept["c"] = [codec.loads(codec.dumps(each)) for each in one.memory.kept["c"]]
        assert [each.error for each in await says(other, "yes", *wants(ONE))] == [None]


class NeverRun:
    """A stand-in that counts."""

    def __init__(self) -> None:
        self.calls = 0

    async def run(self, *args: Any, **kwargs: Any) -> Any:
        self.calls += 1
        raise AssertionError("it ran")


async def test_a_rehearsal_asks_as_a_call_does_and_asks_its_stand_in_only_after_the_yes(bench: MakeBench) -> None:
    async with raw_server(response(b"1")) as server:
        definition = order(server)
        made, stand_in = bench(tools=(definition,)), NeverRun()
        rehearsed = Rehearsed((definition,), stand_in)
        for _ in range(2):
            (held,) = await says(made, "a chair", *wants(ONE), conversation=None, rehearsed=rehearsed)
            assert held.error == "confirmation_impossible"
        (held,) = await says(made, "a chair", *wants(ONE), rehearsed=rehearsed)
        assert (held.error, stand_in.calls) == ("confirmation_needed", 0)
        (ran,) = await says(made, "yes", *wants(ONE), rehearsed=rehearsed)
        assert (stand_in.calls, ran.error) == (1, "internal_error")
        assert server.requests == []


async def test_a_yes_whose_request_was_broken_off_is_used_up_and_the_model_knows(bench: MakeBench) -> None:
    async with raw_server(None) as server:
        made = bench(tools=(order(server),))
        await says(made, "a chair", *wants(ONE))
        made.models.by_name["first"].script.extend([[call("look_up", ONE)], [1.0, "late"]])
        with pytest.raises(Exception, match="deadline"):
            await run(made.agent, turn("yes", seconds=0.3, variables={"caller": "12"}))
        await made.agent.aclose(1)
        kept = made.memory.kept["c"][-1]
        assert (len(kept.confirmed), kept.asked) == (1, ())
        made.models.by_name["first"].script.clear()
        server.answer = response(b"1")
        (again,) = await says(made, "well?", *wants(ONE))
        assert (again.error, len(server.requests)) == ("confirmation_needed", 1)


async def test_the_started_event_comes_before_the_question(bench: MakeBench) -> None:
    async with raw_server(response(b"1")) as server:
        made = bench(*wants(ONE), tools=(order(server),))
        events, done = await run(made.agent, turn())
        assert [type(each) for each in events[:2]] == [ToolStarted, ToolFinished]
        assert done.text == "Said."


async def test_the_bound_of_turns_kept_may_be_one() -> None:
    async with raw_server(response(b"1")) as server:
        settings = Settings(_env_file=None, ai_memory_max_turns=1)
        memory = InProcessMemory[Any](ttl=60, max_turns=1, weigh=lambda _turn: 1)
        executor = ToolExecutor()
        models = FakeModels({"first": scripted(*wants(ONE), *wants(ONE))})
        agent = Agent(models, FakeTools((order(server),)), executor, memory, settings)
        try:
            for words in ("a chair", "yes"):
                await run(agent, turn(words, variables={"caller": "12"}))
        finally:
            await executor.aclose()
        assert len(server.requests) == 1
