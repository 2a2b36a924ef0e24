"""What is tried again, and when."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.tools.auth.errors import TokenServerFailing
from app.tools.backend import Response
from app.tools.behaviour.retrying import seconds_of, tries_of, wait_before, worth_repeating
from app.tools.errors import ArgumentsInvalid, ToolFailure, ToolUnreachable
from app.tools.guard.rules import ToolRefused
from app.tools.validation import parse_definition

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("method", "behaviour", "tries"),
    [
        ("GET", {"retries": 2}, 3),
        ("PUT", {"retries": 1}, 2),
        ("DELETE", {"retries": 1}, 2),
        ("POST", {"retries": 5}, 1),
        ("PATCH", {"retries": 5}, 1),
        ("POST", {"retries": 2, "repeatable": True}, 3),
        ("GET", {}, 1),
    ],
)
def test_only_what_is_safe_is_tried_again(method: str, behaviour: dict[str, object], tries: int) -> None:
    tool = parse_definition(
        {
            "name": "t",
            "description": "d",
            "request": {"method": method, "url": "http://x.example/"},
            "behaviour": behaviour,
        }
    )
    assert tries_of(tool) == tries


@pytest.mark.parametrize(
    ("failure", "worth"),
    [
        (TimeoutError(), True),
        (ToolUnreachable("a", for_model="a"), True),
        (ToolRefused("a", for_model="a"), False),
        (TokenServerFailing("a", tool="t"), False),
        (ArgumentsInvalid("a", for_model="a"), False),
    ],
)
def test_refusals_are_final(failure: ToolFailure | TimeoutError, worth: bool) -> None:
    assert worth_repeating(failure) is worth


def test_statuses_that_pass_are_worth_it() -> None:
    worth = {status for status in range(200, 600) if worth_repeating(Response(status, "", None, b""))}
    assert worth == {408, 425, 429, 502, 503, 504}


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("3", 3),
        (" 120 ", 120),
        (format_datetime(NOW, usegmt=True).replace("12:00:00", "12:00:07"), 7),
        ("Sun, 22 Nov 2026 11:00:00 GMT", 0),
        ("", None),
        ("-1", None),
        ("1.5", None),
        ("soon", None),
        ("²", None),
        ("9" * 500, 999_999_999),
    ],
)
def test_retry_after_is_seconds_or_a_date(text: str, seconds: float | None) -> None:
    assert seconds_of(text, NOW.timestamp()) == seconds


@given(st.text(max_size=60))
def test_no_retry_after_breaks_anything(text: str) -> None:
    found = seconds_of(text, NOW.timestamp())
    assert found is None or found >= 0


@given(st.integers(1, 6), st.none() | st.floats(0, 1e6), st.floats(0, 1))
def test_waits_are_bounded_and_never_shorter_than_asked(repeat: int, asked: float | None, chance: float) -> None:
    wait = wait_before(repeat, asked, lambda: chance)
    assert wait >= 0.1
    assert wait <= 3 or asked is not None
    assert asked is None or asked <= wait <= max(3, asked * 1.1)
