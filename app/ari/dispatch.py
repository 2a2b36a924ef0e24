"""Hands events to whoever asked for them. A listener that fails harms nobody but itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import structlog

from app.ari.config import AsteriskInfo
from app.ari.counters import AriCounters
from app.ari.events import Event

logger = structlog.get_logger(__name__)


class AriListener(Protocol):
    """What the client tells its owner. Called from the reader, so every method returns at once: it starts tasks, fills
    bounded queues, sets futures, and never waits."""

    def on_event(self, event: Event) -> None:
        """An event. May come shortly before :meth:`on_connected`: a call that arrives while the connection is being set
        up is not made to wait for it."""

    def on_connected(self, asterisk: AsteriskInfo) -> None:
        """The event filter is set and subscriptions are restored. Events were lost before; take stock now."""

    def on_disconnected(self, reason: str) -> None:
        """The event socket is gone, after an :meth:`on_connected`. ``reason`` is a sentence for the operator."""


class Dispatcher:
    """One listener for everything, and any number for single channels."""

    def __init__(self, listener: AriListener, counters: AriCounters) -> None:
        self._listener = listener
        self._counters = counters
        # By channel id. An entry lives as long as somebody listens; the inner dict keeps the order of asking.
        self._channels: dict[str, dict[object, Callable[[Event], None]]] = {}
        # To call when the event socket breaks, in the order of asking.
        self._until_lost: dict[object, Callable[[], None]] = {}

    def listen(self, channel_id: str, callback: Callable[[Event], None]) -> Callable[[], None]:
        """Have ``callback`` called with the events of one channel, after the general listener.

        Returns:
            "Stop listening". Calling it again does nothing.
        """
        key = object()
        self._channels.setdefault(channel_id, {})[key] = callback

        def stop() -> None:
            callbacks = self._channels.get(channel_id)
            if callbacks is not None and callbacks.pop(key, None) is not None and not callbacks:
                del self._channels[channel_id]

        return stop

    def until_lost(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Have ``callback`` called once, when the event socket breaks.

        Returns:
            "Never mind". Calling it again does nothing.
        """
        key = object()
        self._until_lost[key] = callback

        def stop() -> None:
            self._until_lost.pop(key, None)

        return stop

    def event(self, event: Event) -> None:
        """Hand one event to everybody whom it concerns."""
        self._call(self._listener.on_event, event)
        if not self._channels:
            return
        for channel_id in event.channel_ids():
            callbacks = self._channels.get(channel_id)
            if callbacks:
                for callback in tuple(callbacks.values()):
                    self._call(callback, event)

    def connected(self, asterisk: AsteriskInfo) -> None:
        """Tell the listener."""
        self._call(self._listener.on_connected, asterisk)

    def disconnected(self, reason: str) -> None:
        """Tell the listener."""
        self._call(self._listener.on_disconnected, reason)

    def lost(self) -> None:
        """The event socket broke."""
        callbacks, self._until_lost = tuple(self._until_lost.values()), {}
        for callback in callbacks:
            self._call(callback)

    def _call(self, callback: Callable[..., None], *arguments: object) -> None:
        try:
            callback(*arguments)
        except Exception:  # one call's fault must not end the connection that all calls share
            self._counters.listener_errors += 1
            logger.exception("ari.listener_failed", argument_type=", ".join(type(each).__name__ for each in arguments))
