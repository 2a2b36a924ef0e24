"""Many calls from one SIPp."""

from __future__ import annotations

import pytest

from lab.caller import Caller

pytestmark = pytest.mark.lab


async def test_many_calls_bring_a_time_each(caller: Caller) -> None:
    result = await caller.load("199", rate=50, calls=50, say=["hello", "world; and [field0], ü"])
    assert (result.completed, result.failed, result.statuses["OK"]) == (50, 0, 50), result.log
    assert len(result.milliseconds) == 50
    assert all(0 < milliseconds < 1_000 for milliseconds in result.milliseconds)


async def test_calls_without_the_gateway_are_counted_by_their_missing_status(caller: Caller) -> None:
    result = await caller.load("100", rate=50, calls=5)
    assert (result.completed, dict(result.statuses)) == (5, {"": 5}), result.log


async def test_calls_that_are_refused_have_failed(caller: Caller) -> None:
    result = await caller.load("987", rate=50, calls=3)
    assert (result.completed, result.failed) == (0, 3)
    assert "404" in result.log
