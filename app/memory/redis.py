"""Conversations in Redis, with a live copy in this process.

The copy is what makes a turn quick and safe. Quick: a load asks only whether somebody else has written since. Safe:
while Redis is away, stands still or has come back empty, turns go on with the copy, and it is written back later.

Who does what: :meth:`RedisMemory.load` reads; everything that is written goes through one task, in batches
(:mod:`app.memory.redis_writer`); a turn waits for it only briefly. After a failure nothing asks Redis but that task,
until it answers again.
"""

from __future__ import annotations

import asyncio
import random
import secrets
from datetime import UTC, datetime
from typing import Final, Generic, TypeVar

import structlog

from app.core.metrics import UNEXPECTED
from app.memory.copies import Copy, Stored, Unsaved, resolve
from app.memory.errors import MemoryFailure
from app.memory.interface import Codec, Conversation, MemoryStatus
from app.memory.redis_server import RedisServer, WrongType
from app.memory.redis_wire import pack
from app.memory.redis_writer import RedisWriter
from app.memory.shelf import Shelf

T = TypeVar("T")
log = structlog.get_logger(__name__)

# Seconds that a turn waits for Redis: for each question of a load, and for the confirmation of an append.
TURN_TIMEOUT: Final = 0.15
# Seconds for writes behind the turns, and for the questions after an outage.
WRITE_TIMEOUT: Final = 0.5
PROBE_TIMEOUT: Final = 2.0
# Seconds between two probes while it is away: from, to.
PROBE_PAUSE: Final = (0.1, 2.0)
# Seconds without anything to write after which it is asked whether it is there, so that operators learn that it died
# before a call does.
LOOK_EVERY: Final = 10.0
# Seconds that the last writes may take when the service stops.
CLOSE_TIMEOUT: Final = 2.0


