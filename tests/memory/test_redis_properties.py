"""Whatever fails, and in whatever order: no turn is lost, none is there twice, and all instances agree in the end."""

from __future__ import annotations

import asyncio
from unittest.mock import patch

from hypothesis import given, settings
from hypothesis import strategies as st

from app.memory.redis import RedisMemory
from tests.memory.fake_server import FakeRedis, FakeServer
from tests.memory.turns import CODEC

INSTANCES = 2
MAX_TURNS = 100
STEP = st.one_of(
    st.tuples(st.just("append"), st.integers(0, INSTANCES - 1)),
    st.tuples(st.just("load"), st.integers(0, INSTANCES - 1)),
    st.tuples(st.just("empty"), st.just(0)),
    st.tuples(st.just("evict list"), st.just(0)),
    st.tuples(st.just("evict hash"), st.just(0)),
    st.tuples(st.just("down"), st.just(0)),
    st.tuples(st.just("up"), st.just(0)),
    st.tuples(st.just("late"), st.integers(1, 3)),
    st.tuples(st.just("settle"), st.just(0)),
)


def make(shared: FakeRedis, name: str) -> RedisMemory[str]:
    server = FakeServer(shared, name, MAX_TURNS)
    return RedisMemory(server, CODEC, writer=name, ttl=3600, max_turns=MAX_TURNS, where="fake")


async def settle(*memories: RedisMemory[str]) -> None:
    async with asyncio.timeout(5):
        while any(
            memory._shelf.dirty or memory._writer.emptied or not memory.status().connected for memory in memories
        ):
            await asyncio.sleep(0)


async def play(steps: list[tuple[str, int]]) -> None:
    shared = FakeRedis()
    memories = [make(shared, f"w{number}") for number in range(INSTANCES)]
    for memory in memories:
        await memory.start()
    written: list[list[str]] = [[] for _ in memories]
    for step, (action, argument) in enumerate(steps):
        if action == "append":
            text = f"{argument}:{step}"
            number = await memories[argument].append("c", text)
            written[argument].append(text)
            assert number >= len(written[argument])
        elif action == "load":
            conversation = await memories[argument].load("c")
            own = [text for text in conversation.turns if text in written[argument]]
            # What this process took part in, it never misses.
            assert own == written[argument]
        elif action == "empty":
            shared.held.clear()
        elif action.startswith("evict"):
            if shared.down or shared.late:
                continue  # a hash lost between a write and its answer doubles a turn: nothing is left that knows of it
            await settle(*memories)
            for held in shared.held.values():
                held.evict(action.removeprefix("evict "))
        elif action in ("down", "up"):
            shared.down = action == "down"
        elif action == "late":
            shared.late = argument
        elif not shared.down:
            await settle(*memories)
    shared.down, shared.late = False, 0
    await settle(*memories)
    for argument, memory in enumerate(memories):  # who adds a turn finds that the list is gone
        await memory.append("c", f"{argument}:last")
        written[argument].append(f"{argument}:last")
    await settle(*memories)
    for _ in range(2):  # the first round finds what was emptied unseen
        for memory in memories:
            await memory.load("c")
        await settle(*memories)
    memories.append(make(shared, "new"))
    views = [await memory.load("c") for memory in memories]
    everything = sorted(text for texts in written for text in texts)
    for view in views:
        assert sorted(view.turns) == everything
        assert list(view.turns) == list(views[0].turns)
        assert view.count == len(everything)
    for own in written:
        assert [text for text in views[0].turns if text in own] == own
    for memory in memories:
        await memory.aclose()


@given(st.lists(STEP, max_size=40))
@settings(max_examples=400, deadline=None)
def test_no_turn_is_lost_or_doubled_whatever_redis_does(steps: list[tuple[str, int]]) -> None:
    with (
        patch("app.memory.redis.PROBE_PAUSE", (0.0005, 0.001)),
        patch("app.memory.redis.TURN_TIMEOUT", 0.005),
        patch("app.memory.redis.log"),
        patch("app.memory.redis_writer.log"),
    ):
        asyncio.run(play(steps))
