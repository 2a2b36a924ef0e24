"""Writes turns behind the calls: a turn leaves its record in a queue and goes on, a task writes batches.

A database that fails, or is slow, costs records when the queue is full, and never a call its time.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Sequence
from typing import Final

import structlog
from sqlalchemy.exc import IntegrityError

from app.core.metrics import UNEXPECTED
from app.db.database import Database
from app.db.errors import DatabaseError
from app.history.record import TurnRecord
from app.history.rows import write

# Records that wait at most: a thousand busy seconds without a database, or some tens of megabytes.
QUEUE: Final = 10_000
BATCH: Final = 100
# Seconds from a record until it is written, where fewer than a batch come.
FLUSH_EVERY: Final = 0.5
# Seconds between two tries while the database is away.
FIRST_PAUSE: Final = 0.5
LONGEST_PAUSE: Final = 30.0
# Seconds that writing the rest may take at the stop.
STOP_WITHIN: Final = 3.0
# Another instance may begin the same conversation at the same moment; twice in a row is no accident.
_TRIES: Final = 3
_SAY_EVERY: Final = 60.0

logger = structlog.get_logger(__name__)


class Recorder:
    """The queue of turns and its writer."""

    def __init__(
        self, database: Database, *, queue: int = QUEUE, flush_every: float = FLUSH_EVERY, pause: float = FIRST_PAUSE
    ) -> None:
        self._database = database
        self._most = queue
        self._flush_every = flush_every
        self._first_pause = pause
        self._queue: deque[TurnRecord] = deque()
        # Set while something waits; while a batch does; and once the stop has begun.
        self._some = asyncio.Event()
        self._full = asyncio.Event()
        self._stopping = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._failing = False
        self._said_at = -_SAY_EVERY
        self._unsaid = 0
        # Since the start: records that are in the database, and that were lost.
        self.written = 0
        self.dropped = 0

    @property
    def waiting(self) -> int:
        """Records that are not written yet."""
        return len(self._queue)

    def record(self, record: TurnRecord) -> None:
        """Have a turn written soon. Returns at once; where the queue is full, the oldest record is lost."""
        self._queue.append(record)
        if len(self._queue) > self._most:
            self._queue.popleft()
            self._lost(1)
        self._some.set()
        if len(self._queue) >= BATCH:
            self._full.set()

    async def start(self) -> None:
        """Write until :meth:`aclose`."""
        self._task = asyncio.create_task(self._run(), name="history.recorder")

    async def aclose(self) -> None:
        """Write what waits, for at most :data:`STOP_WITHIN` seconds, and stop. What is left then is lost, and said."""
        if self._task is None:
            return
        self._stopping.set()
        self._some.set()
        self._full.set()
        _, late = await asyncio.wait([self._task], timeout=STOP_WITHIN)
        for task in late:
            task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        self._task = None
        if self._queue:
            self.dropped += len(self._queue)
            logger.error("history.lost_at_stop", turns=len(self._queue))
            self._queue.clear()

    async def _run(self) -> None:
        pause = self._first_pause
        while self._queue or not self._stopping.is_set():
            await self._some.wait()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._flush_every):
                    await self._full.wait()
            try:
                await self._flush()
            except DatabaseError as error:
                self._say_failing(error)
                if self._stopping.is_set():
                    return
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(pause):
                        await self._stopping.wait()
                pause = min(pause * 2, LONGEST_PAUSE)
            else:
                pause = self._first_pause
                if self._failing:
                    self._failing = False
                    logger.info("history.written_again", waiting=len(self._queue))

    async def _flush(self) -> None:
        """Write all that waits. Raises DatabaseError; what was not written waits on."""
        while self._queue:
            batch = [self._queue.popleft() for _ in range(min(BATCH, len(self._queue)))]
            try:
                await self._write(batch)
            except BaseException:
                self._queue.extendleft(reversed(batch))
                raise
        if not self._stopping.is_set():
            self._some.clear()
            self._full.clear()

    async def _write(self, batch: Sequence[TurnRecord]) -> None:
        """Write a batch; one that the database refuses is written record by record, without those that it refuses."""
        try:
            await self._write_once(batch)
        except DatabaseError:
            raise
        except Exception as error:  # noqa: BLE001 - logged and counted, and the record given up
            # One record that cannot be stored must not keep all others out for ever.
            if len(batch) > 1:
                for record in batch:
                    await self._write([record])
                return
            UNEXPECTED.labels(where="history").inc()
            self._lost(1)
            # Not the statement's parameters: they are what was said.
            reason = str(getattr(error, "orig", None) or type(error).__name__)[:300]
            logger.error("history.not_written", turn=batch[0].turn_id, error=type(error).__name__, detail=reason)

    async def _write_once(self, batch: Sequence[TurnRecord]) -> None:
        for attempt in range(1, _TRIES + 1):
            try:
                async with self._database.session() as session:
                    await write(session, batch)
            except IntegrityError:
                if attempt == _TRIES:
                    raise
            else:
                self.written += len(batch)
                return

    def _say_failing(self, error: DatabaseError) -> None:
        if not self._failing:
            self._failing = True
            logger.error("history.not_writable", detail=f"{error}; turns wait in memory, up to {self._most:,}")

    def _lost(self, count: int) -> None:
        self.dropped += count
        self._unsaid += count
        now = time.monotonic()
        if now - self._said_at >= _SAY_EVERY:
            logger.error("history.turns_lost", turns=self._unsaid, waiting=len(self._queue))
            self._said_at, self._unsaid = now, 0
