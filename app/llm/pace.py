"""How often pieces of an answer are handed on.

Each piece costs a walk through LangChain and the graph, a tenth of a millisecond or more, and LangChain keeps them all
and joins them at the end, in one go. A long answer in pieces of a few letters took seconds of CPU and held up every
call for a quarter of a second.
"""

from __future__ import annotations

import asyncio
import time

# More than a spoken answer has: those pieces go on as they come.
AT_ONCE = 200
# Afterwards each batch holds this part of what came before it, so that the number of batches grows by the logarithm.
PART = 25
# Seconds of work after which others get their turn. What the socket has buffered is read without a pause otherwise.
TURN_OF_WORK = 0.005


class Pace:
    """Counts the pieces of one answer."""

    def __init__(self) -> None:
        self._seen = 0
        self._held = 0
        self._breathed = time.perf_counter()

    async def breathe(self) -> None:
        """Let the event loop turn when this answer has had it for a while."""
        if time.perf_counter() - self._breathed > TURN_OF_WORK:
            await asyncio.sleep(0)
            self._breathed = time.perf_counter()

    def due(self) -> bool:
        """Take note of a piece; whether what is held, this one included, should go on now."""
        self._seen += 1
        self._held += 1
        if self._held <= (self._seen - AT_ONCE) // PART:
            return False
        self._held = 0
        return True