class RedisMemory(Generic[T]):
    """A :class:`~app.memory.interface.ConversationMemory` in Redis, shared by several instances.

    Args:
        server: From :func:`app.memory.factory.make_memory`.
        ttl, max_turns: As the server has them.
        where: Host and port, for people.
    """

    def __init__(
        self, server: RedisServer[T], codec: Codec[T], *, writer: str, ttl: float, max_turns: int, where: str
    ) -> None:
        self._server = server
        self._codec = codec
        self._ttl = ttl
        self._max_turns = max_turns
        self._where = where
        self._shelf: Shelf[T] = Shelf(writer)
        self._writer = RedisWriter(self._shelf, server, codec, max_turns=max_turns)
        # Since when Redis does not answer, on the loop's clock. None: it does.
        self._away_since: float | None = None
        self._last_error: str | None = None
        self._last_error_at: datetime | None = None
        self._wake = asyncio.Event()
        self._worker: asyncio.Task[None] | None = None

    # -- turns

    async def load(self, key: str) -> Conversation[T]:
        """See the interface. Waits at most twice :data:`TURN_TIMEOUT`, and not at all while Redis is away."""
        copy = self._use(key)
        if self._away_since is None and key not in self._shelf.forgets:
            try:
                await self._freshen(key, copy)
            except WrongType as error:
                self._note(error)
            except MemoryFailure as error:
                self._went_away(error)
        copy = self._use(key)
        return Conversation((), 0) if copy is None else Conversation([s.turn for s in copy.turns], copy.count)

    async def append(self, key: str, turn: T) -> int:
        """See the interface. Waits at most :data:`TURN_TIMEOUT`; the write goes on behind."""
        copy = self._use(key) or self._shelf.begin(key)
        stamp = self._shelf.stamp(copy)
        copy.expires_at = self._now() + self._ttl
        number: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        try:
            unsaved = Unsaved(stamp, pack(stamp, self._codec.dumps(turn)), number)
        except (TypeError, ValueError) as error:
            # It cannot be written, but this process can go on with it until it reads the conversation again.
            log.error("memory.turn_unwritable", conversation=key, error=type(error).__name__)
            with self._shelf.counting(copy):
                copy.keep(Stored(stamp, turn, 0), self._max_turns)
            self._shelf.make_room()
            return copy.count
        with self._shelf.counting(copy):
            copy.add(Stored(stamp, turn, len(unsaved.element)), unsaved, self._max_turns)
        self._write_soon(key)
        self._shelf.make_room()
        place = copy.count
        if self._away_since is None and self._worker is not None:
            await asyncio.wait((number,), timeout=TURN_TIMEOUT)
        return number.result() if number.done() else place

    async def forget(self, key: str) -> None:
        """See the interface. The word goes to Redis behind."""
        self._shelf.forget(key)
        self._wake.set()

    def status(self) -> MemoryStatus:
        """See the interface."""
        away = self._away_since is not None
        detail = f"Redis at {self._where} keeps the conversations."
        if away:
            detail = (
                f"Redis at {self._where} does not answer ({self._last_error}). Calls go on with the copies in this "
                "process, which are written back when it returns."
            )
        return MemoryStatus(
            "redis",
            connected=not away,
            detail=detail,
            conversations=len(self._shelf.copies),
            unsaved_turns=self._shelf.waiting_turns(),
            last_error=self._last_error,
            last_error_at=self._last_error_at,
        )

    async def start(self) -> None:
        """See the interface."""
        if self._worker is None:
            self._worker = asyncio.create_task(self._work(), name="memory-redis")

    async def aclose(self) -> None:
        """See the interface. Waits at most :data:`CLOSE_TIMEOUT` for the last writes."""
        worker, self._worker = self._worker, None
        if worker is not None:
            worker.cancel()
            await asyncio.wait((worker,))
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT):
                await self._writer.write_all(CLOSE_TIMEOUT)
        except (MemoryFailure, TimeoutError) as error:
            log.error("memory.not_saved", turns=self._shelf.waiting_turns(), error=str(error) or "timeout")
        for copy in self._shelf.copies.values():
            for item in copy.unsaved:
                resolve(item, copy.count)
        await self._server.aclose()

    # -- reading

    async def _freshen(self, key: str, copy: Copy[T] | None) -> None:
        if copy is not None and copy.synced is not None:
            generation = copy.generation
            epoch, count = await self._server.revision(key, TURN_TIMEOUT)
            if copy.generation != generation or (epoch, count) == (copy.epoch, copy.synced):
                return
            if epoch is None:
                self._writer.emptied = True
                self._wake.set()
        generation = -1 if copy is None else copy.generation
        remote = await self._server.read(key, TURN_TIMEOUT)
        now = self._shelf.copies.get(key)
        if key in self._shelf.forgets or (now is not None and (now is not copy or now.generation != generation)):
            return  # overtaken by a write of our own, which knows better
        if now is None:
            if remote.epoch is None:
                return
            now = self._shelf.begin(key)
        with self._shelf.counting(now):
            now.merge(remote, self._max_turns)
        self._shelf.make_room()
        if remote.epoch is not None:
            now.expires_at = max(now.expires_at if now.unsaved else 0.0, self._now() + remote.ttl)
        if now.restore or now.unsaved:
            self._write_soon(key)

    # -- writing

    async def _work(self) -> None:
        while True:
            try:
                if self._away_since is not None:
                    await self._come_back()
                if not await self._woken(LOOK_EVERY):
                    await self._server.ping(PROBE_TIMEOUT)
                    continue
                self._wake.clear()
                await self._writer.write_all(WRITE_TIMEOUT)
            except MemoryFailure as error:
                self._went_away(error)
            except Exception:
                UNEXPECTED.labels(where="memory.redis").inc()
                log.exception("memory.write_failed")
                if self._shelf.dirty:
                    self._shelf.give_up(next(iter(self._shelf.dirty)))
                self._wake.set()

    async def _woken(self, seconds: float) -> bool:
        """Whether there is something to do before so many seconds have passed."""
        try:
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        except TimeoutError:
            return False
        return True

    async def _come_back(self) -> None:
        """Probe until Redis answers and has taken what waits."""
        pause = PROBE_PAUSE[0]
        while True:
            await asyncio.sleep(pause * random.uniform(0.8, 1.2))  # noqa: S311 - no secret
            pause = min(pause * 2, PROBE_PAUSE[1])
            waited = self._shelf.waiting_turns()
            try:
                await self._server.ping(PROBE_TIMEOUT)
                self._writer.emptied = True
                await self._writer.write_all(PROBE_TIMEOUT)
            except MemoryFailure as error:
                self._note(error)
                continue
            away = self._now() - (self._away_since or self._now())
            self._away_since = None
            log.info("memory.redis_back", redis=self._where, away_s=round(away, 1), turns_written=waited)
            return

    # -- state

    def _went_away(self, error: MemoryFailure) -> None:
        self._note(error)
        if self._away_since is None:
            self._away_since = self._now()
            log.warning(
                "memory.redis_away",
                redis=self._where,
                error=str(error),
                hint="calls go on with the copies in this process; turns are written back when it returns",
            )
        self._wake.set()

    def _note(self, error: MemoryFailure) -> None:
        self._last_error, self._last_error_at = str(error), datetime.now(UTC)

    def _use(self, key: str) -> Copy[T] | None:
        return self._shelf.use(key, drop_idle=self._away_since is None)

    def _write_soon(self, key: str) -> None:
        self._shelf.dirty[key] = None
        self._wake.set()

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()


def new_writer() -> str:
    """A word for this process."""
    return secrets.token_hex(8)
