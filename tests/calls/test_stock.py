"""Which channels are orphans."""

from __future__ import annotations

from app.calls.stock import Stock


def test_a_channel_that_nobody_serves_twice_in_a_row_is_an_orphan_once() -> None:
    stock = Stock()
    assert stock.orphans(["a"], set()) == set()
    assert stock.orphans(["a"], set()) == {"a"}
    assert stock.orphans([], set()) == set()


def test_a_channel_whose_event_was_on_its_way_is_none() -> None:
    stock = Stock()
    assert stock.orphans(["a"], set()) == set()
    assert stock.orphans(["a"], {"a"}) == set()


def test_a_channel_that_was_just_given_back_is_none() -> None:
    stock = Stock()
    assert stock.orphans(["a"], {"a"}) == set()
    assert stock.orphans(["a"], set()) == set()
    assert stock.orphans([], set()) == set()


def test_an_orphan_that_stays_is_named_again() -> None:
    stock = Stock()
    seen = [bool(stock.orphans(["a"], set())) for _ in range(4)]
    assert seen == [False, True, False, True]
