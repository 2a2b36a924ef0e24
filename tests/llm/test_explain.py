"""Errors in words for the operator."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from pydantic import BaseModel, ValidationError

from app.llm.errors import (
    ProviderError,
    ProviderNonsense,
    ProviderRateLimited,
    ProviderTimeout,
    ProviderUnauthorized,
    ProviderUnavailable,
)
from app.llm.explain import Origin, error_text, explain, from_status, parse_retry_after, status_of_error

ORIGIN = Origin("openai", "OPENAI_API_KEY", "https://api.openai.com/v1", ("hunter2-hunter2",))


@pytest.mark.parametrize(
    "said",
    [
        "Incorrect API key provided: hunter2-hunter2.",
        "Incorrect API key provided: sk-proj-hunter2-hunter2.",
        "Your key is sk-ant-api03-XyZ0123456789",
        "key=AIzaSyXyZ0123456789 is not valid",
        "Authorization: Bearer XyZ0123456789",
    ],
)
def test_no_key_survives(said: str) -> None:
    message = str(from_status(ORIGIN, 401, said))
    assert "hunter2" not in message
    assert "XyZ" not in message
    assert "OPENAI_API_KEY" in message


def test_a_web_page_is_not_repeated_with_its_markup_and_a_long_text_is_cut() -> None:
    message = str(from_status(ORIGIN, 502, "<html><h1>Bad Gateway</h1>" + "x" * 5000))
    assert "Bad Gateway" in message
    assert "<" not in message
    assert len(message) < 600


def test_a_key_of_one_letter_does_not_eat_the_message() -> None:
    short = Origin("vllm", "api_key", "http://127.0.0.1/v1", ("a",))
    assert "such a table" in str(from_status(short, 404, "no such a table"))
    short = Origin("vllm", "api_key", "http://127.0.0.1/v1", ("table",))
    assert "timetable ***" in str(from_status(short, 404, "timetable table"))


def test_a_redirect_says_what_to_change() -> None:
    assert "https://api.openai.com/v1" in str(from_status(ORIGIN, 301))


def test_a_used_up_quota_is_not_worth_another_try() -> None:
    assert from_status(ORIGIN, 429, "slow down").retryable
    assert not from_status(ORIGIN, 429, "You exceeded your current quota insufficient_quota").retryable


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (TimeoutError(), ProviderTimeout),
        (ConnectionRefusedError("refused"), ProviderUnavailable),
        (ValueError("No generation chunks were returned"), ProviderNonsense),
        (KeyError("choices"), ProviderNonsense),
        (RuntimeError("something else"), ProviderError),
        (ProviderUnauthorized("no", provider="openai"), ProviderUnauthorized),
    ],
)
def test_any_error_finds_its_place(error: Exception, kind: type[ProviderError]) -> None:
    assert type(explain(ORIGIN, error)) is kind


def test_the_cause_counts_more_than_its_wrapping() -> None:
    wrapped = RuntimeError("the library failed")
    wrapped.__cause__ = ProviderRateLimited("too many", provider="openai", retry_after=3)
    assert explain(ORIGIN, wrapped) is wrapped.__cause__


def test_retry_after_is_seconds_or_a_date() -> None:
    assert parse_retry_after("7") == 7
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    seconds = parse_retry_after(soon)
    assert seconds is not None
    assert 25 <= seconds <= 31
    assert parse_retry_after("Wed, 21 Oct 2015 07:28:00 GMT") == 0
    assert parse_retry_after("soon") is None
    assert parse_retry_after(None) is None


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b'{"error": {"message": "No", "code": "bad"}}', "No bad"),
        (b'{"error": "model not found"}', "model not found"),
        (b'{"detail": "Not Found"}', "Not Found"),
        (b'[{"error": {"message": "No", "code": 400}}]', "No"),
        (b"<html>", "<html>"),
        (b"\xff\xfe", "��"),
        (b"", ""),
    ],
)
def test_what_an_error_body_says_is_found(body: bytes, text: str) -> None:
    assert error_text(body) == text


def test_a_caller_is_not_quoted_by_errors_that_quote_what_they_did_not_like() -> None:
    class Event(BaseModel):
        number: int

    with pytest.raises(ValidationError) as caught:
        Event.model_validate({"number": "my PIN is 4711"})
    words = str(explain(ORIGIN, caught.value))
    assert "PIN" not in words
    assert "number: Input should be a valid integer" in words
    mistake = {"type": "missing", "loc": ["body", "model"], "msg": "Field required", "input": {"text": "my PIN"}}
    assert error_text({"detail": [mistake]}) == "body.model: Field required"
    assert error_text({"input": {"text": "my PIN"}}) == ""


def test_words_that_begin_like_a_key_are_none() -> None:
    assert ORIGIN.clean("skip_special_tokens must be true") == "skip_special_tokens must be true"
    assert ORIGIN.clean("wrong: sk-abcdef0123 and gsk_abcdef0123") == "wrong: *** and ***"


def test_a_status_as_text_is_a_status() -> None:
    assert status_of_error({"error": {"message": "slow down", "code": "429"}}) == 429
