"""Slowing down who guesses passwords, by address; no I/O, the time comes from the caller."""

from __future__ import annotations

import hashlib
import ipaddress
import math
import secrets
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final

FREE_GUESSES: Final = 5
LONGEST_WAIT: Final = 60.0  # seconds
FORGET_AFTER: Final = 900.0  # seconds without a wrong password
MAX_ADDRESSES: Final = 4096
# A proxy that passes on any X-Forwarded-For may hand us anything for an address.
_LONGEST_NAME: Final = 64


@dataclass(slots=True)
class _Guesser:
    """What one address did.

    Attributes:
        wrong: Different wrong logins since the last right one.
        seen: Keyed digests of the last wrong ones.
        free_at, last: On the caller's clock.
    """

    wrong: int = 0
    seen: OrderedDict[bytes, None] = field(default_factory=OrderedDict)
    free_at: float = 0.0
    last: float = 0.0


class LoginThrottle:
    """After a few wrong passwords from an address, each further one closes the door to it for twice as long.

    The same wrong login again counts once: a browser tab that renews itself with the password of before a restart
    guesses nothing, and must not lock out the person in front of it. The table is bounded; the address whose last
    wrong password is longest ago makes room.
    """

    def __init__(self, max_addresses: int = MAX_ADDRESSES) -> None:
        self._max = max_addresses
        self._guessers: OrderedDict[str, _Guesser] = OrderedDict()
        self._key = secrets.token_bytes(16)  # so that the digests in memory are of no use elsewhere

    def wait(self, address: str, now: float) -> int:
        """Whole seconds until ``address`` may try again; 0: now. ``now`` is any monotonic clock, in seconds."""
        guesser = self._guessers.get(_network(address))
        if guesser is None or guesser.free_at <= now:
            return 0
        return math.ceil(guesser.free_at - now)

    def wrong(self, address: str, username: str, password: str, now: float) -> None:
        """Count a wrong login."""
        network = _network(address)
        guesser = self._guessers.pop(network, None)
        if guesser is None or now - guesser.last > FORGET_AFTER:
            guesser = _Guesser()
        self._guessers[network] = guesser
        if len(self._guessers) > self._max:
            self._guessers.popitem(last=False)
        guesser.last = now
        digest = hashlib.blake2b(f"{username}\0{password}".encode("utf-8", "replace"), key=self._key).digest()
        if digest in guesser.seen:
            return
        guesser.seen[digest] = None
        if len(guesser.seen) > FREE_GUESSES:
            guesser.seen.popitem(last=False)
        guesser.wrong += 1
        if guesser.wrong > FREE_GUESSES:
            guesser.free_at = now + min(2.0 ** (guesser.wrong - FREE_GUESSES - 1), LONGEST_WAIT)

    def right(self, address: str) -> None:
        """Forget the wrong ones."""
        self._guessers.pop(_network(address), None)

    def __len__(self) -> int:
        return len(self._guessers)


def _network(address: str) -> str:
    """An IPv6 host owns a whole /64, so that is what is counted."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address[:_LONGEST_NAME]
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is None:
        return str(ipaddress.ip_network((parsed, 64), strict=False).network_address)
    return str(parsed)
