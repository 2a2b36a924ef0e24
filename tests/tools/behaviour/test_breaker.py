"""When a dead system is left alone, and when it is tried again."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from app.tools.behaviour.breaker import Breaker, Passage, State


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def breaker(failures: int = 2, seconds: float = 30.0) -> tuple[Breaker, Clock, list[State]]:
    clock, seen = Clock(), list[State]()
    return Breaker(failures, seconds, clock, seen.append), clock, seen


def fail(tried: Breaker, times: int = 1) -> None:
    for _ in range(times):
        passage = tried.begin()
        assert passage is not None
        tried.failed(passage)


def test_failures_in_a_row_open_it_and_a_success_between_does_not() -> None:
    tried, _, seen = breaker()
    fail(tried)
    passage = tried.begin()
    assert passage is not None
    tried.succeeded(passage)
    fail(tried)
    assert tried.state == "closed"
    fail(tried)
    assert seen == ["open"]
    assert tried.refused_for() == 30.0
    assert tried.begin() is None


def test_after_its_time_exactly_one_call_tries_and_closes_it() -> None:
    tried, clock, seen = breaker()
    fail(tried, 2)
    clock.now = 30.0
    probe = tried.begin()
    assert probe is not None
    assert tried.begin() is None
    assert tried.refused_for() == 1.0
    tried.succeeded(probe)
    assert seen == ["open", "half_open", "closed"]
    fail(tried)
    assert tried.state == "closed"


def test_a_probe_that_fails_opens_it_again_for_the_whole_time() -> None:
    tried, clock, _ = breaker(failures=5)
    fail(tried, 5)
    clock.now = 31.0
    fail(tried)
    assert tried.state == "open"
    assert tried.refused_for() == 30.0


def test_a_probe_that_tells_nothing_leaves_the_next_call_to_try() -> None:
    tried, clock, _ = breaker()
    fail(tried, 2)
    clock.now = 30.0
    for _ in range(3):
        probe = tried.begin()
        assert probe is not None
        tried.untold(probe)
    assert tried.refused_for() is None


def test_what_a_call_of_before_finds_out_is_no_news() -> None:
    tried, clock, seen = breaker()
    slow = tried.begin()
    assert slow is not None
    fail(tried, 2)
    tried.succeeded(slow)
    assert seen == ["open"]
    clock.now = 30.0
    probe = tried.begin()
    assert probe is not None
    tried.failed(slow)
    tried.untold(slow)
    assert seen == ["open", "half_open"]
    assert tried.begin() is None


@settings(max_examples=200)
@given(st.lists(st.tuples(st.sampled_from(["begin", "ok", "fail", "untold", "wait"]), st.integers(0, 9)), max_size=80))
def test_whatever_happens_there_is_one_probe_at_most_and_a_way_back(steps: list[tuple[str, int]]) -> None:
    tried, clock, _ = breaker(failures=3, seconds=10)
    out: list[Passage] = []
    for step, number in steps:
        if step == "wait":
            clock.now += number
        elif step == "begin":
            passage = tried.begin()
            if passage is not None:
                out.append(passage)
        elif out:
            passage = out.pop(number % len(out))
            {"ok": tried.succeeded, "fail": tried.failed, "untold": tried.untold}[step](passage)
        if tried.state == "half_open":
            assert sum(passage.era == tried._era for passage in out) <= 1
    for passage in out:
        tried.untold(passage)
    clock.now += 10
    last = tried.begin()
    assert last is not None
    tried.succeeded(last)
    assert tried.state == "closed"
