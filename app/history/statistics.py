"""Turns over time: counted and ranked by the database, which reads one index for it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, case, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.history.record import ABANDONED, FINE
from app.history.records import Bucket, Statistics
from app.models.turn import TurnRow

# Lengths of a bucket, in minutes, and how many of them a chart shows well.
LENGTHS: Final = (1, 5, 15, 60, 360, 1440)
_SHOWN: Final = 120


def fitting_length(since: datetime, until: datetime) -> int:
    """The length, in minutes, that cuts the time into at most :data:`_SHOWN` buckets; the longest for years."""
    minutes = (until - since).total_seconds() / 60
    return next((each for each in LENGTHS if minutes / each <= _SHOWN), LENGTHS[-1])


async def read_statistics(session: AsyncSession, since: datetime, until: datetime, length: int) -> Statistics:
    """See :meth:`app.history.store.HistoryStore.statistics`."""
    first, last = _minute(since) // length, (_minute(until) - (until.timestamp() % 60 == 0)) // length
    begin, end = first * length, (last + 1) * length
    found = await _read(session, begin, end, TurnRow.minute - TurnRow.minute % length)
    total = await _read(session, begin, end, TurnRow.minute * 0 + begin)
    starts = range(begin, end, length)
    return Statistics(
        since=_moment(begin),
        until=_moment(end),
        bucket_minutes=length,
        total=total.get(begin, Bucket(_moment(begin))),
        buckets=tuple(found.get(start, Bucket(_moment(start))) for start in starts),
    )


async def _read(session: AsyncSession, begin: int, end: int, start: ColumnElement[int]) -> dict[int, Bucket]:
    within = (TurnRow.minute >= begin, TurnRow.minute < end)
    fine = TurnRow.status == "OK"
    bucket = start.label("bucket")
    counts = await session.execute(
        select(
            bucket,
            func.count(),
            func.sum(case((TurnRow.status.not_in(FINE), 1), else_=0)),
            func.sum(case((TurnRow.status == ABANDONED, 1), else_=0)),
        )
        .where(*within)
        .group_by(bucket)
    )
    ranked = (
        select(
            bucket,
            TurnRow.latency_ms,
            func.row_number().over(partition_by=start, order_by=TurnRow.latency_ms).label("rank"),
            func.count().over(partition_by=start).label("of"),
        )
        .where(*within, fine)
        .subquery()
    )
    quantiles = await session.execute(
        select(ranked.c.bucket, _quantile(ranked, 50), _quantile(ranked, 95)).group_by(ranked.c.bucket)
    )
    latencies = {int(start): (p50, p95) for start, p50, p95 in quantiles}
    return {
        int(start): Bucket(
            _moment(int(start)), turns, int(errors), int(abandoned), *latencies.get(int(start), (None, None))
        )
        for start, turns, errors, abandoned in counts
    }


def _quantile(ranked: Any, percent: int) -> ColumnElement[int]:
    """The smallest latency that so many of a bucket's turns do not exceed."""
    return func.min(case((ranked.c.rank * 100 >= ranked.c.of * percent, ranked.c.latency_ms)))


def _minute(moment: datetime) -> int:
    return int(moment.timestamp() // 60)


def _moment(minute: int) -> datetime:
    return datetime.fromtimestamp(minute * 60, UTC)
