"""Taking stock: channels that are in our application without a turn of ours.

They come from three causes: a service that was restarted or lost its event socket while calls were in it; a
StasisStart that Asterisk could not send, which happens when an argument is not valid UTF-8; and an event that was
lost. In each case nobody but us can give the caller back to the dialplan.
"""

from __future__ import annotations

from collections.abc import Collection, Set
from dataclasses import dataclass, field


@dataclass(slots=True)
class Stock:
    """Decides which channels are orphans. No I/O: inventories in, channel ids out.

    A channel is an orphan when two inventories in a row name it and nobody serves it in either: one alone may name a
    channel whose StasisStart is still on its way to us, or whose ``continue`` was answered a moment ago.
    """

    _suspects: set[str] = field(default_factory=set)

    def orphans(self, present: Collection[str], served: Set[str]) -> set[str]:
        """Channels to release now.

        Args:
            present: The application's channels, as Asterisk lists them.
            served: The channels of turns in progress.
        """
        unserved = {channel for channel in present if channel not in served}
        found = unserved & self._suspects
        self._suspects = unserved - found
        return found
