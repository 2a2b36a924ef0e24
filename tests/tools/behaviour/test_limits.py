"""Places for calls of one tool: so many at a time, so many a minute, in the order of coming."""

from __future__ import annotations

import asyncio
import random

import pytest

from app.tools.behaviour.limits import Limits
from app.tools.errors import ToolBusy
from tests.virtual_time import virtual_time


def limits(max_concurrent: int = 0, per_minute: int = 0) -> Limits:
    made = Limits(lambda: asyncio.get_running_loop().time())
    made.resize(max_concurrent, per_minute)
    return made


def later(seconds: float) -> float:
    return asyncio.get_running_loop().time() + seconds


@virtual_time
async def test_calls_wait_for_a_place_in_the_order_of_coming() -> None:
    places, order = limits(2), list[int]()

    async def call(number: int) -> None:
        async with places.place("t", later(100)):
            order.append(number)
            assert places.running <= 2
            await asyncio.sleep(1)

    await asyncio.gather(*(call(number) for number in range(7)))
    assert order == list(range(7))
    assert asyncio.get_running_loop().time() == 4
    assert places.idle


@virtual_time
async def test_who_waits_for_half_of_the_time_that_is_left_is_told_that_it_is_busy() -> None:
    places = limits(1)
    async with places.place("t", later(100)):
        before = asyncio.get_running_loop().time()
        with pytest.raises(ToolBusy, match="1 call is running") as caught:
            async with places.place("t", later(4)):
                pytest.fail("there is no place")
        assert asyncio.get_running_loop().time() - before == 2
        assert "in a moment" in caught.value.for_model
        assert places.waiting == 0
    async with places.place("t", later(4)):
        pass


@virtual_time
async def test_a_minute_holds_so_many_calls_and_slides() -> None:
    places = limits(per_minute=3)
    for _ in range(3):
        async with places.place("t", later(5)):
            pass
        await asyncio.sleep(10)
    with pytest.raises(ToolBusy, match="in about 30 seconds") as caught:
        async with places.place("t", later(5)):
            pass
    assert caught.value.seconds == 30
    await asyncio.sleep(30)
    async with places.place("t", later(5)):
        pass
    with pytest.raises(ToolBusy, match="in about 10 seconds"):
        async with places.place("t", later(5)):
            pass


@virtual_time
async def test_no_limits_let_everybody_in_and_a_resize_lets_in_who_waits() -> None:
    places = limits(1)
    inside: list[int] = []

    async def call(number: int) -> None:
        async with places.place("t", later(100)):
            inside.append(number)
            await asyncio.sleep(5)

    async with asyncio.TaskGroup() as tasks:
        for number in range(5):
            tasks.create_task(call(number))
        await asyncio.sleep(1)
        assert inside == [0]
        places.resize(3, 0)
        await asyncio.sleep(0.1)
        assert inside == [0, 1, 2]
        places.resize(0, 0)
        await asyncio.sleep(0.1)
        assert inside == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("seed", range(20))
def test_cancelled_calls_give_their_places_back_whenever_it_happens(seed: int) -> None:
    chance = random.Random(seed)

    @virtual_time
    async def run() -> None:
        places = limits(2)
        most = 0

        async def call() -> None:
            nonlocal most
            async with places.place("t", later(chance.uniform(0.1, 20))):
                most = max(most, places.running)
                await asyncio.sleep(chance.choice([0, 1, 2]))

        tasks = [asyncio.create_task(call()) for _ in range(30)]
        for task in chance.sample(tasks, 15):
            await asyncio.sleep(chance.choice([0, 0, 1, 2]))
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert {type(result) for result in results} <= {type(None), ToolBusy, asyncio.CancelledError}
        assert most <= 2
        assert (places.running, places.waiting) == (0, 0)
        async with asyncio.timeout(1), places.place("t", later(5)), places.place("t", later(5)):
            pass

    run()
