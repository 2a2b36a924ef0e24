"""Turns are written behind the calls, and none is lost without a word."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest

from app.db.database import Database
from app.db.errors import DatabaseUnavailable
from app.history import recorder as module
from app.history.recorder import Recorder
from app.history.retention import Retention
from app.history.rows import write
from app.history.store import HistoryStore
from tests.history.conftest import START, make_tool, make_turn


async def until_written(recorder: Recorder, count: int) -> None:
    async with asyncio.timeout(10):
        while recorder.written < count:
            await asyncio.sleep(0.01)


async def test_what_was_recorded_is_read_back_whole(database: Database) -> None:
    record = make_turn(tools=(make_tool(), make_tool("other", ok=False, error="tool_timeout")), cost_micros=12)
    async with database.session() as session:
        await write(session, [record])
    turn = await HistoryStore(database).turn("turn-1")
    assert (turn.summary.caller_text, turn.summary.started_at) == (record.caller_text, record.started_at)
    assert (turn.summary.cost_micros, turn.summary.first_text_ms) == (12, 400.5)
    assert [tool["name"] for tool in turn.tools] == ["get_order_status", "other"]
    assert turn.spans == [{"part": "model", "name": "test:model", "start_ms": 1.0, "elapsed_ms": 790.0}]
    assert turn.returned["AI_STATUS"] == "OK"


async def test_the_conversation_grows_with_its_turns_and_no_turn_counts_twice(database: Database) -> None:
    first = make_turn(1, conversation="pbx:c", cost_micros=5)
    later = make_turn(2, conversation="pbx:c", status="TIMEOUT", cost_micros=7)
    for batch in ([first], [first, later], [later]):
        async with database.session() as session:
            await write(session, batch)
    (conversation,) = (await HistoryStore(database).conversations()).items
    assert (conversation.turns, conversation.failed_turns, conversation.cost_micros) == (2, 1, 12)
    assert (conversation.last_status, conversation.last_at) == ("TIMEOUT", later.started_at)
    assert conversation.started_at == first.started_at


async def test_text_that_databases_refuse_is_made_such_that_they_take_it(database: Database) -> None:
    record = make_turn(
        caller_text="a\0b\ud800c 😀", conversation="pbx:" + "x" * 5000, variables={"k": "\0"}, caller_number="9" * 500
    )
    async with database.session() as session:
        await write(session, [record])
    assert (await HistoryStore(database).turn("turn-1")).summary.caller_text == "ab?c 😀"


async def test_everything_recorded_before_a_normal_stop_is_written(database: Database) -> None:
    recorder = Recorder(database, flush_every=60)
    await recorder.start()
    for number in range(1, 251):
        recorder.record(make_turn(number))
    await recorder.aclose()
    assert (recorder.written, recorder.waiting, recorder.dropped) == (250, 0, 0)
    assert (await HistoryStore(database).turns(limit=1)).total == 250


async def test_a_turn_alone_is_written_soon(database: Database) -> None:
    recorder = Recorder(database, flush_every=0.05)
    await recorder.start()
    for number in (1, 2):
        recorder.record(make_turn(number))
        await until_written(recorder, number)
    await recorder.aclose()


async def test_of_too_many_the_oldest_is_lost_and_counted(empty_url: str) -> None:
    recorder = Recorder(Database(empty_url), queue=3)
    for number in range(5):
        recorder.record(make_turn(number))
    assert (recorder.waiting, recorder.dropped) == (3, 2)


class Outage:
    """A database that is away for its first tries."""

    def __init__(self, database: Database, tries: int) -> None:
        self.database = database
        self.tries = tries

    @asynccontextmanager
    async def session(self) -> AsyncIterator[Any]:
        if self.tries > 0:
            self.tries -= 1
            raise DatabaseUnavailable("away")
        async with self.database.session() as session:
            yield session


async def test_turns_wait_while_the_database_is_away(database: Database) -> None:
    outage: Any = Outage(database, 3)
    recorder = Recorder(outage, flush_every=0.01, pause=0.01)
    await recorder.start()
    recorder.record(make_turn())
    await until_written(recorder, 1)
    await recorder.aclose()
    assert (await HistoryStore(database).turns()).total == 1


async def test_a_stop_waits_only_so_long_for_a_database_that_hangs(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Hangs:
        @asynccontextmanager
        async def session(self) -> AsyncIterator[Any]:
            await asyncio.sleep(60)
            yield None

    monkeypatch.setattr(module, "STOP_WITHIN", 0.05)
    hangs: Any = Hangs()
    recorder = Recorder(hangs, flush_every=0.01)
    await recorder.start()
    recorder.record(make_turn())
    begun = time.monotonic()
    await recorder.aclose()
    assert time.monotonic() - begun < 1
    assert recorder.dropped == 1


async def test_one_record_that_cannot_be_stored_keeps_no_other_out(database: Database) -> None:
    recorder = Recorder(database, flush_every=0.01)
    await recorder.start()
    broken: Any = "not a number"
    for number, tokens in ((1, 1), (2, broken), (3, 1)):
        recorder.record(make_turn(number, output_tokens=tokens))
    await recorder.aclose()
    assert (recorder.written, recorder.dropped) == (2, 1)


async def test_two_instances_may_begin_a_conversation_at_once(database: Database, second: Database) -> None:
    recorders = [Recorder(each, flush_every=0.01) for each in (database, second)]
    for recorder in recorders:
        await recorder.start()
    for number in range(40):
        recorders[number % 2].record(make_turn(number, conversation=f"pbx:{number // 2}"))
    for recorder in recorders:
        await recorder.aclose()
    page = await HistoryStore(database).conversations(limit=50)
    assert [each.turns for each in page.items] == [2] * 20


async def test_old_turns_are_deleted_and_conversations_that_have_none_left(database: Database) -> None:
    old, new = make_turn(1, conversation="pbx:lasting"), make_turn(2, conversation="pbx:lasting")
    gone = make_turn(0, tools=(make_tool(),))
    async with database.session() as session:
        await write(session, [old, new, gone])
    deleted = await Retention(database, 90).delete_old(START + timedelta(minutes=2))
    store = HistoryStore(database)
    assert deleted == 2
    assert [turn.turn_id for turn in (await store.turns()).items] == ["turn-2"]
    assert [each.key for each in (await store.conversations()).items] == ["2"]
