"""Conversations in a real Redis: shared, lost, frozen, restarted, and spoilt by others."""

from __future__ import annotations

import asyncio
import random
import re
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest
import structlog.testing
from redis.asyncio import Redis as Client

from app.memory.interface import ConversationMemory
from app.memory.redis import RedisMemory
from app.memory.redis_wire import redis_keys
from lab.roots import FORKY
from lab.servers import Redis
from tests.fixtures.lab import need
from tests.fixtures.leaks import keep
from tests.memory.conftest import Make

pytestmark = pytest.mark.redis
Memory = ConversationMemory[str]


@pytest.fixture(scope="module")
def fragile() -> Iterator[Redis]:
    """A Redis of this module's own, to be killed and frozen."""
    need(FORKY)
    with Redis() as server:
        keep(server)
        yield server


@pytest.fixture
def key(request: pytest.FixtureRequest) -> str:
    """A conversation of the test's own."""
    return f"pbx:{request.node.name}:{time.time_ns()}"


async def until(condition: Callable[[], bool] | Callable[[], Awaitable[bool]], seconds: float = 8.0) -> None:
    async with asyncio.timeout(seconds):
        while True:
            answer = condition()
            if answer if isinstance(answer, bool) else await answer:
                return
            await asyncio.sleep(0.01)


async def turns(memory: Memory, key: str) -> list[str]:
    return list((await memory.load(key)).turns)


async def started(make: Make, server: Redis, **changes: object) -> RedisMemory[str]:
    memory = make(server, **changes)
    assert isinstance(memory, RedisMemory)
    await memory.start()
    return memory


async def test_a_new_conversation_is_empty_and_turns_are_numbered(make: Make, redis_server: Redis, key: str) -> None:
    memory = await started(make, redis_server)
    assert await turns(memory, key) == []
    assert [await memory.append(key, text) for text in ("one", "two")] == [1, 2]
    conversation = await memory.load(key)
    assert (list(conversation.turns), conversation.count) == (["one", "two"], 2)


async def test_a_conversation_is_trimmed_expires_and_counts_on(make: Make, redis_server: Redis, key: str) -> None:
    memory = await started(make, redis_server, ai_memory_max_turns=3, ai_memory_ttl=60)
    for number in range(1, 6):
        assert await memory.append(key, str(number)) == number
    conversation = await memory.load(key)
    assert (list(conversation.turns), conversation.count) == (["3", "4", "5"], 5)
    async with Client(port=redis_server.port) as client:
        listed, meta = redis_keys(key)
        assert await client.llen(listed) == 3
        assert 55_000 < await client.pttl(listed) <= 60_000
        assert 55_000 < await client.pttl(meta) <= 60_000


async def test_another_instance_continues_a_conversation_and_the_first_sees_it(
    make: Make, redis_server: Redis, key: str
) -> None:
    one, other = await started(make, redis_server), await started(make, redis_server)
    expected: list[str] = []
    for number in range(20):
        memory = (one, other)[number % 2]
        assert await turns(memory, key) == expected
        expected.append(str(number))
        assert await memory.append(key, str(number)) == number + 1


