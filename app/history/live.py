"""What happens in calls now, for whoever watches. Nobody who watches slowly holds up a call."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, Literal

from app.history.errors import TooManyWatchers

# Events that wait for one watcher, and watchers at a time.
QUEUE: Final = 200
MOST_WATCHERS: Final = 50

Kind = Literal["turn_started", "tool_finished", "turn_ended", "missed"]


@dataclass(frozen=True, slots=True)
class LiveEvent:
    """One thing that happened.

    Attributes:
        kind: ``missed`` tells one slow watcher how many events it did not get.
        data: A JSON value.
    """

    kind: Kind
    data: Mapping[str, Any]


class Watcher:
    """One who watches: its events, in order."""

    def __init__(self) -> None:
        self._events: deque[LiveEvent] = deque()
        self._missed = 0
        self._news = asyncio.Event()
        self._closed = False

    def give(self, event: LiveEvent) -> None:
        """Add an event. Of too many, the oldest is lost."""
        self._events.append(event)
        if len(self._events) > QUEUE:
            self._events.popleft()
            self._missed += 1
        self._news.set()

    def close(self) -> None:
        """No more events."""
        self._closed = True
        self._news.set()

    async def events(self, heartbeat: float) -> AsyncIterator[LiveEvent | None]:
        """The events until the hub closes; None after each ``heartbeat`` seconds without one."""
        while not self._closed:
            while self._events and not self._closed:
                if self._missed:
                    missed, self._missed = self._missed, 0
                    yield LiveEvent("missed", {"events": missed})
                yield self._events.popleft()
            self._news.clear()
            if self._closed:
                return
            try:
                async with asyncio.timeout(heartbeat):
                    await self._news.wait()
            except TimeoutError:
                yield None


class LiveHub:
    """Gives every event to all who watch."""

    def __init__(self, most: int = MOST_WATCHERS) -> None:
        self._watchers: set[Watcher] = set()
        self._most = most
        self._closed = False

    @property
    def watched(self) -> bool:
        """Whether anybody watches."""
        return bool(self._watchers)

    def publish(self, event: LiveEvent) -> None:
        """Give an event to all. Returns at once."""
        for watcher in self._watchers:
            watcher.give(event)

    @contextmanager
    def watching(self) -> Iterator[Watcher]:
        """Watch within the block.

        Raises:
            TooManyWatchers: there are :data:`MOST_WATCHERS`.
        """
        if len(self._watchers) >= self._most:
            raise TooManyWatchers(f"{self._most} are watching the calls already. Close a page that does.")
        watcher = Watcher()
        if self._closed:
            watcher.close()
        self._watchers.add(watcher)
        try:
            yield watcher
        finally:
            self._watchers.discard(watcher)

    def close(self) -> None:
        """End all watching, now and from now on."""
        self._closed = True
        for watcher in self._watchers:
            watcher.close()
