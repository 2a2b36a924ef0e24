"""A listener that remembers, for the tests."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from app.ari.config import AsteriskInfo
from app.ari.events import Event

E = TypeVar("E", bound=Event)


class Heard:
    """Everything that the client said, in order."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.connected: list[AsteriskInfo] = []
        self.disconnected: list[str] = []
        self._news = asyncio.Event()

    def on_event(self, event: Event) -> None:
        self.events.append(event)
        self._news.set()

    def on_connected(self, asterisk: AsteriskInfo) -> None:
        self.connected.append(asterisk)
        self._news.set()

    def on_disconnected(self, reason: str) -> None:
        self.disconnected.append(reason)
        self._news.set()

    def of(self, kind: type[E], channel_id: str | None = None) -> list[E]:
        """Events of one kind, of one channel if given."""
        found = [event for event in self.events if isinstance(event, kind)]
        return found if channel_id is None else [event for event in found if channel_id in event.channel_ids()]

    async def until(self, condition: Callable[[], object], seconds: float = 5.0) -> None:
        """Wait until something that was heard makes the condition true."""
        async with asyncio.timeout(seconds):
            while not condition():
                self._news.clear()
                await self._news.wait()

    async def event(self, kind: type[E], channel_id: str | None = None, seconds: float = 5.0) -> E:
        """The first event of a kind, as soon as it is there."""
        await self.until(lambda: self.of(kind, channel_id), seconds)
        return self.of(kind, channel_id)[0]
