"""Snapshots: copies of small tables in memory, so that a turn reads prompts and tools without a round trip."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Generic, TypeVar

import structlog

from app.core.metrics import UNEXPECTED
from app.db.errors import DatabaseError, DatabaseUnavailable

T = TypeVar("T")
log = structlog.get_logger(__name__)

# Seconds between two looks at the revision: what another instance saves is in force here after at most this.
INTERVAL: Final = 1.0
# Seconds that one look, or one load, may take.
LOOK_TIMEOUT: Final = 5.0
LOAD_TIMEOUT: Final = 30.0
# Seconds between two tries while the database is away, at most.
MAX_BACKOFF: Final = 30.0


@dataclass(frozen=True, slots=True)
class Loaded(Generic[T]):
    """A copy, and the revision that it is at least as new as: read before the rows."""

    revision: int
    value: T


@dataclass(frozen=True, slots=True)
class SnapshotStatus:
    """For the status page.

    Attributes:
        revision: The revision in force.
        loaded_at: When it was loaded.
        stale_since: Since when the database has not answered, so that the copy may be old; None when it does.
        last_error: Why it did not.
    """

    revision: int
    loaded_at: datetime
    stale_since: datetime | None = None
    last_error: str | None = None


class Snapshot(Generic[T]):
    """An immutable copy, replaced as a whole when its revision has changed.

    Reading :attr:`value` is synchronous and never fails once :meth:`start` has returned: while the database is away
    the last copy goes on serving.

    Args:
        name: For logs.
        load: Loads the copy; gets the one in force (None at first) to take over what has not changed.
        revision: Asks for the revision: one cheap query.
        interval: Seconds between two looks.
        changed: Called when a copy with another revision is in force; None: nobody wants to know.
    """

    def __init__(
        self,
        name: str,
        *,
        load: Callable[[T | None], Awaitable[Loaded[T]]],
        revision: Callable[[], Awaitable[int]],
        interval: float = INTERVAL,
        changed: Callable[[], None] | None = None,
    ) -> None:
        self._name = name
        self._changed = changed
        self._load = load
        self._read_revision = revision
        self._interval = interval
        self._loaded: Loaded[T] | None = None
        self._status: SnapshotStatus | None = None
        # One load at a time, so that an older one never replaces a newer one.
        self._lock = asyncio.Lock()
        self._poller: asyncio.Task[None] | None = None

    @property
    def value(self) -> T:
        """The copy in force."""
        return self._in_force().value

    @property
    def status(self) -> SnapshotStatus:
        """The state now, without asking the database."""
        self._in_force()
        assert self._status is not None
        return self._status

    async def start(self) -> None:
        """Load the first copy and begin to watch the revision.

        Raises:
            DatabaseError: the first load failed.
        """
        await self.refresh()
        if self._poller is None:
            self._poller = asyncio.create_task(self._poll(), name=f"snapshot-{self._name}")

    async def refresh(self) -> None:
        """Load now.

        Raises:
            DatabaseError: the copy in force stays.
        """
        async with self._lock:
            try:
                async with asyncio.timeout(LOAD_TIMEOUT):
                    loaded = await self._load(None if self._loaded is None else self._loaded.value)
            except TimeoutError:
                raise DatabaseUnavailable(f"the database did not hand out the {self._name} in time") from None
            changed = self._loaded is None or self._loaded.revision != loaded.revision
            self._loaded = loaded
            self._answered(datetime.now(UTC))
        if changed:
            log.debug("snapshot.loaded", snapshot=self._name, revision=loaded.revision)
            if self._changed is not None:
                self._changed()

    async def after_write(self) -> None:
        """Load now, after a write of this process. A failure does not undo the write: the watch loads it later."""
        try:
            await self.refresh()
        except Exception as error:  # noqa: BLE001 - the write is done, and an answer that says otherwise would be wrong
            self._failed(error)

    async def aclose(self) -> None:
        """Stop watching."""
        poller, self._poller = self._poller, None
        if poller is not None:
            poller.cancel()
            await asyncio.wait((poller,))

    def _in_force(self) -> Loaded[T]:
        if self._loaded is None:
            raise RuntimeError(f"the snapshot of {self._name} is read before it was started")
        return self._loaded

    async def _poll(self) -> None:
        failures = 0
        while True:
            # Jitter keeps instances that started together from asking together.
            pause = min(self._interval * 2**failures, max(MAX_BACKOFF, self._interval))
            await asyncio.sleep(pause * random.uniform(0.9, 1.1))  # noqa: S311 - no secret
            try:
                await self._look()
                failures = 0
            except Exception as error:  # noqa: BLE001 - a row that cannot be read must not end the watch for good
                failures = min(failures + 1, 10)
                self._failed(error)

    async def _look(self) -> None:
        try:
            async with asyncio.timeout(LOOK_TIMEOUT):
                revision = await self._read_revision()
        except TimeoutError:
            raise DatabaseUnavailable("the database did not answer in time") from None
        if revision != self._in_force().revision:
            await self.refresh()
        self._answered(self.status.loaded_at)

    def _answered(self, loaded_at: datetime) -> None:
        before = self._status
        self._status = SnapshotStatus(self._in_force().revision, loaded_at)
        if before is not None and before.stale_since is not None:
            log.info("snapshot.fresh_again", snapshot=self._name, revision=self._status.revision)

    def _failed(self, error: Exception) -> None:
        if not isinstance(error, DatabaseError):
            UNEXPECTED.labels(where=f"snapshot.{self._name}").inc()
        status = self._status
        if status is None:
            return
        if status.stale_since is None:
            # Once for each outage: a line every second would bury what else happens.
            log.warning(
                "snapshot.stale",
                snapshot=self._name,
                revision=status.revision,
                error=str(error),
                exc_info=not isinstance(error, DatabaseError),
                hint="calls go on with the last copy; changes by other instances are not seen until it answers",
            )
        since = status.stale_since or datetime.now(UTC)
        self._status = SnapshotStatus(status.revision, status.loaded_at, since, str(error))
