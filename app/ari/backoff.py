"""How long to wait before the next connection attempt."""

from __future__ import annotations

import random
from collections.abc import Callable


class Backoff:
    """Exponential, bounded, jittered: after ``n`` failures between half and all of ``min(maximum, initial * 2**n)``.

    The jitter keeps several instances from knocking at a restarted Asterisk in step. The lower half is kept, so that a
    server that refuses at once is never asked in a tight loop. There is no last attempt.

    Args:
        initial, maximum: Seconds.
        uniform: Source of chance, for tests.
    """

    def __init__(
        self, initial: float, maximum: float, uniform: Callable[[float, float], float] = random.uniform
    ) -> None:
        self._initial = initial
        self._maximum = max(initial, maximum)
        self._uniform = uniform
        self._failures = 0

    def next(self, *, slow: bool = False) -> float:
        """Seconds to wait now.

        Args:
            slow: The failure is one that a person has to mend (a wrong password): do not begin with short waits.
        """
        # 2**30 is beyond any bound, and keeps the number small however long the server is away.
        ceiling = self._maximum if slow else min(self._maximum, self._initial * 2.0 ** min(self._failures, 30))
        self._failures += 1
        return self._uniform(ceiling / 2, ceiling)

    def reset(self) -> None:
        """The connection held: begin with the short wait again."""
        self._failures = 0
