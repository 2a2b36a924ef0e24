"""The arithmetic of the benchmark."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.figures import Spread, overheads, percentile, slope


def test_percentiles_are_values_that_were_measured() -> None:
    values = [float(value) for value in range(1, 201)]
    assert percentile(values, 0.99) == 198
    assert percentile(values, 0.95) == 190
    assert percentile(values, 1) == 200
    assert percentile(values, 0) == 1
    assert percentile([7.0], 0.99) == 7


def test_nothing_measured_is_no_number_rather_than_zero() -> None:
    assert math.isnan(percentile([], 0.5))
    spread = Spread.of([])
    assert spread.count == 0
    assert math.isnan(spread.p50)
    assert math.isnan(spread.p99)


def test_a_share_outside_of_its_range_is_refused() -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        percentile([1.0], 99)


@given(st.lists(st.floats(-1e6, 1e6), min_size=1), st.floats(0, 1))
def test_at_least_the_share_of_the_values_stays_within_the_percentile(values: list[float], share: float) -> None:
    found = percentile(values, share)
    assert found in values
    assert sum(value <= found for value in values) >= share * len(values) - 1e-6


def test_an_overhead_is_the_time_less_the_call_itself_and_the_models_wait() -> None:
    assert overheads([210.0, 230.0, 204.0], baseline=[4.0, 5.0, 90.0], model=200.0) == [5.0, 25.0, -1.0]


def test_an_overhead_needs_calls_to_compare_with() -> None:
    with pytest.raises(ValueError, match="no calls"):
        overheads([1.0], baseline=[], model=0)


def test_a_spread_names_the_worst() -> None:
    spread = Spread.of([1.0, 2.0, 3.0, 100.0])
    assert (spread.count, spread.p50, spread.worst) == (4, 2.5, 100.0)


def test_a_slope_is_the_growth_for_each_step() -> None:
    assert slope([(0, 10.0), (100, 12.0), (200, 14.0)]) == pytest.approx(0.02)
    assert slope([(0, 1.0)]) == 0
    assert slope([(5, 1.0), (5, 2.0)]) == 0
