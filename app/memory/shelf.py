"""The copies of this process: which there are, which have something to write, how many there may be. No I/O here."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, Generic, TypeVar

import structlog

from app.memory.copies import Copy
from app.memory.redis_wire import Stamp

T = TypeVar("T")
log = structlog.get_logger(__name__)

# Conversations that are copied here; beyond it the one not used for longest is dropped (Redis has it).
MAX_COPIES: Final = 5_000
# Seconds without use after which a copy that Redis has too is dropped.
COPY_IDLE: Final = 3_600.0
# Bytes of memory that they may take, likewise.
MAX_BYTES: Final = 256_000_000
# Bytes of turns that are written down and wait; beyond it those of the oldest conversation wait in its copy only.
MAX_UNSAVED_BYTES: Final = 32_000_000


class Shelf(Generic[T]):
    """Copies by the keys of their conversations.

    Attributes:
        copies: In the order of their last use.
        dirty: Keys of conversations that have something to write, those that wait longest first.
        forgets: Moments of forgetting (milliseconds since 1970) that Redis was not told yet; their keys are dirty.
        weight: Bytes of memory that the copies take, roughly.
        unsaved_bytes: Bytes of turns that are written down and wait.
    """

    def __init__(self, writer: str) -> None:
        self.copies: OrderedDict[str, Copy[T]] = OrderedDict()
        self.dirty: OrderedDict[str, None] = OrderedDict()
        self.forgets: OrderedDict[str, int] = OrderedDict()
        self.weight = 0
        self.unsaved_bytes = 0
        self._writer = writer
        self._seq = 0
        self._last_moment = 0
        # Turns that were given up because too many conversations waited.
        self._lost = 0

    def use(self, key: str, *, drop_idle: bool) -> Copy[T] | None:
        """The copy under ``key``, unless it has expired. ``drop_idle``: Redis has what the idle ones hold."""
        now = asyncio.get_running_loop().time()
        while drop_idle and self.copies:
            oldest_key, oldest = next(iter(self.copies.items()))
            if oldest_key in self.dirty or oldest.used_at + COPY_IDLE > now:
                break
            self.drop(oldest_key)
        copy = self.copies.get(key)
        if copy is None:
            return None
        if copy.turns and copy.expires_at <= now:
            self.drop(key)
            return None
        copy.used_at = now
        self.copies.move_to_end(key)
        return copy

    def begin(self, key: str) -> Copy[T]:
        """A new, empty copy."""
        copy = self.copies[key] = Copy(used_at=asyncio.get_running_loop().time())
        return copy

    def make_room(self) -> None:
        """Drop the copies not used for longest, while there are too many or they are too large."""
        while len(self.copies) > MAX_COPIES or (self.weight > MAX_BYTES and len(self.copies) > 1):
            oldest_key, oldest = next(iter(self.copies.items()))
            if oldest_key in self.dirty:
                self._lost += len(oldest.turns)
                log.error("memory.turns_lost", conversation=oldest_key, turns=len(oldest.turns), lost_in_all=self._lost)
            self.drop(oldest_key)
        self._bound_unsaved()

    def drop(self, key: str) -> None:
        """Let go of a copy."""
        copy = self.copies.pop(key)
        with self.counting(copy):
            copy.drop_unsaved(len(copy.unsaved))
            copy.turns = []
        if key not in self.forgets:
            self.dirty.pop(key, None)

    def forget(self, key: str) -> None:
        """Drop a conversation, and remember that Redis is to be told."""
        copy = self.copies.get(key)
        last = copy.turns[-1].stamp.at if copy is not None and copy.turns else 0
        if copy is not None:
            self.drop(key)
        self.forgets[key] = self._moment(after=last)
        self.dirty[key] = None
        while len(self.forgets) > MAX_COPIES:
            self.forgets.popitem(last=False)

    def written(self, key: str) -> None:
        """Take a conversation off the list, or put it behind the others when it has more to write."""
        copy = self.copies.get(key)
        self.dirty.pop(key, None)
        if key in self.forgets or (copy is not None and (copy.unsaved or copy.restore)):
            self.dirty[key] = None

    def give_up(self, key: str) -> None:
        """Write no more of what this conversation has now; the copy stays."""
        self.dirty.pop(key, None)
        self.forgets.pop(key, None)
        copy = self.copies.get(key)
        if copy is not None:
            with self.counting(copy):
                copy.drop_unsaved(len(copy.unsaved))
            copy.restore = False

    @contextmanager
    def counting(self, copy: Copy[T]) -> Iterator[None]:
        """Around every change of a copy: keeps :attr:`weight` and :attr:`unsaved_bytes` right."""
        weight, unsaved = copy.weight(), copy.unsaved_bytes()
        yield
        self.weight += copy.weight() - weight
        self.unsaved_bytes += copy.unsaved_bytes() - unsaved

    def _bound_unsaved(self) -> None:
        """Let those that wait longest wait in their copies only, while they are too many bytes."""
        while self.unsaved_bytes > MAX_UNSAVED_BYTES:
            waiting = (self.copies.get(key) for key in self.dirty)
            copy = next((copy for copy in waiting if copy is not None and copy.unsaved), None)
            if copy is None:
                return
            with self.counting(copy):
                copy.drop_unsaved(len(copy.unsaved))

    def waiting_turns(self) -> int:
        """Turns that Redis lacks."""
        copies = (self.copies.get(key) for key in self.dirty)
        return sum(len(copy.turns if copy.restore else copy.unsaved) for copy in copies if copy is not None)

    def stamp(self, copy: Copy[T]) -> Stamp:
        """The identity of the next turn of ``copy``."""
        self._seq += 1
        return Stamp(self._moment(after=copy.turns[-1].stamp.at if copy.turns else 0), self._writer, self._seq)

    def _moment(self, *, after: int) -> int:
        """This moment in milliseconds, later than all before it, whatever the clocks of this machine and others do."""
        self._last_moment = max(time.time_ns() // 1_000_000, self._last_moment + 1, after + 1)
        return self._last_moment