async def test_two_writers_at_once_lose_and_double_nothing_in_800_turns(
    make: Make, redis_server: Redis, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # On a busy machine a turn would else go on with the number of its own copy.
    monkeypatch.setattr("app.memory.redis.TURN_TIMEOUT", 5.0)
    writers = [await started(make, redis_server, ai_memory_max_turns=1000) for _ in range(2)]
    numbers: list[int] = []

    async def write(name: int, memory: Memory) -> None:
        for number in range(400):
            numbers.append(await memory.append(key, f"{name}-{number}"))
            if random.random() < 0.3:
                await memory.load(key)

    await asyncio.gather(*(write(name, memory) for name, memory in enumerate(writers)))
    third = await started(make, redis_server, ai_memory_max_turns=1000)
    for memory in (*writers, third):
        found = await turns(memory, key)
        assert len(found) == 800
        for name in range(2):
            assert [text for text in found if text.startswith(f"{name}-")] == [f"{name}-{n}" for n in range(400)]
    assert (await third.load(key)).count == 800
    assert sorted(numbers) == list(range(1, 801))


async def test_a_copy_that_is_fresh_costs_one_command(make: Make, redis_server: Redis, key: str) -> None:
    memory = await started(make, redis_server)
    await memory.append(key, "one")
    async with Client(port=redis_server.port) as client:
        before = (await client.info("commandstats")).get("cmdstat_lrange", {"calls": 0})["calls"]
        asked = (await client.info("commandstats"))["cmdstat_hmget"]["calls"]
        for _ in range(10):
            assert await turns(memory, key) == ["one"]
        after = await client.info("commandstats")
        assert after.get("cmdstat_lrange", {"calls": 0})["calls"] == before
        assert after["cmdstat_hmget"]["calls"] == asked + 10


async def test_a_forgotten_conversation_is_forgotten_by_all(make: Make, redis_server: Redis, key: str) -> None:
    one, other = await started(make, redis_server), await started(make, redis_server)
    await one.append(key, "secret")
    assert await turns(other, key) == ["secret"]
    await one.forget(key)
    assert await turns(one, key) == []
    await until(lambda: not one._shelf.forgets)
    assert await turns(other, key) == []
    assert await other.append(key, "new") == 1
    assert await turns(one, key) == ["new"]


async def test_a_turn_that_cannot_be_read_is_passed_over_and_logged(make: Make, redis_server: Redis, key: str) -> None:
    one, other = await started(make, redis_server), await started(make, redis_server)
    for text in ("one", "!two", "three"):
        await one.append(key, text)
    async with Client(port=redis_server.port) as client:
        await client.lpush(redis_keys(key)[0], b"\xff nonsense")
    with structlog.testing.capture_logs() as logs:
        assert await turns(other, key) == ["one", "three"]
    assert [entry["place"] for entry in logs if entry["event"] == "memory.turn_unreadable"] == [0, 2]


async def test_a_key_of_another_program_costs_only_that_conversation_its_redis(
    make: Make, redis_server: Redis, key: str
) -> None:
    memory = await started(make, redis_server)
    async with Client(port=redis_server.port) as client:
        await client.set(redis_keys(key)[0], "of another program")
        for number in range(3):
            await memory.append(key, str(number))
        assert await turns(memory, key) == ["0", "1", "2"]
        await memory.append(key + "2", "fine")
        assert memory.status().connected
        assert await client.llen(redis_keys(key + "2")[0]) == 1


async def test_cancelled_loads_mix_nothing_up(make: Make, redis_server: Redis, key: str) -> None:
    memory = await started(make, redis_server)
    for number in range(20):
        await memory.append(f"{key}{number}", f"turn of {number}")

    async def hang_up(number: int) -> None:
        task = asyncio.create_task(turns(memory, f"{key}{number % 20}"))
        await asyncio.sleep(random.random() * 0.002)
        task.cancel()
        await asyncio.wait((task,))

    await asyncio.gather(*(hang_up(number) for number in range(400)))
    for number in range(20):
        assert await turns(memory, f"{key}{number}") == [f"turn of {number}"]
    assert memory.status().connected


async def test_an_append_that_is_cancelled_is_carried_through(make: Make, redis_server: Redis, key: str) -> None:
    one, other = await started(make, redis_server), await started(make, redis_server)
    task = asyncio.create_task(one.append(key, "kept"))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait((task,))
    await until(lambda: not one._shelf.dirty)
    assert await turns(other, key) == ["kept"]


async def test_killed_in_the_middle_of_a_conversation_redis_gets_every_turn_back(
    make: Make, fragile: Redis, key: str
) -> None:
    one, other = await started(make, fragile), await started(make, fragile)
    await one.append(key, "before")
    await asyncio.to_thread(fragile.kill)
    waits = []
    with structlog.testing.capture_logs() as logs:
        for number in range(5):
            began = time.perf_counter()
            await one.load(key)
            assert await one.append(key, f"without {number}") == number + 2
            waits.append(time.perf_counter() - began)
        status = one.status()
        assert not status.connected
        assert status.unsaved_turns == 5
        assert "does not answer" in status.detail
        assert status.last_error_at is not None
        await asyncio.to_thread(fragile.restart)  # it keeps nothing over a restart
        await until(lambda: one.status().connected)
    assert sorted(waits)[-1] < 0.6  # one turn finds out
    assert sorted(waits)[3] < 0.05  # the others do not ask
    events = [entry["event"] for entry in logs]
    assert events.count("memory.redis_away") == 1
    assert events.count("memory.redis_back") == 1
    assert one.status().unsaved_turns == 0
    await until(lambda: other.status().connected)
    expected = ["before", *(f"without {number}" for number in range(5))]
    assert await turns(one, key) == expected
    assert await turns(other, key) == expected
    assert (await other.load(key)).count == 6


async def test_emptied_between_two_turns_redis_is_restored_even_for_conversations_that_rest(
    make: Make, fragile: Redis, key: str
) -> None:
    one, other = await started(make, fragile), await started(make, fragile)
    for number in range(3):
        await one.append(f"{key}{number}", "first")
    async with Client(port=fragile.port) as client:
        await client.flushall()
        assert await turns(one, f"{key}0") == ["first"]
        await until(lambda: not one._shelf.dirty and not one._writer.emptied)
        assert [await client.llen(redis_keys(f"{key}{number}")[0]) for number in range(3)] == [1, 1, 1]
    assert await turns(other, f"{key}2") == ["first"]


async def test_an_emptied_redis_in_which_another_instance_wrote_gets_both_in_order(
    make: Make, fragile: Redis, key: str
) -> None:
    one, other = await started(make, fragile), await started(make, fragile)
    for number in range(3):
        await one.append(key, f"one {number}")
    async with Client(port=fragile.port) as client:
        await client.flushall()
    await other.append(key, "other")
    assert await turns(one, key) == ["one 0", "one 1", "one 2", "other"]
    assert await one.append(key, "last") == 5
    await until(lambda: not one._shelf.dirty)
    assert await turns(other, key) == ["one 0", "one 1", "one 2", "other", "last"]


async def test_frozen_redis_costs_one_turn_a_moment_and_later_nothing_is_doubled(
    make: Make, fragile: Redis, key: str
) -> None:
    one, other = await started(make, fragile), await started(make, fragile)
    await one.append(key, "0")
    await asyncio.to_thread(fragile.pause)
    try:
        waits = []
        for number in range(1, 21):
            began = time.perf_counter()
            if number > 1:  # the first finds out by writing
                await one.load(key)
            await one.append(key, str(number))
            waits.append(time.perf_counter() - began)
            await asyncio.sleep(0.03)
    finally:
        await asyncio.to_thread(fragile.resume)
    assert max(waits) < 0.6
    assert sum(waits) < 1.5  # twenty turns that each waited would take three seconds
    await until(lambda: one.status().connected and one.status().unsaved_turns == 0)
    expected = [str(number) for number in range(21)]
    assert await turns(one, key) == expected
    assert await turns(other, key) == expected
    assert (await other.load(key)).count == 21


async def test_calls_go_on_when_redis_was_never_there(make: Make, key: str) -> None:
    memory = make(redis_host="127.0.0.1", redis_port=1)
    await memory.start()
    for number in range(3):
        assert await memory.append(key, str(number)) == number + 1
    assert await turns(memory, key) == ["0", "1", "2"]
    assert not memory.status().connected
    began = time.perf_counter()
    await memory.aclose()
    assert time.perf_counter() - began < 2.5


async def test_what_waits_is_bounded_and_still_comes_back(
    make: Make, fragile: Redis, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.memory.shelf.MAX_UNSAVED_BYTES", 400)  # less than ten turns
    monkeypatch.setattr("app.memory.shelf.MAX_COPIES", 8)
    one, other = await started(make, fragile), await started(make, fragile)
    await asyncio.to_thread(fragile.kill)
    with structlog.testing.capture_logs() as logs:
        for number in range(10):
            for text in ("a", "b", "c"):
                await one.append(f"{key}{number}", text)
    assert 300 < one._shelf.unsaved_bytes <= 400
    assert len(one._shelf.copies) == 8
    assert sum(entry["turns"] for entry in logs if entry["event"] == "memory.turns_lost") == 6
    await asyncio.to_thread(fragile.restart)
    await until(lambda: one.status().connected)
    for number in range(2, 10):
        assert await turns(other, f"{key}{number}") == ["a", "b", "c"]
        assert (await other.load(f"{key}{number}")).count == 3


async def test_a_wrong_password_is_said_in_the_status(make: Make, key: str) -> None:
    need(FORKY)
    server = Redis(password="right")
    await asyncio.to_thread(server.start)
    try:
        memory = make(server, redis_password="wrong-password")
        await memory.start()
        await memory.append(key, "one")
        status = memory.status()
        assert not status.connected
        assert "invalid username-password" in status.detail
        assert "wrong-password" not in status.detail
        right = make(server, redis_password="right")
        await right.start()
        await right.append(key, "one")
        assert right.status().connected
        await memory.aclose()
        await right.aclose()
    finally:
        await asyncio.to_thread(server.stop)


async def test_closing_writes_what_waits(make: Make, redis_server: Redis, key: str) -> None:
    one, other = make(redis_server), await started(make, redis_server)
    await one.append(key, "written at the end")  # never started, so nothing wrote it yet
    await one.aclose()
    assert await turns(other, key) == ["written at the end"]


async def test_a_redis_that_takes_no_writes_keeps_turns_waiting_until_it_does(
    make: Make, fragile: Redis, key: str
) -> None:
    memory = await started(make, fragile)
    async with Client(port=fragile.port) as client:
        await client.config_set("min-replicas-to-write", 1)
        try:
            with structlog.testing.capture_logs() as logs:
                await memory.append(key, "one")
                await until(lambda: not memory.status().connected)
                await asyncio.sleep(0.5)
                assert [entry["event"] for entry in logs] == ["memory.redis_away"]
            assert "NOREPLICAS" in (memory.status().last_error or "")
        finally:
            await client.config_set("min-replicas-to-write", 0)
        await until(lambda: memory.status().connected)
        assert await client.llen(redis_keys(key)[0]) == 1


async def test_a_restart_between_two_turns_is_no_outage(make: Make, fragile: Redis, key: str) -> None:
    one, other = await started(make, fragile), await started(make, fragile)
    await one.append(key, "before")
    await other.load(key)
    await asyncio.to_thread(fragile.restart)  # its connections are dead now, and it is empty
    with structlog.testing.capture_logs() as logs:
        assert await turns(one, key) == ["before"]
        assert await one.append(key, "after") == 2
        await until(lambda: not one._shelf.dirty and not one._writer.emptied)
    assert "memory.redis_away" not in [entry["event"] for entry in logs]
    assert await turns(other, key) == ["before", "after"]


async def test_a_redis_that_died_is_noticed_without_a_call(
    make: Make, fragile: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.memory.redis.LOOK_EVERY", 0.05)
    memory = make(fragile)
    await memory.start()
    await asyncio.sleep(0.2)
    assert memory.status().connected
    await asyncio.to_thread(fragile.stop)
    await until(lambda: not memory.status().connected)
    assert "does not answer" in memory.status().detail
    await asyncio.to_thread(fragile.start)
    await until(lambda: memory.status().connected)


async def test_a_load_finds_out_that_redis_stands_still_within_its_time(make: Make, fragile: Redis, key: str) -> None:
    memory = await started(make, fragile)
    await memory.append(key, "known")
    await asyncio.to_thread(fragile.pause)
    try:
        began = time.perf_counter()
        results = await asyncio.gather(*(turns(memory, key) for _ in range(50)), turns(memory, key + "new"))
        assert time.perf_counter() - began < 0.6
        assert results == [["known"]] * 50 + [[]]
        began = time.perf_counter()
        await turns(memory, key)
        assert time.perf_counter() - began < 0.05
    finally:
        await asyncio.to_thread(fragile.resume)
    await until(lambda: memory.status().connected)


async def test_a_turn_that_cannot_be_written_is_no_failed_turn(make: Make, redis_server: Redis, key: str) -> None:
    memory = await started(make, redis_server)
    await memory.append(key, "one")
    with structlog.testing.capture_logs() as logs:
        assert await memory.append(key, "?two") == 2
    assert [entry["event"] for entry in logs] == ["memory.turn_unwritable"]
    await memory.append(key, "three")
    assert (await turns(memory, key))[-1] == "three"


async def test_the_commands_that_the_manual_names_are_enough(make: Make, fragile: Redis, key: str) -> None:
    manual = (Path(__file__).parents[2] / "docs" / "memory.md").read_text()
    named = re.search(r"The user needs the commands (.*?), on keys", manual, re.DOTALL)
    assert named is not None
    commands = [f"+{command.lower()}" for command in re.findall(r"`(\w+)`", named[1])]
    async with Client(port=fragile.port) as client:
        await client.acl_setuser("ai", True, passwords="+secret-word", keys=["ai:conv:*"], commands=commands)
        try:
            changes = {"redis_username": "ai", "redis_password": "secret-word", "redis_db": 1}
            one, other = await started(make, fragile, **changes), await started(make, fragile, **changes)
            await one.append(key, "one")
            assert await turns(other, key) == ["one"]
            await client.flushall()
            await turns(one, key)
            await until(lambda: not one._shelf.dirty and not one._writer.emptied)
            await one.forget(key)
            await until(lambda: not one._shelf.dirty)
            assert await turns(other, key) == []
            for memory in (one, other):
                assert (memory.status().connected, memory.status().last_error) == (True, None)
                await memory.aclose()
        finally:
            await client.acl_deluser("ai")


@pytest.mark.parametrize("part", [0, 1], ids=["list", "hash"])
async def test_a_conversation_of_which_redis_evicted_one_key_is_put_back_whole(
    make: Make, redis_server: Redis, key: str, part: int
) -> None:
    one, other = await started(make, redis_server), await started(make, redis_server)
    for text in ("one", "two"):
        await one.append(key, text)
    async with Client(port=redis_server.port) as client:
        await client.delete(redis_keys(key)[part])
        await one.append(key, "three")
        await until(lambda: not one._shelf.dirty)
        assert await client.llen(redis_keys(key)[0]) == 3
    for memory in (one, other):
        conversation = await memory.load(key)
        assert (list(conversation.turns), conversation.count) == (["one", "two", "three"], 3)
    assert await other.append(key, "four") == 4


@pytest.mark.parametrize("part", [0, 1], ids=["list", "hash"])
async def test_another_instance_may_be_the_first_to_write_after_an_eviction(
    make: Make, redis_server: Redis, key: str, part: int
) -> None:
    one, other = await started(make, redis_server), await started(make, redis_server)
    for text in ("one", "two"):
        await one.append(key, text)
    async with Client(port=redis_server.port) as client:
        await client.delete(redis_keys(key)[part])
    await other.append(key, "three")
    assert await turns(one, key) == ["one", "two", "three"]
    await until(lambda: not one._shelf.dirty)
    assert await turns(other, key) == ["one", "two", "three"]
    assert await other.append(key, "four") == 4


async def test_an_emptied_redis_is_filled_also_when_all_that_is_kept_still_waits(
    make: Make, redis_server: Redis, key: str
) -> None:
    memory = await started(make, redis_server, ai_memory_max_turns=1)
    await memory.append(key, "one")
    async with Client(port=redis_server.port) as client:
        await client.delete(*redis_keys(key))
        assert await memory.append(key, "two") == 2
        await until(lambda: not memory._shelf.dirty)
        assert await client.llen(redis_keys(key)[0]) == 1


async def test_copies_of_many_bytes_make_room_and_are_read_again(
    make: Make, redis_server: Redis, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.memory.shelf.MAX_BYTES", 50_000)
    memory = await started(make, redis_server)
    for number in range(5):
        await memory.append(f"{key}{number}", "x" * 16_000)
    assert len(memory._shelf.copies) == 2
    for number in range(5):
        assert await turns(memory, f"{key}{number}") == ["x" * 16_000]
    assert memory._shelf.weight == sum(copy.weight() for copy in memory._shelf.copies.values()) <= 50_000


async def test_a_turn_that_cannot_be_written_keeps_no_other_out_when_redis_was_emptied(
    make: Make, redis_server: Redis, key: str
) -> None:
    one, other = await started(make, redis_server), await started(make, redis_server)
    await one.append(key, "one")
    await one.append(key, "?two")
    async with Client(port=redis_server.port) as client:
        await client.delete(*redis_keys(key))
    with structlog.testing.capture_logs() as logs:
        await one.append(key, "three")
        await until(lambda: not one._shelf.dirty)
    assert "memory.write_failed" not in [entry["event"] for entry in logs]
    assert await turns(other, key) == ["one", "three"]
