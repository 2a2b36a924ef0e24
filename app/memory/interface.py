"""Conversation memory: what a conversation's turns are, and what every store of them can do.

A turn is opaque here: the agent stores the messages of one finished turn as one value ``T`` and gives the store a
:class:`Codec` for it. So a turn is written and trimmed whole, and this room knows no LangChain.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, Protocol, TypeVar

T = TypeVar("T")


class Codec(Protocol[T]):
    """How a turn is written down."""

    def dumps(self, turn: T) -> bytes:
        """One turn as bytes."""
        ...

    def loads(self, data: bytes) -> T:
        """The reverse. Raises ValueError for bytes that are no turn; the store then skips that turn and says so."""
        ...


@dataclass(frozen=True, slots=True)
class Conversation(Generic[T]):
    """What is remembered of a conversation.

    Attributes:
        turns: The kept turns, oldest first; at most ``AI_MEMORY_MAX_TURNS``.
        count: How many turns the conversation has had, kept or not.
    """

    turns: Sequence[T]
    count: int


@dataclass(frozen=True, slots=True)
class MemoryStatus:
    """For the status page and ``doctor``.

    Attributes:
        backend: ``redis`` or ``in_process``.
        connected: False while Redis is configured and does not answer. ``in_process`` is always connected.
        detail: One sentence for the operator: which one is in use, and why.
        conversations: How many conversations this process holds.
        unsaved_turns: Turns that wait here for Redis to come back.
        last_error: The last failure, and when it was.
    """

    backend: str
    connected: bool
    detail: str
    conversations: int
    unsaved_turns: int = 0
    last_error: str | None = None
    last_error_at: datetime | None = None


class ConversationMemory(Protocol[T]):
    """A store of conversations. Neither method fails because a server is away, and neither waits long for one.

    Cancelling either is safe: an append is whole or absent, and once it has begun it is carried through.
    """

    async def load(self, key: str) -> Conversation[T]:
        """What is remembered under ``key``; an unknown or expired key is an empty conversation."""
        ...

    async def append(self, key: str, turn: T) -> int:
        """Add one finished turn, atomically; drop the oldest beyond the limit; restart the expiry.

        Returns the number of the turn in its conversation, from 1.
        """
        ...

    async def forget(self, key: str) -> None:
        """Drop a conversation."""
        ...

    def status(self) -> MemoryStatus:
        """The state now, without asking a server."""
        ...

    async def start(self) -> None:
        """Begin background work; returns at once, also when the server is away."""
        ...

    async def aclose(self) -> None:
        """Write what waits (for a bounded time), then let go of connections."""
        ...
