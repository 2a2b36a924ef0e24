"""Moments keep their meaning."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy.engine import make_url

from app.models.base import UtcDateTime

SQLITE, MYSQL, POSTGRESQL = (
    make_url(f"{name}://").get_dialect()() for name in ("sqlite+aiosqlite", "mysql+asyncmy", "postgresql+asyncpg")
)
BERLIN = timezone(timedelta(hours=1))


def test_a_moment_of_another_zone_is_stored_as_the_same_moment_in_utc() -> None:
    moment = datetime(2026, 11, 22, 9, 30, 0, 123456, tzinfo=BERLIN)
    kind = UtcDateTime()
    for dialect in (SQLITE, MYSQL):
        stored = kind.process_bind_param(moment, dialect)
        assert stored == datetime(2026, 11, 22, 8, 30, 0, 123456)  # noqa: DTZ001 - naive, as these databases have it
        assert kind.process_result_value(stored, dialect) == moment
    assert kind.process_bind_param(moment, POSTGRESQL) == moment


def test_a_moment_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        UtcDateTime().process_bind_param(datetime(2026, 1, 1), SQLITE)  # noqa: DTZ001 - the mistake meant


def test_moments_come_back_aware_and_in_utc() -> None:
    value = UtcDateTime().process_result_value(datetime(2026, 1, 1, tzinfo=BERLIN), POSTGRESQL)
    assert value is not None
    assert value.tzinfo is UTC
