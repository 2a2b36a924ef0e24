"""What many watch is read once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any, cast

import httpx2
import pytest

from app.api.parts import Parts
from app.api.problems import ProblemError
from app.api.sampling import Sampled, Watchers
from app.api.status import live
from app.api.streaming import stream
from app.core.settings import Settings
from app.db.errors import DatabaseUnavailable
from tests.api.conftest import Stub, waiting


class Source:
    """Counts its reads; each takes a moment."""

    def __init__(self) -> None:
        self.reads = 0
        self.failure: DatabaseUnavailable | None = None

    async def read(self) -> int:
        self.reads += 1
        await asyncio.sleep(0)
        if self.failure:
            raise self.failure
        return self.reads


async def test_many_who_ask_at_once_get_one_reading() -> None:
    source, sampled = Source(), Sampled[int](60)
    assert await asyncio.gather(*(sampled.get(source.read) for _ in range(20))) == [1] * 20


async def test_what_is_due_is_read_again() -> None:
    source, sampled = Source(), Sampled[int](0)
    assert [await sampled.get(source.read), await sampled.get(source.read)] == [1, 2]


async def test_a_failure_is_not_waited_for_by_each_in_turn() -> None:
    source, sampled = Source(), Sampled[int](60)
    source.failure = DatabaseUnavailable("it is gone")
    for _ in range(3):
        with pytest.raises(DatabaseUnavailable, match="it is gone"):
            await sampled.get(source.read)
    assert source.reads == 1


async def test_who_leaves_while_reading_leaves_it_to_the_next() -> None:
    sampled = Sampled[int](60)
    never = asyncio.Event()

    async def hang() -> int:
        await never.wait()
        return 0

    first = asyncio.create_task(sampled.get(hang))
    await asyncio.sleep(0)
    second = asyncio.create_task(sampled.get(Source().read))
    await asyncio.sleep(0)
    first.cancel()
    assert await second == 1


async def test_watchers_are_counted_and_end_when_closed() -> None:
    watchers = Watchers(most=1)
    async with aclosing(watchers.ticks(60)) as ticks:
        assert await anext(ticks) is True
        with pytest.raises(ProblemError, match="watching already"):
            await anext(watchers.ticks(60))
        watchers.close()
        assert [tick async for tick in ticks] == []
    assert watchers.count == 0


async def pieces_of(answer: Any) -> AsyncIterator[bytes]:
    async with aclosing(answer.body_iterator) as pieces:
        async for piece in pieces:
            yield piece


async def test_a_stream_says_what_changed_and_that_nothing_did(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.api.streaming.EVERY", 0.001)
    values: list[bytes | DatabaseUnavailable] = [b"one\ntwo", b"one\ntwo", DatabaseUnavailable("gone"), b"one\ntwo"]

    async def read() -> bytes:
        value = values.pop(0)
        if isinstance(value, DatabaseUnavailable):
            raise value
        return value

    watchers = Watchers()
    pieces = pieces_of(await stream(watchers, "status", read))
    assert await anext(pieces) == b"retry: 3000\n\n"
    assert [await anext(pieces) for _ in range(4)] == [
        b"event: status\ndata: one\ndata: two\n\n",
        b"event: same\ndata: \n\n",
        b"event: trouble\ndata: gone\n\n",
        b"event: status\ndata: one\ndata: two\n\n",
    ]
    watchers.close()
    assert [piece async for piece in pieces] == []


async def test_a_stream_that_begins_during_the_stop_ends_at_once() -> None:
    watchers = Watchers()
    watchers.close()
    pieces = pieces_of(await stream(watchers, "status", cast(Any, None)))
    assert [piece async for piece in pieces] == [b"retry: 3000\n\n"]


async def test_the_live_status_shows_what_happened_to_asterisk(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.api.streaming.EVERY", 0.001)
    parts.samples.status, parts.samples.rendered["api"] = Sampled(0), Sampled(0)
    pieces = pieces_of(await live(parts))
    await anext(pieces)
    assert b'"state":"connected"' in await anext(pieces)
    parts.ari = cast(Any, Stub(waiting("connection refused")))
    assert b"connection refused" in await anext(pieces)
    parts.samples.watchers.close()


async def test_however_many_watch_the_state_is_read_once(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    reads = 0

    async def ping() -> None:
        nonlocal reads
        reads += 1

    monkeypatch.setattr(parts.database, "ping", ping)
    parts.samples.status = Sampled(60)
    watching = [pieces_of(await live(parts)) for _ in range(30)]
    for pieces in watching:
        await anext(pieces)
        assert b"event: status" in await anext(pieces)
    assert reads == 1
    parts.samples.watchers.close()
    for pieces in watching:
        assert [piece async for piece in pieces] == []


async def test_no_room_is_a_problem_with_a_time_to_come_back(client: httpx2.AsyncClient, parts: Parts) -> None:
    parts.samples.watchers = Watchers(most=0)
    answer = await client.get("/api/status/live")
    assert (answer.status_code, answer.json()["code"]) == (503, "too_many_watchers")
    assert answer.headers["retry-after"] == "10"


async def test_the_status_tells_of_the_history_and_of_today(client: httpx2.AsyncClient, parts: Parts) -> None:
    parts.recorder.dropped = 3
    body = (await client.get("/api/status")).json()
    assert (body["history"]["level"], body["history"]["waiting"], body["history"]["dropped"]) == ("warning", 0, 3)
    assert (body["today"]["turns"], body["today"]["p95_ms"]) == (0, None)
    parts.settings = Settings(_env_file=None, history_days=0)
    assert (await client.get("/api/status")).json()["history"]["level"] == "off"


async def test_a_view_ends_so_that_its_login_is_looked_at_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.api.streaming.LONGEST", 0.0)

    async def read() -> bytes:
        return b"one"

    watchers = Watchers()
    pieces = [piece async for piece in pieces_of(await stream(watchers, "status", read, every=0.001))]
    assert pieces == [b"retry: 3000\n\n", b"event: status\ndata: one\n\n"]
    assert watchers.count == 0
