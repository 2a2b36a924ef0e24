"""Conversations in this process, against a model that keeps everything."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from app.memory.in_process import InProcessMemory

KEYS = ["a", "b", "c"]
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.sampled_from(KEYS)),
        st.tuples(st.just("forget"), st.sampled_from(KEYS)),
        st.tuples(st.just("wait"), st.integers(0, 70)),
    ),
    max_size=60,
)


class Clock:
    """Time that stands until it is told to go on."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@given(STEPS)
@settings(max_examples=200, deadline=None)
def test_it_keeps_the_last_turns_counts_all_and_forgets_in_time(steps: list[tuple[str, Any]]) -> None:
    async def run() -> None:
        clock = Clock()
        memory: InProcessMemory[int] = InProcessMemory(
            ttl=100, max_turns=3, max_conversations=2, weigh=lambda _turn: 1, clock=clock
        )
        model: dict[str, tuple[list[int], float]] = {}
        for number, (action, argument) in enumerate(steps):
            if action == "wait":
                clock.now += argument
            elif action == "forget":
                await memory.forget(argument)
                model.pop(argument, None)
            else:
                turns, at = model.pop(argument, ([], clock.now))
                turns = [*turns, number] if at + 100 > clock.now else [number]
                assert await memory.append(argument, number) == len(turns)
                model[argument] = (turns, clock.now)
                model = dict([item for item in model.items() if item[1][1] + 100 > clock.now][-2:])
            for key in KEYS:
                kept, at = model.get(key, ([], 0.0))
                alive = kept if at + 100 > clock.now else []
                conversation = await memory.load(key)
                assert list(conversation.turns) == alive[-3:]
                assert conversation.count == len(alive)

    asyncio.run(run())


async def test_what_was_loaded_does_not_change_when_a_turn_is_added() -> None:
    memory: InProcessMemory[str] = InProcessMemory(ttl=60, max_turns=5, weigh=len)
    await memory.append("a", "one")
    before = await memory.load("a")
    await memory.append("a", "two")
    assert list(before.turns) == ["one"]


async def test_conversations_of_many_bytes_make_room_for_the_one_of_now() -> None:
    memory: InProcessMemory[str] = InProcessMemory(ttl=60, max_turns=2, weigh=len, max_bytes=100)
    await memory.append("a", "x" * 40)
    for _ in range(3):
        await memory.append("b", "y" * 30)  # two are kept: 60 bytes
    assert (await memory.load("a")).count == 1
    await memory.append("c", "z")
    assert (await memory.load("a")).count == 0
    assert (await memory.load("b")).count == 3
    await memory.append("c", "z" * 500)
    assert [(await memory.load(key)).count for key in "abc"] == [0, 0, 2]
    await memory.forget("c")
    assert memory._bytes == 0


async def test_the_status_says_how_many_are_kept_and_why_it_is_in_use(make: Callable[..., Any]) -> None:
    memory = make()
    await memory.append("a", "one")
    status = memory.status()
    assert (status.backend, status.connected, status.conversations) == ("in_process", True, 1)
    assert "REDIS_HOST" in status.detail
