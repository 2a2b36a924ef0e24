"""Conversations in this process: what serves until Redis is configured, and all that a single instance needs."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from app.memory.interface import Conversation, MemoryStatus

T = TypeVar("T")

# Beyond either the conversation whose last turn is longest ago is forgotten.
MAX_CONVERSATIONS: Final = 10_000
MAX_BYTES: Final = 256_000_000


@dataclass(slots=True)
class _Kept(Generic[T]):
    turns: deque[T]
    # Turns that the conversation has had, kept or not.
    count: int
    # On the clock of the store.
    expires_at: float
    # Of each of the turns.
    sizes: deque[int]


class InProcessMemory(Generic[T]):
    """A :class:`~app.memory.interface.ConversationMemory` that ends with the process.

    Args:
        ttl: Seconds after its last turn until a conversation is forgotten.
        max_turns: Turns kept of each.
        weigh: Bytes of memory that a turn takes, roughly.
        detail: Why it is in use, for the status page.
        clock: Monotonic seconds; None: the event loop's.
    """

    def __init__(
        self,
        *,
        ttl: float,
        max_turns: int,
        weigh: Callable[[T], int],
        max_conversations: int = MAX_CONVERSATIONS,
        max_bytes: int = MAX_BYTES,
        detail: str = "Conversations are kept in this process; a restart forgets them.",
        clock: Callable[[], float] | None = None,
    ) -> None:
        self._ttl = ttl
        self._max_turns = max_turns
        self._weigh = weigh
        self._max_conversations = max_conversations
        self._max_bytes = max_bytes
        self._detail = detail
        self._clock = clock
        # In the order of their last turns, which is the order of their expiry too.
        self._kept: OrderedDict[str, _Kept[T]] = OrderedDict()
        self._bytes = 0

    async def load(self, key: str) -> Conversation[T]:
        """See the interface; never waits."""
        self._drop_expired()
        kept = self._kept.get(key)
        return Conversation((), 0) if kept is None else Conversation(tuple(kept.turns), kept.count)

    async def append(self, key: str, turn: T) -> int:
        """See the interface; never waits."""
        self._drop_expired()
        kept = self._kept.get(key)
        if kept is None:
            kept = self._kept[key] = _Kept(deque(maxlen=self._max_turns), 0, 0.0, deque())
        kept.turns.append(turn)
        kept.count += 1
        self._weigh_in(kept, self._weigh(turn))
        kept.expires_at = self._now() + self._ttl
        self._kept.move_to_end(key)
        while len(self._kept) > self._max_conversations or (self._bytes > self._max_bytes and len(self._kept) > 1):
            self._drop(next(iter(self._kept)))
        return kept.count

    async def forget(self, key: str) -> None:
        """See the interface."""
        if key in self._kept:
            self._drop(key)

    def status(self) -> MemoryStatus:
        """See the interface."""
        return MemoryStatus("in_process", connected=True, detail=self._detail, conversations=len(self._kept))

    async def start(self) -> None:
        """Nothing runs behind it."""

    async def aclose(self) -> None:
        """Nothing to let go of."""

    def _now(self) -> float:
        return self._clock() if self._clock is not None else asyncio.get_running_loop().time()

    def _drop_expired(self) -> None:
        now = self._now()
        while self._kept:
            key, oldest = next(iter(self._kept.items()))
            if oldest.expires_at > now:
                return
            self._drop(key)

    def _drop(self, key: str) -> None:
        self._bytes -= sum(self._kept.pop(key).sizes)

    def _weigh_in(self, kept: _Kept[T], size: int) -> None:
        kept.sizes.append(size)
        self._bytes += size
        if len(kept.sizes) > self._max_turns:
            self._bytes -= kept.sizes.popleft()
