"""Keeps a cancellation that arrives together with a failure."""

from __future__ import annotations

import asyncio


class Cancellation:
    """Notices that the current task was asked to stop since this was made.

    ``asyncio.TaskGroup`` of Python 3.11 and 3.12 raises the errors of its tasks in place of a cancellation that came at
    the same time. Whoever then handles the errors and goes on has lost the wish to stop.
    """

    def __init__(self) -> None:
        self._task = asyncio.current_task()
        self._before = self._requests()

    def check(self) -> None:
        """Go on, or stop.

        Raises:
            asyncio.CancelledError: the task was cancelled.
        """
        if self._requests() > self._before:
            raise asyncio.CancelledError

    def _requests(self) -> int:
        return self._task.cancelling() if self._task is not None else 0
