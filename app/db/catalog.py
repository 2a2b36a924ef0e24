"""A store's rows in memory: what the catalogs of prompts and of tools have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from typing import Generic, Protocol, TypeVar

from app.db.snapshot import INTERVAL, Loaded, Snapshot, SnapshotStatus

T = TypeVar("T")


class Store(Protocol):
    """Where the rows are written.

    Attributes:
        after_write: Awaited by the store after each of its writes; None: nobody wants to know.
    """

    after_write: Callable[[], Awaitable[None]] | None

    async def revision(self) -> int:
        """Raised by every write; see :class:`app.db.snapshot.Snapshot`."""


class Catalog(ABC, Generic[T]):
    """A store's rows as one immutable value. All reading is synchronous, and goes on while the database is away.

    What this process saves is in force when the save returns; what another instance saves, a second later.

    Args:
        name: For logs.
        interval: Seconds between two looks at the store's revision.
    """

    def __init__(self, name: str, store: Store, *, interval: float = INTERVAL) -> None:
        self._follows = store
        self._snapshot: Snapshot[T] = Snapshot(
            name, load=self._load, revision=store.revision, interval=interval, changed=self._announce
        )
        # Called after every load that brought another revision; must return at once.
        self.when_changed: Callable[[], None] | None = None

    async def start(self) -> None:
        """Load all, and keep them fresh until :meth:`aclose`. Raises DatabaseError when the first load fails."""
        await self._snapshot.start()
        self._follows.after_write = self._snapshot.after_write

    async def refresh(self) -> None:
        """Load what has changed, now. Raises DatabaseError; the copy in force stays."""
        await self._snapshot.refresh()

    async def aclose(self) -> None:
        """Stop keeping them fresh."""
        self._follows.after_write = None
        await self._snapshot.aclose()

    @property
    def status(self) -> SnapshotStatus:
        """How fresh they are."""
        return self._snapshot.status

    def _announce(self) -> None:
        if self.when_changed is not None:
            self.when_changed()

    @abstractmethod
    async def _load(self, earlier: T | None) -> Loaded[T]:
        """The rows as they are now; of ``earlier`` is taken over what has not changed."""
