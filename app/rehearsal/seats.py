"""How many rehearsals run at a time. Calls go first."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from app.rehearsal.errors import RehearsalsBusy

# Turns of the playground, and replays, at a time. A replay has a few turns at a time, and each costs what a call's
# turn does.
MOST_TURNS: Final = 12
MOST_REPLAYS: Final = 2


class Seats:
    """Room for rehearsals of one kind.

    Args:
        what: Their name, for the error.
        calls_full: Whether as many calls are served as may be: then nothing is rehearsed besides.
    """

    def __init__(self, what: str, most: int, calls_full: Callable[[], bool]) -> None:
        self._what = what
        self._calls_full = calls_full
        self._most = most
        self._taken: dict[object, asyncio.Task[Any]] = {}
        self._closed = False

    @contextmanager
    def seat(self) -> Iterator[None]:
        """Room for one more, within the block. The task that enters it is cancelled by :meth:`close`.

        Raises:
            RehearsalsBusy: there is none.
        """
        if self._closed:
            raise RehearsalsBusy("The service is stopping.")
        if self._calls_full():
            raise RehearsalsBusy(
                "Busy: as many calls are being served as AI_MAX_CALLS allows, and calls go first. Try again when there "
                "are fewer."
            )
        if len(self._taken) >= self._most:
            raise RehearsalsBusy(
                f"Busy: {self._most} {self._what} are running already, the most at a time. Try again in a moment."
            )
        task = asyncio.current_task()
        assert task is not None
        token = object()
        self._taken[token] = task
        try:
            yield
        finally:
            del self._taken[token]

    def close(self) -> None:
        """End all rehearsals, now and from now on; for when the service stops."""
        self._closed = True
        for task in self._taken.values():
            task.cancel()
