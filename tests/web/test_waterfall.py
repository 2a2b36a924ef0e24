"""Where the time of a turn went, in parts that add up."""

from __future__ import annotations

from typing import Any

import pytest

from app.history.records import TurnDetail, TurnSummary
from app.web.waterfall import SCALE, Waterfall, waterfall
from tests.history.conftest import START


def span(part: str, start: float, elapsed: float, name: str = "") -> dict[str, Any]:
    return {"part": part, "name": name, "start_ms": start, "elapsed_ms": elapsed}


def turn(*spans: dict[str, Any], elapsed: int = 1000, status: str = "OK") -> TurnDetail:
    summary = TurnSummary(
        1, "t", START, status, "", "", "", None, "", None, "", 1, "", elapsed, elapsed, None, 0, 0, None, "", ""
    )  # fmt: skip
    return TurnDetail(summary, "", "", "", "", {}, {}, {}, [], list(spans))


def parts(chart: Waterfall) -> list[tuple[str, float, float]]:
    return [(bar.label, bar.start_ms, bar.elapsed_ms) for bar in chart.bars]


def test_the_parts_of_an_answered_turn_add_up() -> None:
    chart = waterfall(
        turn(
            span("ari", 0, 10),
            span("memory", 10, 5, "load"),
            span("model", 15, 900, "m"),
            span("tool", 200, 100, "weather"),
            span("first_text", 10, 590),
            span("memory", 915, 5, "save"),
            span("delivery", 930, 70),
        )
    )
    assert parts(chart) == [
        ("Asterisk: read the caller's words", 0, 10),
        ("Memory: recall the conversation", 10, 5),
        ("Model: until its first words", 15, 485),
        ("Tool", 200, 100),
        ("Model: the rest of its words", 600, 315),
        ("Memory: keep the turn", 915, 5),
        ("Asterisk: hand the answer over", 930, 70),
        ("Everything else", 920, 10),
    ]
    assert sum(bar.elapsed_ms for bar in chart.bars) == chart.total_ms == 1000
    (before,) = (bar for bar in chart.bars if bar.label == "Model: until its first words")
    assert before.pieces == ((15, 185), (300, 300))


def test_a_turn_that_ran_out_of_time_shows_what_it_waited_for() -> None:
    chart = waterfall(turn(span("memory", 1, 1, "load"), span("model", 2, 7_900, "m"), elapsed=8_010, status="TIMEOUT"))
    assert ("Model: waited for an answer", 2, 7_900) in parts(chart)


def test_a_model_that_failed_before_another_answered_stands_for_itself() -> None:
    chart = waterfall(turn(span("model", 0, 400, "a"), span("model", 400, 600, "b"), span("first_text", 0, 900)))
    assert [(bar.name, bar.label, bar.elapsed_ms) for bar in chart.bars] == [
        ("a", "Model", 400),
        ("b", "Model: until its first words", 500),
        ("b", "Model: the rest of its words", 100),
    ]


def test_tools_that_run_at_once_are_taken_out_of_the_model_once() -> None:
    chart = waterfall(turn(span("model", 0, 1000), span("tool", 100, 300, "a"), span("tool", 200, 300, "b")))
    assert parts(chart)[0] == ("Model", 0, 600)


@pytest.mark.parametrize("elapsed", [0, 1])
def test_nothing_measured_is_no_chart_and_parts_without_length_are_still_seen(elapsed: int) -> None:
    assert waterfall(turn(elapsed=elapsed)).bars == ()
    chart = waterfall(turn(span("memory", 1, 0, "load"), span("delivery", 1, 0), elapsed=elapsed))
    for bar in chart.bars:
        for start, width in bar.pieces:
            assert start >= 0
            assert width > 0
            assert start + width <= SCALE
