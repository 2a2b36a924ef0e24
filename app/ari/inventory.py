"""What Asterisk says it has of our application: the stock that is taken after a reconnect."""

from __future__ import annotations

import msgspec


class AppInventory(msgspec.Struct, frozen=True, kw_only=True):
    """From ``GET /applications/{app}``.

    Attributes:
        channel_ids: Channels that the application is subscribed to. Nearly always those that are in Stasis for it, but
            a channel that left and that was subscribed to explicitly is listed as well, until it is hung up.
        bridge_ids: Likewise for bridges.
    """

    name: str
    channel_ids: tuple[str, ...] = ()
    bridge_ids: tuple[str, ...] = ()
