"""Copies of conversations in this process, and how a copy and what Redis has become one again. No I/O here."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

from app.memory.redis_wire import Stamp

T = TypeVar("T")

# Bytes that a turn's objects take besides its text: four messages of LangChain.
OBJECTS: Final = 4_000


@dataclass(frozen=True, slots=True)
class Stored(Generic[T]):
    """One turn with its identity.

    Attributes:
        size: Bytes as it is written; 0: it cannot be written.
    """

    stamp: Stamp
    turn: T
    size: int


@dataclass(slots=True)
class Unsaved:
    """A turn that Redis has not confirmed yet.

    Attributes:
        element: What is to be written.
        number: Resolves to the turn's number once Redis has it; never fails.
    """

    stamp: Stamp
    element: bytes
    number: asyncio.Future[int]


@dataclass(frozen=True, slots=True)
class Remote(Generic[T]):
    """What Redis has of a conversation.

    Attributes:
        epoch: None: it has nothing.
        count: Turns that the conversation has had.
        forgotten_at: Milliseconds since 1970 of the last time it was forgotten; 0: never.
        ttl: Seconds until it expires.
    """

    epoch: str | None
    count: int
    turns: Sequence[Stored[T]]
    forgotten_at: int
    ttl: float


@dataclass(slots=True)
class Copy(Generic[T]):
    """A conversation as this process knows it.

    Attributes:
        turns: The kept turns, oldest first, unsaved ones included.
        count: Turns that it has had, unsaved ones included.
        expires_at: On the event loop's clock.
        used_at: When it was last asked for, on the same clock.
        epoch: The epoch that Redis had when the two last agreed; None: they never have, or it has nothing.
        synced: The count that Redis had then, if this copy has all of it; None: read again before it is used.
        unsaved: What Redis has not confirmed, oldest first.
        restore: Redis lacks turns of this copy beyond the unsaved ones: it was emptied.
        generation: Raised by every change, so that an answer that was overtaken is known as such.
    """

    turns: list[Stored[T]] = field(default_factory=list)
    count: int = 0
    expires_at: float = 0.0
    used_at: float = 0.0
    epoch: str | None = None
    synced: int | None = None
    unsaved: list[Unsaved] = field(default_factory=list)
    restore: bool = False
    generation: int = 0

    def weight(self) -> int:
        """Bytes of memory that the turns take, roughly."""
        return sum(stored.size + OBJECTS for stored in self.turns)

    def unsaved_bytes(self) -> int:
        """Bytes of what waits as bytes, besides the turns themselves."""
        return sum(len(item.element) for item in self.unsaved)

    def add(self, stored: Stored[T], unsaved: Unsaved, max_turns: int) -> None:
        """One more turn, which Redis does not have yet."""
        self.keep(stored, max_turns)
        self.unsaved.append(unsaved)
        if len(self.unsaved) > max_turns:
            # What would be trimmed at once need not be sent; the list is put in place as a whole instead.
            self.drop_unsaved(len(self.unsaved) - max_turns)

    def keep(self, stored: Stored[T], max_turns: int) -> None:
        """One more turn, here alone."""
        self.turns.append(stored)
        del self.turns[:-max_turns]
        self.count += 1
        self.generation += 1

    def drop_unsaved(self, number: int) -> None:
        """Let go of the oldest written-down turns. The turns themselves stay, and go to Redis with the whole copy."""
        for item in self.unsaved[:number]:
            resolve(item, self.count)
        del self.unsaved[:number]
        self.restore = True
        self.generation += 1

    def confirmed(self, sent: Sequence[Unsaved], count_when_sent: int, epoch: str, count: int) -> None:
        """Redis has ``sent``, and counts ``count`` turns with them."""
        saved = {item.stamp for item in sent}
        self.unsaved = [item for item in self.unsaved if item.stamp not in saved]
        for place, item in enumerate(sent):
            resolve(item, count - (len(sent) - 1 - place))
        self.epoch = epoch
        # Another count: another process wrote too. Its turns are not in this copy, so neither is their number.
        self.synced = count if count == count_when_sent else None
        self.generation += 1

    def last_seqs(self) -> dict[str, int]:
        """The last seq of each process among the turns."""
        last: dict[str, int] = {}
        for stored in self.turns:
            last[stored.stamp.writer] = max(last.get(stored.stamp.writer, 0), stored.stamp.seq)
        return last

    def merge(self, remote: Remote[T], max_turns: int) -> None:
        """Make this copy what the two have together; sets ``restore`` when Redis lacks some of it.

        In the epoch that the copy knows, Redis is right about all but the unsaved turns. In another one it was emptied
        or forgotten meanwhile: what this process has goes back in, in the order of the stamps, except for what lies
        before the moment of forgetting.
        """
        there = {stored.stamp for stored in remote.turns}
        waiting = {item.stamp for item in self.unsaved}
        # A copy that never agreed with Redis has only turns that wait; those go behind what is there.
        same = self.epoch is None or self.epoch == remote.epoch
        only_waiting = same and not self.restore
        mine = [
            stored
            for stored in self.turns
            if stored.stamp not in there
            and stored.stamp.at > remote.forgotten_at
            and (stored.stamp in waiting or not only_waiting)
        ]
        self.count = self._merged_count(remote, there, len(mine), same=same)
        self._settle(there, remote)
        both = [*remote.turns, *mine]
        # Adding turns would neither give a list back its hash nor the conversation its count.
        beheaded = remote.epoch is None and (bool(there) or self.count > len(mine))
        self.restore = beheaded or any(stored.stamp not in waiting for stored in mine)
        if self.restore:
            both.sort(key=lambda stored: stored.stamp)
        self.turns = both[-max_turns:]
        self.epoch = remote.epoch
        self.synced = None if self.restore or remote.epoch is None else remote.count
        self.generation += 1

    def _merged_count(self, remote: Remote[T], there: set[Stamp], mine: int, *, same: bool) -> int:
        known = {stored.stamp for stored in self.turns}
        forgotten = bool(self.turns) and remote.forgotten_at >= self.turns[0].stamp.at
        count = remote.count + mine
        if not forgotten and (not same or self.restore):
            # Redis began to count anew; this copy has counted on.
            count = max(count, self.count + len(there - known))
        return max(count, len(there) + mine)

    def _settle(self, there: set[Stamp], remote: Remote[T]) -> None:
        """Take what Redis has after all, or what was forgotten since, off the list of what waits."""
        left = []
        for item in self.unsaved:
            if item.stamp in there or item.stamp.at <= remote.forgotten_at:
                resolve(item, remote.count)
            else:
                left.append(item)
        self.unsaved = left


def resolve(item: Unsaved, number: int) -> None:
    """Tell who waits for ``item``, if anyone still does."""
    if not item.number.done():
        item.number.set_result(number)
