"""A caller who interrupts: what was asked for never happens, unless it had begun and the operator wants it finished."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage

from app.agent.commits import Commits, TooManyCommits, patience
from app.agent.events import ToolFinished, ToolStarted
from app.agent.history import recall
from app.agent.interrupted import NOTE, interrupted_turn
from app.agent.turn import TurnRequest
from app.core.metrics import TOOL_COMMITS
from app.prompts.prompt import Action
from app.tools.definition import Behaviour, ToolDefinition
from tests.agent.conftest import MakeBench
from tests.agent.scripted import Bench, FakeMemory, call, run, turn
from tests.tools.conftest import response, tool

STRING = {"type": "string"}
ANSWER = response(b'"order 7 is placed"', extra="Connection: close\r\n")


class Shop:
    """Answers when it is told to. ``orders``: request lines, ``broken``: connections that the other side ended."""

    def __init__(self) -> None:
        self.orders: list[str] = []
        self.asked = asyncio.Event()
        self.answer = asyncio.Event()
        self.broken = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            self.orders.append(head.split(b"\r\n")[0].decode())
            self.asked.set()
            gone = asyncio.ensure_future(reader.read())
            told = asyncio.ensure_future(self.answer.wait())
            await asyncio.wait((gone, told), return_when=asyncio.FIRST_COMPLETED)
            if told.done():
                writer.write(ANSWER)
                await writer.drain()
            else:
                self.broken.set()
            told.cancel()
            gone.cancel()
        except (ConnectionError, asyncio.IncompleteReadError):
            self.broken.set()
        finally:
            writer.close()


@pytest.fixture
async def shop() -> Any:
    made = Shop()
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"  # type: ignore[attr-defined]
    yield made
    made.answer.set()
    server.close()
    await server.wait_closed()


def order(shop: Any, *, commits: bool = True, **request: Any) -> ToolDefinition:
    made = tool(shop.url + "/{{ item }}", {"item": STRING}, required=["item"], **request)
    return replace(made, behaviour=Behaviour(commit_on_interrupt=commits))


CALL = [call("look_up", {"item": "chair"})]


async def interrupted(made: Bench, shop: Any, request: TurnRequest | None = None) -> TurnRequest:
    """A turn whose caller hangs up while the shop is at work."""
    request = request or turn("a chair please")
    running = asyncio.create_task(run(made.agent, request))
    await asyncio.wait_for(shop.asked.wait(), 2)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    return request


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(3):
        while not condition():
            await asyncio.sleep(0.005)


async def test_a_call_that_has_begun_is_finished_and_the_next_turn_knows(bench: MakeBench, shop: Any) -> None:
    made = bench(CALL, ["It is ordered."], tools=(order(shop),))
    request = await interrupted(made, shop)
    assert made.memory.kept == {}
    shop.answer.set()
    await until(lambda: bool(made.memory.kept))
    kept = made.memory.kept["c"][0]
    assert [type(each) for each in kept.messages] == [HumanMessage, AIMessage, ToolMessage, AIMessage]
    assert [each.text for each in kept.messages] == ["a chair please", "", '"order 7 is placed"', NOTE]
    assert "order 7 is placed" in kept.answer
    ((late, ms),) = request.progress.late
    assert (late.ok, late.result, ms > 0) == (True, '"order 7 is placed"', True)
    _, done = await run(made.agent, turn("hello again"))
    assert (done.turn, len(shop.orders), shop.broken.is_set()) == (2, 1, False)
    assert [each.text for each in made.requests[1][1:]] == [*(each.text for each in kept.messages), "hello again"]


async def test_a_tool_without_the_mark_is_broken_off_and_nothing_is_remembered(bench: MakeBench, shop: Any) -> None:
    made = bench(CALL, tools=(order(shop, commits=False),))
    request = await interrupted(made, shop)
    await asyncio.wait_for(shop.broken.wait(), 2)
    await made.agent.aclose(1)
    assert (made.memory.kept, request.progress.late) == ({}, [])


async def test_the_next_turn_waits_for_it_and_comes_after_it(bench: MakeBench, shop: Any) -> None:
    made = bench(CALL, ["It is ordered."], tools=(order(shop),))
    await interrupted(made, shop)
    following = asyncio.create_task(run(made.agent, turn("and?")))
    await asyncio.sleep(0.1)
    assert len(made.requests) == 1
    shop.answer.set()
    _, done = await following
    assert done.turn == 2
    assert [each.messages[0].text for each in made.memory.kept["c"]] == ["a chair please", "and?"]
    assert '"order 7 is placed"' in [each.text for each in made.requests[1]]


async def test_a_turn_that_cannot_wait_longer_is_told_that_it_is_on_its_way(bench: MakeBench, shop: Any) -> None:
    made = bench(CALL, ["It is on its way."], tools=(order(shop),))
    request = await interrupted(made, shop)
    before = asyncio.get_running_loop().time()
    _, done = await run(made.agent, turn("and?", seconds=1.0))
    assert 0.45 < asyncio.get_running_loop().time() - before < 1.0
    assert done.turn == 2
    result = made.requests[1][3]
    assert isinstance(result, ToolMessage)
    assert "on its way" in result.text
    assert "do not call it again" in result.text
    shop.answer.set()
    await until(lambda: bool(request.progress.late))  # history knows the end of it
    await made.agent.aclose(1)
    assert [each.messages[0].text for each in made.memory.kept["c"]] == ["a chair please", "and?"]


async def test_it_outlives_the_deadline_up_to_its_own_timeout(bench: MakeBench, shop: Any) -> None:
    made = bench(CALL, tools=(order(shop, timeout=2),))
    with pytest.raises(Exception, match="deadline"):
        await run(made.agent, turn(seconds=0.2))
    await asyncio.sleep(0.1)
    assert not shop.broken.is_set()
    shop.answer.set()
    await until(lambda: bool(made.memory.kept))
    assert '"order 7 is placed"' in made.memory.kept["c"][0].answer


async def test_its_own_timeout_ends_it_and_the_next_turn_knows_that_it_failed(bench: MakeBench, shop: Any) -> None:
    made = bench(CALL, tools=(order(shop, timeout=0.4),))
    await interrupted(made, shop)
    await asyncio.wait_for(shop.broken.wait(), 2)
    await until(lambda: bool(made.memory.kept))
    assert "did not answer in time" in made.memory.kept["c"][0].messages[2].text


async def test_a_closed_generator_and_a_model_that_fails_later_are_interruptions_too(
    bench: MakeBench, shop: Any
) -> None:
    shop.answer.set()
    made = bench(CALL, CALL, [RuntimeError("gone")], tools=(order(shop),))
    async with aclosing(made.agent.run(turn("one"))) as events:
        async for event in events:
            if isinstance(event, ToolFinished):
                break
    await until(lambda: len(made.memory.kept.get("c", ())) == 1)
    with pytest.raises(Exception, match="gone"):
        await run(made.agent, turn("two"))
    await until(lambda: len(made.memory.kept["c"]) == 2)
    assert [each.messages[-1].text for each in made.memory.kept["c"]] == [NOTE, NOTE]


@pytest.mark.parametrize("commits", [True, False])
async def test_what_was_asked_for_in_a_discarded_turn_never_happens(bench: MakeBench, shop: Any, commits: bool) -> None:
    """Cancelled at each point before the request is on its way."""
    for point in range(40):
        made = bench([*CALL, call("end_call", {}, "e1", 1)], ["Bye."], tools=(order(shop, commits=commits),))
        request = turn(f"turn {point}", actions=(Action("hangup"),))
        seen: list[Any] = []

        async def read(made: Bench = made, request: TurnRequest = request, seen: list[Any] = seen) -> None:
            async with aclosing(made.agent.run(request)) as events:
                async for event in events:
                    seen.append(event)

        before = len(shop.orders)
        running = asyncio.create_task(read())
        for _ in range(point):
            await asyncio.sleep(0)
        running.cancel()
        await asyncio.wait((running,))
        if shop.asked.is_set():
            break
        await asyncio.sleep(0.01)
        assert len(shop.orders) == before
        assert (made.memory.kept, [type(each) for each in seen if type(each) is not ToolStarted]) == ({}, [])
        await made.agent.aclose(1)
        await made.executor.aclose()


async def test_an_action_of_an_interrupted_turn_did_not_happen_and_the_model_is_told(
    bench: MakeBench, shop: Any
) -> None:
    made = bench([*CALL, call("end_call", {}, "e1", 1)], tools=(order(shop),))
    await interrupted(made, shop, turn("a chair", actions=(Action("hangup"),)))
    shop.answer.set()
    await until(lambda: bool(made.memory.kept))
    results = {each.name: each.text for each in made.memory.kept["c"][0].messages if isinstance(each, ToolMessage)}
    assert "not carried out" in results["end_call"]
    assert results["look_up"] == '"order 7 is placed"'


async def test_a_call_beside_it_that_was_broken_off_has_a_result_too(bench: MakeBench, shop: Any) -> None:
    other = replace(order(shop, commits=False), id=2, name="other")
    made = bench([*CALL, call("other", {"item": "lamp"}, "c2", 1)], tools=(order(shop), other))
    running = asyncio.create_task(run(made.agent, turn()))
    await until(lambda: len(shop.orders) == 2)
    running.cancel()
    await asyncio.wait((running,))
    shop.answer.set()
    await until(lambda: bool(made.memory.kept))
    results = {each.name: each.text for each in made.memory.kept["c"][0].messages if isinstance(each, ToolMessage)}
    assert "broken off" in results["other"]
    assert results["look_up"] == '"order 7 is placed"'


async def test_another_provider_is_told_in_short(bench: MakeBench, shop: Any) -> None:
    made = bench(CALL, tools=(order(shop),))
    await interrupted(made, shop)
    shop.answer.set()
    await until(lambda: bool(made.memory.kept))
    said = recall(made.memory.kept["c"], 1_000, "another")
    assert [type(each) for each in said] == [HumanMessage, AIMessage]
    assert 'look_up {"item": "chair"}: "order 7 is placed"' in said[1].text


async def test_a_stop_waits_for_it_and_then_remembers_what_is_known(bench: MakeBench, shop: Any) -> None:
    made = bench(CALL, CALL, tools=(order(shop),))
    await interrupted(made, shop)
    shop.asked.clear()
    closing = asyncio.create_task(made.agent.aclose(5))
    await asyncio.sleep(0.05)
    shop.answer.set()
    await asyncio.wait_for(closing, 1)
    assert '"order 7 is placed"' in made.memory.kept["c"][0].answer
    shop.answer.clear()
    await interrupted(made, shop, turn("another", conversation="d"))
    counted = [TOOL_COMMITS.labels(outcome=each)._value.get() for each in ("cut", "unknown")]
    await asyncio.wait_for(made.agent.aclose(0.1), 1)
    after = [TOOL_COMMITS.labels(outcome=each)._value.get() for each in ("cut", "unknown")]
    assert after == [counted[0] + 1, counted[1]]  # each call once
    assert "on its way" in made.memory.kept["d"][0].answer
    await asyncio.wait_for(shop.broken.wait(), 1)


async def test_without_memory_it_is_finished_and_that_is_all(bench: MakeBench, shop: Any) -> None:
    made = bench(CALL, tools=(order(shop),))
    request = await interrupted(made, shop, turn(conversation=None))
    shop.answer.set()
    await until(lambda: bool(request.progress.late))
    assert made.memory.kept == {}


async def test_there_is_a_bound_and_none_that_has_begun_is_given_up() -> None:
    commits, going = Commits(FakeMemory(), most=1), asyncio.Event()
    first = commits.start(going.wait(), "one")
    with pytest.raises(TooManyCommits, match="under way"):
        commits.start(going.wait(), "two")
    going.set()
    await first
    await commits.start(going.wait(), "three")


async def test_two_interrupted_turns_are_remembered_in_their_order() -> None:
    memory, first_over = FakeMemory(), asyncio.Event()
    commits = Commits(memory)
    slow = commits.start(first_over.wait(), "slow")
    for words, left in (("first", [slow]), ("second", [])):
        commits.leave("c", left, partial(interrupted_turn, words, [], [], "p", ()))
    await asyncio.sleep(0.01)
    assert memory.kept == {}
    first_over.set()
    now = asyncio.get_running_loop().time()
    await commits.settled("c", now + 2)
    assert [each.messages[0].text for each in memory.kept["c"]] == ["first", "second"]
    await commits.settled("c", now)  # nothing to wait for


def test_a_turn_waits_for_a_share_of_its_time() -> None:
    assert patience(10, 20) == 5
    assert patience(21, 20) == 0
