"""What happens in calls now, for whoever watches. Nobody who watches slowly holds up a call."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from app.history.errors import TooManyWatchers

# Events that wait for one watcher, and watchers at a time.
QUEUE: Final = 200
MOST_WATCHERS: Final = 50

Kind = Literal["now", "turn_started", "tool_finished", "turn_ended", "missed"]


@dataclass(frozen=True, slots=True)
class LiveEvent:
    """One thing that happened.

    Attributes:
        kind: ``now`` tells what is running, at the beginning and where events were lost. ``missed`` tells one slow
            watcher how many events it did not get.
        data: A JSON value.
    """

    kind: Kind
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _Running:
    data: Mapping[str, Any]
    tools: list[str] = field(default_factory=list)


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
    """Gives every event to all who watch, and knows the turns that are running."""

    def __init__(self, most: int = MOST_WATCHERS) -> None:
        self._watchers: set[Watcher] = set()
        # By turn id, in the order of their beginnings. As many as there are calls, which AI_MAX_CALLS limits.
        self._running: dict[str, _Running] = {}
        self._most = most
        self._closed = False

    @property
    def watched(self) -> bool:
        """Whether anybody watches."""
        return bool(self._watchers)

    def now(self) -> list[dict[str, Any]]:
        """The turns that are running, the oldest first: the fields of ``turn_started``, and the ``tools`` that were
        called so far."""
        return [{**each.data, "tools": list(each.tools)} for each in self._running.values()]

    def turn_started(self, turn_id: str, data: Mapping[str, Any]) -> None:
        """A turn is running. Returns at once."""
        self._running[turn_id] = _Running(data)
        self.publish(LiveEvent("turn_started", data))

    def tool_finished(self, turn_id: str, name: str, data: Mapping[str, Any] | None) -> None:
        """It called a tool. Returns at once.

        Args:
            data: Of the event; None where nobody watches.
        """
        if (running := self._running.get(turn_id)) is not None:
            running.tools.append(name)
        if data is not None:
            self.publish(LiveEvent("tool_finished", data))

    def turn_ended(self, turn_id: str, data: Mapping[str, Any] | None) -> None:
        """It is running no more. Returns at once.

        Args:
            data: Of the event; None where nobody watches.
        """
        self._running.pop(turn_id, None)
        if data is not None:
            self.publish(LiveEvent("turn_ended", data))

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
