"""What decides when and whether to connect again."""

from __future__ import annotations

import errno

import pytest
from aiohttp import ClientConnectionError, ServerDisconnectedError

from app.ari.backoff import Backoff
from app.ari.config import AriConfig
from app.ari.detection import short_version, surely_without_rest_over_websocket
from app.ari.errors import AriReplaced, AriTimeout, AriUnauthorized, AriUnavailable
from app.ari.failures import judge

CONFIG = AriConfig("http://127.0.0.1:8088", "ai", "a-password-nobody-may-see", "app")


def test_waits_grow_to_the_bound_and_stay_there() -> None:
    backoff = Backoff(0.1, 5.0, uniform=lambda low, high: high)

    assert [round(backoff.next(), 3) for _ in range(8)] == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]


def test_waits_are_jittered_within_their_upper_half() -> None:
    asked: list[tuple[float, float]] = []
    backoff = Backoff(0.1, 5.0, uniform=lambda low, high: asked.append((low, high)) or low)  # type: ignore[func-returns-value]

    backoff.next()
    backoff.next()

    assert asked == [(0.05, 0.1), (0.1, 0.2)]
    assert {round(Backoff(1.0, 5.0).next(), 6) for _ in range(20)} != {1.0}


def test_a_server_that_is_away_for_days_does_not_overflow_the_wait() -> None:
    backoff = Backoff(0.1, 5.0)

    assert all(backoff.next() <= 5.0 for _ in range(5_000))


def test_after_a_connection_that_held_waits_begin_anew() -> None:
    backoff = Backoff(0.1, 5.0, uniform=lambda low, high: high)
    for _ in range(5):
        backoff.next()

    backoff.reset()

    assert backoff.next() == 0.1


def test_what_a_person_must_mend_is_asked_slowly_from_the_first_time() -> None:
    assert Backoff(0.1, 5.0, uniform=lambda low, high: high).next(slow=True) == 5.0


@pytest.mark.parametrize(
    "error",
    [
        AriUnavailable("gone"),
        AriTimeout("late"),
        AriUnauthorized("no", status=401, method="GET", uri="x"),
        ConnectionRefusedError(),
        ClientConnectionError(),
        ServerDisconnectedError(),
        TimeoutError(),
        ValueError("a fault of ours"),
    ],
)
def test_every_failure_but_a_takeover_passes(error: Exception) -> None:
    verdict = judge(error, CONFIG)

    assert not verdict.final
    assert verdict.message
    assert CONFIG.password not in verdict.message
    assert verdict.expected is not isinstance(error, ValueError)


def test_a_takeover_is_final() -> None:
    assert judge(AriReplaced("Another client"), CONFIG).final


def test_a_timeout_and_a_refusal_name_the_address_and_what_to_look_at() -> None:
    assert "http://127.0.0.1:8088 did not answer in 5 s" in judge(TimeoutError(), CONFIG).message
    assert "http.conf" in judge(ConnectionRefusedError("refused"), CONFIG).message
    refused = judge(ConnectionRefusedError(errno.ECONNREFUSED, "Connect call failed ('127.0.0.1', 8088)"), CONFIG)
    assert "Connection refused." in refused.message
    assert "Connect call" not in refused.message


@pytest.mark.parametrize(
    ("text", "version", "without"),
    [
        ("22.10.1+dfsg+~cs6.17.60671434-1", "22.10.1", False),
        ("22.4.0", "22.4.0", False),
        ("22.3.9", "22.3.9", True),
        ("21.9.0", "21.9.0", False),
        ("20.14.0", "20.14.0", False),
        ("20.13.0", "20.13.0", True),
        ("18.26.4", "18.26.4", True),
        ("16.28.0~dfsg-0+deb11u10", "16.28.0", True),
        ("23.0.0", "23.0.0", False),
        ("certified-20.7-cert9", "certified-20.7-cert9", False),
        ("GIT-master-1a2b3c", "GIT-master-1a2b3c", False),
        ("", "", False),
    ],
)
def test_only_versions_that_surely_lack_a_feature_are_not_tried(text: str, version: str, without: bool) -> None:
    assert short_version(text) == version
    assert surely_without_rest_over_websocket(text) is without
