"""Turns are found again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.engine import Engine

from app.db.database import Database
from app.history.errors import ConversationNotFound, TurnNotFound
from app.history.record import FAILED
from app.history.rows import write
from app.history.store import CallFilter, HistoryStore
from tests.history.conftest import START, make_tool, make_turn


@pytest.fixture
async def store(database: Database) -> HistoryStore:
    """Four turns, in three conversations."""
    records = [
        make_turn(1, caller_number="100", caller_text="Was kostet die ÄNDERUNG?", latency_ms=100),
        make_turn(2, conversation="pbx:1", status="TIMEOUT", error="turn_timeout", latency_ms=5000),
        make_turn(3, prompt_name="other", tools=(make_tool("weather"), make_tool("weather")), latency_ms=300),
        make_turn(64, status="ABANDONED", caller_text="100% sure_", latency_ms=0),
    ]
    async with database.session() as session:
        await write(session, records)
    return HistoryStore(database)


@pytest.mark.parametrize(
    ("which", "expected"),
    [
        (CallFilter(), [64, 3, 2, 1]),
        (CallFilter(since=START + timedelta(minutes=2), until=START + timedelta(minutes=64)), [3, 2]),
        (CallFilter(number="4915"), [64, 3, 2]),
        (CallFilter(prompt="other"), [3]),
        (CallFilter(status="TIMEOUT"), [2]),
        (CallFilter(status=FAILED), [2]),
        (CallFilter(conversation=999_999), []),
        (CallFilter(tool="weather"), [3]),
        (CallFilter(text="änderung"), [1]),
        (CallFilter(text="0% SURE_"), [64]),
        (CallFilter(text="0%ure"), []),
        (CallFilter(status="OK", prompt="main", number="100", text="kostet"), [1]),
    ],
)
async def test_filters_find_turns_newest_first(store: HistoryStore, which: CallFilter, expected: list[int]) -> None:
    page = await store.turns(which)
    assert [turn.turn_id for turn in page.items] == [f"turn-{number}" for number in expected]
    assert page.total == len(expected)
    assert {turn.summary.turn_id async for turn in store.export(which)} == {f"turn-{number}" for number in expected}


async def test_conversations_are_found_by_any_of_their_turns(store: HistoryStore) -> None:
    async def keys(which: CallFilter) -> list[str]:
        return [each.key for each in (await store.conversations(which)).items]

    assert len(await keys(CallFilter())) == 3
    assert len(await keys(CallFilter(status="TIMEOUT"))) == 1
    assert len(await keys(CallFilter(tool="weather"))) == 1
    assert len(await keys(CallFilter(number="4915"))) == 3
    assert len(await keys(CallFilter(since=START + timedelta(minutes=3)))) == 2


async def test_pages_and_orders(store: HistoryStore) -> None:
    page = await store.turns(offset=1, limit=2, sort="latency_ms")
    assert ([turn.latency_ms for turn in page.items], page.total) == ([100, 300], 4)
    conversations = await store.conversations(limit=1, sort="last_at")
    assert conversations.items[0].last_status == "TIMEOUT"


@pytest.mark.parametrize(
    ("which", "total"),
    [
        (CallFilter(), 3),
        (CallFilter(text="tomorrow"), 3),
        (CallFilter(status=FAILED), 1),
        (CallFilter(text="nobody"), 0),
    ],
)
async def test_a_page_after_the_last_one_is_empty_and_still_counts(
    store: HistoryStore, which: CallFilter, total: int
) -> None:
    page = await store.conversations(which, offset=50)
    assert (list(page.items), page.total) == ([], total)
    turns = await store.turns(which, offset=50)
    assert (list(turns.items), turns.total) == ([], (await store.turns(which)).total)


async def test_a_search_counts_beyond_its_page(store: HistoryStore) -> None:
    page = await store.conversations(CallFilter(text="tomorrow"), offset=1, limit=1, sort="started_at")
    everything = await store.conversations(CallFilter(text="tomorrow"), sort="started_at")
    assert (len(page.items), page.total) == (1, 3)
    assert page.items[0] == everything.items[1]


async def test_a_conversation_has_its_turns_in_the_order_of_time(store: HistoryStore) -> None:
    found = (await store.conversations(CallFilter(status="TIMEOUT"))).items[0]
    conversation, page = await store.conversation(found.id)
    assert conversation == found
    assert [turn.summary.turn_id for turn in page.items] == ["turn-1", "turn-2"]
    with pytest.raises(ConversationNotFound):
        await store.conversation(999_999)
    with pytest.raises(TurnNotFound):
        await store.turn("nobody")


async def test_each_conversation_shows_its_last_turn(store: HistoryStore) -> None:
    page = await store.conversations(sort="-turns")
    assert [each.last_turn.turn_id for each in page.items if each.last_turn] == ["turn-2", "turn-64", "turn-3"]
    assert [each.turns for each in page.items] == [2, 1, 1]
    costly = await store.conversations(sort="-cost_micros")
    assert len(costly.items) == 3


async def test_a_turn_has_its_place_in_its_conversation(store: HistoryStore) -> None:
    found = (await store.conversations(CallFilter(status="TIMEOUT"))).items[0]
    assert await store.place("turn-1") == (found.id, 0)
    assert await store.place("turn-2") == (found.id, 1)
    with pytest.raises(TurnNotFound):
        await store.place("nobody")


async def test_a_page_of_a_conversation_takes_the_same_few_queries_whatever_its_length(
    store: HistoryStore, database: Database
) -> None:
    async with database.session() as session:
        turns = [make_turn(1000 + n, conversation="pbx:long", tools=(make_tool(),)) for n in range(150)]
        await write(session, turns)
    conversations = (await store.conversations(sort="-turns")).items
    counts = []
    for conversation in (conversations[0], conversations[-1]):
        with queries() as asked:
            await store.conversation(conversation.id)
        counts.append(len(asked))
    assert counts[0] == counts[1] <= 6
    with queries() as asked:
        await store.conversations()
    assert len(asked) <= 5


@contextmanager
def queries() -> Iterator[list[str]]:
    """The SELECTs of the block."""
    asked: list[str] = []

    def note(*args: Any) -> None:
        if args[2].lstrip().upper().startswith("SELECT"):
            asked.append(args[2])

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield asked
    finally:
        event.remove(Engine, "before_cursor_execute", note)


async def test_statistics_count_and_rank_in_buckets(store: HistoryStore, database: Database) -> None:
    async with database.session() as session:
        await write(session, [make_turn(100 + n, started_at=START, latency_ms=n) for n in range(1, 101)])
    found = await store.statistics(START, START + timedelta(hours=2), 60)
    first, second = found.buckets
    assert (first.turns, first.errors, first.abandoned) == (103, 1, 0)
    assert (second.turns, second.abandoned, second.p50_ms) == (1, 1, None)
    # 1 to 100, 100 again, and 300: 102 that ended OK; rounded to ten.
    assert (first.p50_ms, first.p95_ms) == (50, 100)
    assert (found.total.turns, found.total.errors) == (104, 1)
    assert (found.since, found.until) == (START, START + timedelta(hours=2))


async def test_the_use_of_a_prompt_is_counted_by_version_and_by_its_id(store: HistoryStore, database: Database) -> None:
    more = [
        make_turn(70, prompt_name="renamed since", prompt_version=4),
        make_turn(71, prompt_id=2, prompt_version=9),
        make_turn(72, prompt_id=None, prompt_version=None, variables={"order": "A1", "caller_number": "1"}),
    ]
    async with database.session() as session:
        await write(session, more)
    use = await store.prompt_use(1, START)
    assert (use.turns, use.by_version) == (5, {3: 4, 4: 1})
    assert use.last_at == START + timedelta(minutes=70)
    later = await store.prompt_use(1, START + timedelta(minutes=71))
    assert (later.turns, later.by_version, later.last_at) == (0, {}, None)
    assert await store.recent_variables() == ("caller_number", "order")
