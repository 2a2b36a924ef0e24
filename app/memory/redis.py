"""Conversations in Redis, with a live copy in this process.

The copy is what makes a turn quick and safe. Quick: a load asks only whether somebody else has written since. Safe:
while Redis is away, stands still or has come back empty, turns go on with the copy, and it is written back later.

Who does what: :meth:`RedisMemory.load` reads; everything that is written goes through one task, :meth:`_work`, in
batches; a turn waits for it only briefly. After a failure nothing asks Redis but that task, until it answers again.
"""

from __future__ import annotations

import asyncio
import random
import secrets
import time
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Final, Generic, TypeVar

import structlog

from app.core.metrics import UNEXPECTED
from app.memory.copies import Copy, Stored, Unsaved, resolve
from app.memory.errors import MemoryFailure
from app.memory.interface import Codec, Conversation, MemoryStatus
from app.memory.redis_server import Appending, RedisServer, Replacing, WrongType
from app.memory.redis_wire import Stamp, pack

T = TypeVar("T")
log = structlog.get_logger(__name__)

# Seconds that a turn waits for Redis: for each question of a load, and for the confirmation of an append.
TURN_TIMEOUT: Final = 0.15
# Seconds for writes behind the turns, and for the questions after an outage.
WRITE_TIMEOUT: Final = 0.5
PROBE_TIMEOUT: Final = 2.0
# Seconds between two probes while it is away: from, to.
PROBE_PAUSE: Final = (0.1, 2.0)
# Seconds that the last writes may take when the service stops.
CLOSE_TIMEOUT: Final = 2.0

