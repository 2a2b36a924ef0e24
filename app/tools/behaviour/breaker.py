"""A circuit breaker: a system that is dead is not asked again and again while a caller waits. Pure, with a clock.

::

    closed --failures in a row--> open --seconds over--> half-open --the one probe succeeds--> closed
                                   ^                          |
                                   +------the probe fails-----+

A probe that ends without telling anything (the caller hung up) leaves the next call to be the probe.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

State = Literal["closed", "open", "half_open"]


@dataclass(frozen=True, slots=True)
class Passage:
    """Leave for one try; hand it back with how the try ended.

    Attributes:
        era: Of the breaker when the try began. What a try of an earlier era found out is no news.
    """

    era: int


class Breaker:
    """Of one tool.

    Args:
        failures: In a row; after so many it opens.
        seconds: For so long it stays open.
        changed: Told of each new state.
    """

    def __init__(
        self, failures: int, seconds: float, clock: Callable[[], float], changed: Callable[[State], None]
    ) -> None:
        self._most = failures
        self._seconds = seconds
        self._clock = clock
        self._changed = changed
        self.state: State = "closed"
        self.failures = 0  # in a row
        self._era = 0
        self._until = 0.0  # while open: when the next call may try
        self._probing = False  # while half-open: a probe is under way

    def refused_for(self) -> float | None:
        """Seconds until a call may try again; None: it may now."""
        if self.state == "open":
            left = self._until - self._clock()
            return left if left > 0 else None
        if self.state == "half_open" and self._probing:
            return min(self._seconds, 1.0)  # the probe will have told by then, most likely
        return None

    def unasked_for(self) -> float:
        """Seconds for which a call might have tried again and none came; 0 where that is not so."""
        return max(0.0, self._clock() - self._until) if self.state == "open" else 0.0

    def begin(self) -> Passage | None:
        """Leave for one try; None: not now."""
        if self.refused_for() is not None:
            return None
        if self.state == "open":
            self._become("half_open")
        if self.state == "half_open":
            self._probing = True
        return Passage(self._era)

    def succeeded(self, passage: Passage) -> None:
        """The system answered."""
        if passage.era != self._era:
            return
        self.failures = 0
        if self.state == "half_open":
            self._become("closed")

    def failed(self, passage: Passage) -> None:
        """The system did not answer, or says that it is broken."""
        if passage.era != self._era:
            return
        self.failures += 1
        if self.state == "half_open" or self.failures >= self._most:
            self._until = self._clock() + self._seconds
            self._become("open")

    def untold(self, passage: Passage) -> None:
        """The try ended without telling how the system is."""
        if passage.era == self._era:
            self._probing = False

    def _become(self, state: State) -> None:
        self.state = state
        self._era += 1
        self._probing = False
        self._changed(state)
