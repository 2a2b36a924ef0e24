"""A Redis in this process that fails on demand: what the scripts of redis_wire do, written a second time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from app.memory.copies import Remote, Stored
from app.memory.errors import MemoryFailure
from app.memory.redis_server import Appending, RedisServer, Replacing
from app.memory.redis_wire import unpack


@dataclass
class Held:
    """One conversation."""

    epoch: str | None = None
    count: int = 0
    forgotten_at: int = 0
    seqs: dict[str, int] = field(default_factory=dict)
    elements: list[bytes] = field(default_factory=list)

    def state(self) -> tuple[str | None, int]:
        """Epoch and count, as the scripts see them."""
        if self.epoch is None or (self.count > 0 and not self.elements):
            return None, 0
        return self.epoch, self.count

    def evict(self, part: str) -> None:
        """Lose one of the two keys."""
        if part == "list":
            self.elements = []
        else:
            self.epoch, self.count, self.forgotten_at, self.seqs = None, 0, 0, {}


@dataclass
class FakeRedis:
    """The data that all instances share, and what is wrong with it at the moment.

    Attributes:
        down: Nothing answers.
        late: So many of the next writes are carried out, but not answered.
    """

    held: dict[str, Held] = field(default_factory=dict)
    down: bool = False
    late: int = 0


class FakeServer(RedisServer[str]):
    """One instance's way to it."""

    def __init__(self, shared: FakeRedis, writer: str, max_turns: int) -> None:
        self.shared = shared
        self._writer = writer
        self._max_turns = max_turns

    async def ping(self, timeout: float) -> None:
        self._answer()

    async def revision(self, key: str, timeout: float) -> tuple[str | None, int]:
        self._answer()
        held = self.shared.held.get(key, Held())
        return held.epoch, held.count

    async def epochs(self, keys: Sequence[str], timeout: float) -> list[str | None]:
        self._answer()
        return [self.shared.held.get(key, Held()).epoch for key in keys]

    async def read(self, key: str, timeout: float) -> Remote[str]:
        self._answer()
        held = self.shared.held.get(key, Held())
        turns = [Stored(stamp, data.decode(), 1) for stamp, data in map(unpack, held.elements)]
        return Remote(*held.state(), turns, held.forgotten_at, 3600.0)

    async def append(self, conversations: Sequence[Appending], timeout: float) -> list[tuple[str, int] | MemoryFailure]:
        self._answer()
        answers = [self._append(item) for item in conversations]
        self._answer_write()
        return [*answers]

    async def replace(self, item: Replacing, timeout: float) -> bool:
        self._answer()
        held = self.shared.held.setdefault(item.key, Held())
        done = held.state() == (item.read_epoch, item.read_count)
        if done:
            held.epoch, held.count, held.elements = item.epoch, item.count, list(item.elements)
            for writer, seq in item.seqs.items():
                held.seqs[writer] = max(held.seqs.get(writer, 0), seq)
        self._answer_write()
        return done

    async def forget(self, key: str, epoch: str, at: int, timeout: float) -> None:
        self._answer()
        held = self.shared.held.setdefault(key, Held())
        held.epoch, held.count, held.forgotten_at, held.elements = epoch, 0, at, []
        self._answer_write()

    async def aclose(self) -> None:
        pass

    def _append(self, item: Appending) -> tuple[str, int]:
        held = self.shared.held.setdefault(item.key, Held())
        epoch, _count = held.state()
        if item.epoch is not None and item.epoch != epoch:
            return epoch or "", -1
        if epoch is None:
            held.epoch, held.count = item.new_epoch, len(held.elements)
        for seq, element in item.turns:
            if seq > held.seqs.get(self._writer, 0):
                held.elements.append(element)
                held.count += 1
                held.seqs[self._writer] = seq
        del held.elements[: -self._max_turns]
        return held.epoch or "", held.count

    def _answer(self) -> None:
        if self.shared.down:
            raise MemoryFailure("down")

    def _answer_write(self) -> None:
        if self.shared.late:
            self.shared.late -= 1
            raise MemoryFailure("carried out, but not answered")
