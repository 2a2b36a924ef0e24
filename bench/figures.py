"""The arithmetic of the benchmark: percentiles, and what is left of a call's time when its unavoidable parts are taken
off. No I/O."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median


def percentile(values: Iterable[float], share: float) -> float:
    """The smallest value that at least ``share`` (0 to 1) of the values do not pass: the nearest-rank definition,
    which never invents a value between two that were measured. NaN for no values."""
    ordered = sorted(values)
    if not ordered:
        return math.nan
    if not 0 <= share <= 1:
        raise ValueError(f"a share lies between 0 and 1, not at {share}")
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def overheads(times: Iterable[float], *, baseline: Sequence[float], model: float) -> list[float]:
    """What the gateway added to each call, in milliseconds.

    A call without the gateway has no partner among the calls with it, so the *median* of the calls without it (at the
    same rate, in the same round) is taken off each. What Asterisk itself scatters therefore stays in the tail, for
    every contender alike; single results may be slightly negative.

    Args:
        times: INVITE to answer, milliseconds.
        baseline: The same for calls without the gateway.
        model: Milliseconds that the stub waited by intent, over all its requests of one turn.
    """
    if not baseline:
        raise ValueError("no calls without the gateway to compare with")
    without = median(baseline) + model
    return [time - without for time in times]


@dataclass(frozen=True, slots=True)
class Spread:
    """Median and tail of some values, in their unit."""

    count: int
    p50: float
    p95: float
    p99: float
    worst: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """NaN everywhere for no values."""
        return cls(
            len(values),
            median(values) if values else math.nan,
            percentile(values, 0.95),
            percentile(values, 0.99),
            max(values, default=math.nan),
        )


def slope(points: Sequence[tuple[float, float]]) -> float:
    """Least-squares growth of y for each x; 0 for fewer than two points."""
    if len(points) < 2:
        return 0.0
    mean_x = sum(x for x, _ in points) / len(points)
    mean_y = sum(y for _, y in points) / len(points)
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    return sum((x - mean_x) * (y - mean_y) for x, y in points) / spread if spread else 0.0