# Conversations that are copied here; beyond it the one not used for longest is dropped (Redis has it).
MAX_COPIES: Final = 5_000
# Seconds without use after which a copy that Redis has too is dropped.
COPY_IDLE: Final = 3_600.0
# Turns that wait as bytes; beyond it those of the oldest conversation wait in its copy only.
MAX_UNSAVED: Final = 20_000
# Conversations in one round trip.
BATCH: Final = 64


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
        self._writer = writer
        self._ttl = ttl
        self._max_turns = max_turns
        self._where = where
        self._seq = 0
        self._last_moment = 0
        # In the order of their last use.
        self._copies: OrderedDict[str, Copy[T]] = OrderedDict()
        # Keys of conversations that have something to write, oldest first, and moments of forgetting not yet told.
        self._dirty: OrderedDict[str, None] = OrderedDict()
        self._forgets: OrderedDict[str, int] = OrderedDict()
        self._unsaved = 0
        # Turns that were given up because too many conversations waited.
        self._lost = 0
        # Since when Redis does not answer, on the loop's clock. None: it does.
        self._away_since: float | None = None
        self._last_error: str | None = None
        self._last_error_at: datetime | None = None
        # Redis was seen to be empty of something that we have: all copies are to be compared.
        self._emptied = False
        self._wake = asyncio.Event()
        self._worker: asyncio.Task[None] | None = None

    # -- turns

    async def load(self, key: str) -> Conversation[T]:
        """See the interface. Waits at most twice :data:`TURN_TIMEOUT`, and not at all while Redis is away."""
        copy = self._use(key)
        if self._away_since is None and key not in self._forgets:
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
        copy = self._use(key)
        if copy is None:
            copy = self._copies[key] = Copy()
            self._bound_copies()
        stamp = self._stamp(copy)
        copy.expires_at = self._now() + self._ttl
        number: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        try:
            unsaved = Unsaved(stamp, pack(stamp, self._codec.dumps(turn)), number)
        except (TypeError, ValueError) as error:
            # It cannot be written, but this process can go on with it until it reads the conversation again.
            log.error("memory.turn_unwritable", conversation=key, error=type(error).__name__)
            copy.turns.append(Stored(stamp, turn))
            copy.count += 1
            return copy.count
        with self._counting(copy):
            copy.add(Stored(stamp, turn), unsaved, self._max_turns)
        self._write_soon(key)
        self._bound_unsaved()
        place = copy.count
        if self._away_since is None and self._worker is not None:
            await asyncio.wait((number,), timeout=TURN_TIMEOUT)
        return number.result() if number.done() else place

    async def forget(self, key: str) -> None:
        """See the interface. The word goes to Redis behind."""
        copy = self._copies.pop(key, None)
        last = 0
        if copy is not None:
            with self._counting(copy):
                copy.drop_unsaved(len(copy.unsaved))
            last = copy.turns[-1].stamp.at if copy.turns else 0
        self._forgets[key] = self._moment(after=last)
        while len(self._forgets) > MAX_COPIES:
            self._forgets.popitem(last=False)
        self._write_soon(key)

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
            conversations=len(self._copies),
            unsaved_turns=self._waiting_turns(),
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
            with suppress(asyncio.CancelledError):
                await worker
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT):
                while self._dirty:
                    await self._write_batch(CLOSE_TIMEOUT)
        except (MemoryFailure, TimeoutError) as error:
            log.error("memory.not_saved", turns=self._waiting_turns(), error=str(error) or "timeout")
        for copy in self._copies.values():
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
                self._emptied = True
                self._wake.set()
        generation = -1 if copy is None else copy.generation
        remote = await self._server.read(key, TURN_TIMEOUT)
        now = self._copies.get(key)
        if key in self._forgets or (now is not None and (now is not copy or now.generation != generation)):
            return  # overtaken by a write of our own, which knows better
        if now is None:
            if remote.epoch is None:
                return
            now = self._copies[key] = Copy()
            self._bound_copies()
        with self._counting(now):
            now.merge(remote, self._max_turns)
        now.used_at = self._now()
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
                await self._wake.wait()
                self._wake.clear()
                await self._write_all(WRITE_TIMEOUT)
            except MemoryFailure as error:
                self._went_away(error)
            except Exception:
                UNEXPECTED.labels(where="memory.redis").inc()
                log.exception("memory.write_failed")
                self._give_up_first()
                self._wake.set()

    async def _come_back(self) -> None:
        """Probe until Redis answers and has taken what waits."""
        pause = PROBE_PAUSE[0]
        while True:
            await asyncio.sleep(pause * random.uniform(0.8, 1.2))  # noqa: S311 - no secret
            pause = min(pause * 2, PROBE_PAUSE[1])
            waited = self._waiting_turns()
            try:
                await self._server.ping(PROBE_TIMEOUT)
                self._emptied = True
                await self._write_all(PROBE_TIMEOUT)
            except MemoryFailure as error:
                self._note(error)
                continue
            away = self._now() - (self._away_since or self._now())
            self._away_since = None
            log.info("memory.redis_back", redis=self._where, away_s=round(away, 1), turns_written=waited)
            return

    async def _write_all(self, timeout: float) -> None:
        while self._emptied or self._dirty:
            if self._emptied:
                await self._compare_all()
            await self._write_batch(timeout)

    async def _compare_all(self) -> None:
        """Find the conversations that Redis has lost, so that they are restored before another instance asks."""
        self._emptied = False
        keys = [key for key, copy in self._copies.items() if copy.epoch is not None and key not in self._dirty]
        for start in range(0, len(keys), BATCH):
            part = keys[start : start + BATCH]
            for key, epoch in zip(part, await self._server.epochs(part, PROBE_TIMEOUT), strict=True):
                copy = self._copies.get(key)
                if copy is not None and copy.turns and epoch is None and copy.expires_at > self._now():
                    copy.restore = True
                    self._write_soon(key)

    async def _write_batch(self, timeout: float) -> None:
        """Write what the oldest dirty conversations have. What fails stays dirty."""
        appends: list[tuple[Copy[T], list[Unsaved], int]] = []
        request: list[Appending] = []
        for key in list(self._dirty)[:BATCH]:
            if key in self._forgets:
                await self._write_forget(key, timeout)
            copy = self._copies.get(key)
            if copy is None or not (copy.unsaved or copy.restore):
                self._clean(key)
            elif copy.restore:
                await self._write_whole(key, copy, timeout)
            else:
                sent = list(copy.unsaved)
                appends.append((copy, sent, copy.count))
                turns = [(item.stamp.seq, item.element) for item in sent]
                request.append(Appending(key, copy.epoch, _epoch(), turns))
        if not request:
            return
        answers = await self._server.append(request, timeout)
        for item, (copy, sent, count), answer in zip(request, appends, answers, strict=True):
            with self._counting(copy):
                if isinstance(answer, MemoryFailure):
                    self._refused(item.key, copy, answer)
                elif answer[1] < 0:
                    copy.restore = True
                    self._emptied = self._emptied or not answer[0]
                else:
                    copy.confirmed(sent, count, *answer)
            self._clean(item.key)

    async def _write_whole(self, key: str, copy: Copy[T], timeout: float) -> None:
        try:
            remote = await self._server.read(key, timeout)
            if self._copies.get(key) is not copy:
                return
            with self._counting(copy):
                copy.merge(remote, self._max_turns)
            if copy.restore:
                sent, count, epoch = list(copy.unsaved), copy.count, _epoch()
                item = Replacing(
                    key,
                    remote.epoch,
                    remote.count,
                    epoch,
                    count,
                    copy.last_seqs(),
                    [pack(stored.stamp, self._codec.dumps(stored.turn)) for stored in copy.turns],
                )
                if await self._server.replace(item, timeout):
                    with self._counting(copy):
                        copy.restore = False
                        copy.confirmed(sent, count, epoch, count)
                    log.info("memory.conversation_restored", conversation=key, turns=len(item.elements))
        except WrongType as error:
            with self._counting(copy):
                self._refused(key, copy, error)
        self._clean(key)

    async def _write_forget(self, key: str, timeout: float) -> None:
        moment = self._forgets[key]
        with suppress(WrongType):
            await self._server.forget(key, _epoch(), moment, timeout)
        if self._forgets.get(key) == moment:
            del self._forgets[key]

    def _give_up_first(self) -> None:
        if self._dirty:
            key, _ = self._dirty.popitem(last=False)
            self._forgets.pop(key, None)
            if (copy := self._copies.get(key)) is not None:
                with self._counting(copy):
                    copy.drop_unsaved(len(copy.unsaved))
                copy.restore = False

    def _refused(self, key: str, copy: Copy[T], error: MemoryFailure) -> None:
        """Redis will never take this conversation: go on with the copy alone."""
        self._note(error)
        log.error("memory.conversation_refused", conversation=key, error=str(error))
        copy.drop_unsaved(len(copy.unsaved))
        copy.restore = False

    # -- what is kept

    def _use(self, key: str) -> Copy[T] | None:
        now = self._now()
        self._drop_idle(now)
        copy = self._copies.get(key)
        if copy is None:
            return None
        if copy.turns and copy.expires_at <= now:
            self._drop(key)
            return None
        copy.used_at = now
        self._copies.move_to_end(key)
        return copy

    def _drop_idle(self, now: float) -> None:
        while self._copies:
            key, oldest = next(iter(self._copies.items()))
            if key in self._dirty or self._away_since is not None or oldest.used_at + COPY_IDLE > now:
                return
            self._drop(key)

    def _bound_copies(self) -> None:
        while len(self._copies) > MAX_COPIES:
            key, oldest = next(iter(self._copies.items()))
            if key in self._dirty:
                self._lost += len(oldest.turns)
                log.error("memory.turns_lost", conversation=key, turns=len(oldest.turns), lost_in_all=self._lost)
            self._drop(key)

    def _bound_unsaved(self) -> None:
        while self._unsaved > MAX_UNSAVED:
            copy = next((c for key in self._dirty if (c := self._copies.get(key)) is not None and c.unsaved), None)
            if copy is None:
                return
            with self._counting(copy):
                copy.drop_unsaved(len(copy.unsaved))

    def _drop(self, key: str) -> None:
        copy = self._copies.pop(key)
        with self._counting(copy):
            copy.drop_unsaved(len(copy.unsaved))
        if key not in self._forgets:
            self._dirty.pop(key, None)

    def _clean(self, key: str) -> None:
        """Take a conversation off the list, or put it behind the others when it has more to write."""
        copy = self._copies.get(key)
        self._dirty.pop(key, None)
        if key in self._forgets or (copy is not None and (copy.unsaved or copy.restore)):
            self._dirty[key] = None

    def _write_soon(self, key: str) -> None:
        self._dirty[key] = None
        self._wake.set()

    @contextmanager
    def _counting(self, copy: Copy[T]) -> Iterator[None]:
        before = len(copy.unsaved)
        yield
        self._unsaved += len(copy.unsaved) - before

    def _waiting_turns(self) -> int:
        copies = (self._copies.get(key) for key in self._dirty)
        return sum(len(copy.turns if copy.restore else copy.unsaved) for copy in copies if copy is not None)

    # -- state of the server

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

    def _stamp(self, copy: Copy[T]) -> Stamp:
        self._seq += 1
        return Stamp(self._moment(after=copy.turns[-1].stamp.at if copy.turns else 0), self._writer, self._seq)

    def _moment(self, *, after: int) -> int:
        """This moment in milliseconds, later than all before it, whatever the clocks of this machine and others do."""
        self._last_moment = max(time.time_ns() // 1_000_000, self._last_moment + 1, after + 1)
        return self._last_moment

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()


def _epoch() -> str:
    return secrets.token_hex(6)


def new_writer() -> str:
    """A word for this process."""
    return secrets.token_hex(8)
