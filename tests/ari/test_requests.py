"""Requests, the meaning of their answers, and the limits of HTTP."""

from __future__ import annotations

import json

import pytest

from app.ari.errors import (
    AriConflict,
    AriNotFound,
    AriProtocolError,
    AriRequestFailed,
    AriTooLarge,
    AriUnauthorized,
)
from app.ari.http import MAX_BODY, encode
from app.ari.loss import AfterLoss, after_loss
from app.ari.requests import Request, failure_of, result_of

PING = Request("GET", "asterisk/ping")


def test_an_answer_is_its_json_and_none_without_a_body() -> None:
    assert result_of(PING, 200, "OK", b'{"ping":"pong"}') == {"ping": "pong"}
    assert result_of(PING, 200, "OK", '{"ping":"pong"}') == {"ping": "pong"}
    assert result_of(PING, 204, "No Content", b"") is None
    assert result_of(PING, 204, "No Content", None) is None


@pytest.mark.parametrize("body", [b"<html>", b"\xff", b"[" * 100_000])
def test_a_good_answer_that_is_no_json_points_at_the_address(body: bytes) -> None:
    with pytest.raises(AriProtocolError, match="ASTERISK_ARI_URL"):
        result_of(PING, 200, "OK", body)


@pytest.mark.parametrize(
    ("status", "kind", "words", "retryable"),
    [
        (400, AriRequestFailed, "400 Missing", False),
        (401, AriUnauthorized, "ari.conf", False),
        (403, AriUnauthorized, "read_only = no", False),
        (404, AriNotFound, "404 Missing", False),
        (409, AriConflict, "409 Missing", False),
        (412, AriConflict, "412 Missing", False),
        (422, AriConflict, "422 Missing", False),
        (500, AriRequestFailed, "500 Missing", True),
        (503, AriRequestFailed, "503 Missing", True),
    ],
)
def test_a_refusal_has_a_class_asterisks_words_and_advice(
    status: int, kind: type[AriRequestFailed], words: str, retryable: bool
) -> None:
    error = failure_of(Request("POST", "channels/1/continue"), status, "Reason", b'{"message":"Missing"}')

    assert type(error) is kind
    assert (error.status, error.method, error.uri) == (status, "POST", "channels/1/continue")
    assert words in str(error)
    assert error.retryable is retryable


@pytest.mark.parametrize("body", [None, b"", b"<html>400</html>", b"[]", b"{}", b"\xff"])
def test_a_refusal_without_words_has_the_reason(body: bytes | None) -> None:
    assert "400 Bad Request" in str(failure_of(PING, 400, "Bad Request", body))


def test_over_http_a_short_query_stays_in_the_address() -> None:
    target, body = encode(Request("POST", "channels/1/dtmf", {"dtmf": "1 &#ü", "between": 50, "deep": False}))

    assert target == "channels/1/dtmf?dtmf=1%20%26%23%C3%BC&between=50&deep=false"
    assert body is None


def test_over_http_a_long_query_goes_into_the_body_with_its_types() -> None:
    target, body = encode(
        Request("POST", "channels/1/play", {"media": "sound:" + "x" * 4_000, "skipms": 10, "deep": True})
    )

    assert target == "channels/1/play"
    assert json.loads(body or b"") == {"media": "sound:" + "x" * 4_000, "skipms": 10, "deep": True}


def test_over_http_what_asterisk_would_refuse_is_refused_here() -> None:
    fits = Request("POST", "x", body="v" * (MAX_BODY - 2))
    assert len(encode(fits)[1] or b"") == MAX_BODY
    with pytest.raises(AriTooLarge, match="40960"):
        encode(Request("POST", "x", body="v" * (MAX_BODY - 1)))
    with pytest.raises(AriTooLarge, match="beside a body"):
        encode(Request("POST", "x", {"q": "v" * 5_000}, {"a": 1}))


@pytest.mark.parametrize(
    ("method", "path", "verdict"),
    [
        ("GET", "channels/1/variable", AfterLoss.REPEAT),
        ("PUT", "applications/a/eventFilter", AfterLoss.REPEAT),
        ("POST", "channels/1/variable", AfterLoss.REPEAT),
        ("POST", "channels/1/variables", AfterLoss.REPEAT),
        ("POST", "channels/1/answer", AfterLoss.REPEAT),
        ("POST", "applications/a/subscription", AfterLoss.REPEAT),
        ("POST", "channels/1/continue", AfterLoss.REPEAT_GONE_IS_DONE),
        ("DELETE", "channels/1", AfterLoss.REPEAT_GONE_IS_DONE),
        ("POST", "channels", AfterLoss.FAIL),
        ("POST", "channels/continue1", AfterLoss.FAIL),
        ("POST", "channels/1/play/continue-2", AfterLoss.FAIL),
        ("POST", "channels/1/dtmf", AfterLoss.FAIL),
        ("PATCH", "channels/1", AfterLoss.FAIL),
    ],
)
def test_only_what_may_be_done_twice_is_repeated(method: str, path: str, verdict: AfterLoss) -> None:
    assert after_loss(method, path) is verdict


def test_files_go_over_http() -> None:
    assert Request("GET", "recordings/stored/greeting/file").needs_http
    assert not Request("GET", "recordings/stored/greeting").needs_http
