"""Copies in memory: fresh when the database answers, serving on when it does not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
import structlog.testing

from app.db.errors import DatabaseUnavailable
from app.db.snapshot import Loaded, Snapshot


class Table:
    """What a snapshot copies, as a table with a revision; can be away."""

    def __init__(self) -> None:
        self.number = 1
        self.failure: Exception | None = None
        self.loads = 0
        self.looks = 0

    async def load(self, earlier: str | None) -> Loaded[str]:
        self._answer()
        self.loads += 1
        return Loaded(self.number, f"copy {self.number}")

    async def revision(self) -> int:
        self.looks += 1
        self._answer()
        return self.number

    def _answer(self) -> None:
        if self.failure is not None:
            raise self.failure


@pytest.fixture
def table() -> Table:
    return Table()


@pytest_asyncio.fixture
async def snapshot(table: Table) -> AsyncIterator[Snapshot[str]]:
    made = Snapshot("things", load=table.load, revision=table.revision, interval=0.01)
    await made.start()
    yield made
    await made.aclose()


async def looks(table: Table, number: int) -> None:
    target = table.looks + number
    async with asyncio.timeout(5):
        while table.looks < target:
            await asyncio.sleep(0.001)


async def test_reading_before_the_start_is_a_bug_and_says_so(table: Table) -> None:
    with pytest.raises(RuntimeError, match="before it was started"):
        _ = Snapshot("things", load=table.load, revision=table.revision).value


async def test_a_first_load_that_fails_is_told_to_who_starts_it(table: Table) -> None:
    table.failure = DatabaseUnavailable("away")
    snapshot = Snapshot("things", load=table.load, revision=table.revision)
    with pytest.raises(DatabaseUnavailable):
        await snapshot.start()
    await snapshot.aclose()


async def test_nothing_is_loaded_again_while_nothing_has_changed(table: Table, snapshot: Snapshot[str]) -> None:
    await looks(table, 5)
    assert table.loads == 1


async def test_a_change_by_another_instance_is_seen_by_the_watch(table: Table, snapshot: Snapshot[str]) -> None:
    table.number = 2
    await looks(table, 2)
    assert snapshot.value == "copy 2"
    assert snapshot.status.revision == 2


async def test_a_write_of_our_own_is_seen_when_it_returns(table: Table, snapshot: Snapshot[str]) -> None:
    table.number = 7
    await snapshot.after_write()
    assert snapshot.value == "copy 7"


@pytest.mark.parametrize("failure", [DatabaseUnavailable("away"), KeyError("a row that cannot be read")])
async def test_an_outage_is_logged_once_and_the_old_copy_serves_until_it_is_over(
    table: Table, snapshot: Snapshot[str], failure: Exception
) -> None:
    with structlog.testing.capture_logs() as logs:
        table.failure = failure
        table.number = 2
        await looks(table, 3)
        assert snapshot.value == "copy 1"
        assert snapshot.status.stale_since is not None
        assert snapshot.status.last_error == str(failure)
        table.failure = None
        await looks(table, 2)
    assert snapshot.value == "copy 2"
    assert snapshot.status.stale_since is None
    events = [entry["event"] for entry in logs]
    assert events.count("snapshot.stale") == 1
    assert events.count("snapshot.fresh_again") == 1


async def test_a_write_whose_reload_fails_is_no_failed_write(table: Table, snapshot: Snapshot[str]) -> None:
    table.failure = DatabaseUnavailable("away")
    await snapshot.after_write()
    assert snapshot.value == "copy 1"
    assert snapshot.status.stale_since is not None


async def test_pauses_grow_while_the_database_is_away(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 12:
            raise asyncio.CancelledError
        await real_sleep(0)

    real_sleep = asyncio.sleep
    snapshot = Snapshot("things", load=table.load, revision=table.revision, interval=1)
    await snapshot.refresh()
    table.failure = DatabaseUnavailable("away")
    monkeypatch.setattr("app.db.snapshot.asyncio.sleep", sleep)
    with pytest.raises(asyncio.CancelledError):
        await snapshot._poll()
    assert pauses[0] == pytest.approx(1, rel=0.11)
    assert pauses[3] == pytest.approx(8, rel=0.11)
    assert max(pauses) <= 33


async def test_a_write_is_no_failure_because_its_row_cannot_be_read_again(
    table: Table, snapshot: Snapshot[str]
) -> None:
    table.failure = KeyError("a row that somebody changed by hand")
    await snapshot.after_write()
    assert snapshot.value == "copy 1"
    assert snapshot.status.stale_since is not None
