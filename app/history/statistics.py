"""Turns over time: counted by the database from one index, ranked here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from sqlalchemy import Row, case, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.history.record import ABANDONED
from app.history.records import Bucket, Statistics
from app.models.turn import TurnRow

# Lengths of a bucket, in minutes, and how many of them a chart shows well.
LENGTHS: Final = (1, 5, 15, 60, 360, 1440)
_SHOWN: Final = 120

# Milliseconds to which latencies are rounded before they are counted: nobody hears less, and a day's turns become some
# hundreds of rows.
ROUNDED_TO: Final = 10

# In place of a latency, for turns whose latency nobody asks for.
_LEFT, _FAILED = -1, -2


@dataclass(slots=True)
class _Count:
    """What fell into one bucket; ``latencies`` of the turns that ended well, with their numbers."""

    left: int = 0
    failed: int = 0
    latencies: Counter[int] = field(default_factory=Counter)

    def add(self, other: _Count) -> None:
        """Count another one's turns, too."""
        self.left += other.left
        self.failed += other.failed
        self.latencies.update(other.latencies)


def fitting_length(since: datetime, until: datetime) -> int:
    """The length, in minutes, that cuts the time into at most :data:`_SHOWN` buckets; the longest for years."""
    minutes = (until - since).total_seconds() / 60
    return next((each for each in LENGTHS if minutes / each <= _SHOWN), LENGTHS[-1])


async def read_statistics(session: AsyncSession, since: datetime, until: datetime, length: int) -> Statistics:
    """See :meth:`app.history.store.HistoryStore.statistics`."""
    first, last = _minute(since) // length, (_minute(until) - (until.timestamp() % 60 == 0)) // length
    begin, end = first * length, (last + 1) * length
    counts = {start: _Count() for start in range(begin, end, length)}
    for start, latency, turns in await _read(session, begin, end, length):
        count = counts[start]
        if latency >= 0:
            count.latencies[latency] = turns
        elif latency == _LEFT:
            count.left = turns
        else:
            count.failed = turns
    total = _Count()
    for count in counts.values():
        total.add(count)
    return Statistics(
        since=_moment(begin),
        until=_moment(end),
        bucket_minutes=length,
        total=_bucket(begin, total),
        buckets=tuple(_bucket(start, count) for start, count in counts.items()),
    )


async def _read(session: AsyncSession, begin: int, end: int, length: int) -> Sequence[Row[int, int, int]]:
    """Bucket, rounded latency (or how else the turns ended), and how many turns."""
    start = (TurnRow.minute - TurnRow.minute % length).label("start")
    # No division: databases disagree on what it makes of whole numbers.
    shifted = TurnRow.latency_ms + ROUNDED_TO // 2
    latency = case(
        (TurnRow.status == "OK", shifted - shifted % ROUNDED_TO), (TurnRow.status == ABANDONED, _LEFT), else_=_FAILED
    ).label("rounded")
    # Of the connection: a session would look at each of some thousands of rows for records to keep track of.
    connection = await session.connection()
    rows = await connection.execute(
        select(start, latency, func.count())
        .where(TurnRow.minute >= begin, TurnRow.minute < end)
        .group_by(start, latency)
    )
    return rows.all()


def _bucket(start: int, count: _Count) -> Bucket:
    return Bucket(
        start=_moment(start),
        turns=count.latencies.total() + count.left + count.failed,
        errors=count.failed,
        abandoned=count.left,
        p50_ms=_quantile(count.latencies, 50),
        p95_ms=_quantile(count.latencies, 95),
    )


def _quantile(latencies: Mapping[int, int], percent: int) -> int | None:
    """The smallest latency that so many of the turns do not exceed."""
    wanted, seen = sum(latencies.values()) * percent, 0
    for latency in sorted(latencies):
        seen += latencies[latency]
        if seen * 100 >= wanted:
            return latency
    return None


def _minute(moment: datetime) -> int:
    return int(moment.timestamp() // 60)


def _moment(minute: int) -> datetime:
    return datetime.fromtimestamp(minute * 60, UTC)
