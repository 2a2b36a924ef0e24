"""Slowing down who guesses passwords, by address and name; no I/O, the time comes from the caller."""

from __future__ import annotations

import hashlib
import ipaddress
import math
import secrets
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final, TypeVar

from app.models.names import name_key

FREE_GUESSES: Final = 5  # for one name
FREE_GUESSES_IN_ALL: Final = 50  # from one address, whatever the names
LONGEST_WAIT: Final = 60.0  # seconds
FORGET_AFTER: Final = 900.0  # seconds without a wrong password
MAX_GUESSERS: Final = 4096
# A proxy that passes on any X-Forwarded-For may hand us anything for an address.
_LONGEST_NAME: Final = 64


@dataclass(slots=True)
class _Guesser:
    """What one address did, with one name or in all.

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
    """After a few wrong passwords for a name from an address, each further one closes the door to that name from that
    address for twice as long. So nobody is locked out by who guesses elsewhere, or guesses at another name.

    Who tries a few passwords with many names is slowed down by the address alone, later; names that have signed in from
    there are let in all the same.

    The same wrong login again counts once: a browser tab that renews itself with the password of before a restart
    guesses nothing, and must not lock out the person in front of it. The tables are bounded; whoever's last wrong
    password is longest ago makes room.
    """

    def __init__(self, max_guessers: int = MAX_GUESSERS) -> None:
        self._max = max_guessers
        self._pairs: OrderedDict[tuple[str, str], _Guesser] = OrderedDict()
        self._networks: OrderedDict[str, _Guesser] = OrderedDict()
        # Who signed in from where, and when.
        self._known: OrderedDict[tuple[str, str], float] = OrderedDict()
        self._key = secrets.token_bytes(16)  # so that the digests in memory are of no use elsewhere

    def wait(self, address: str, username: str, now: float) -> int:
        """Whole seconds until ``address`` may try that name again; 0: now. ``now`` is a monotonic clock, in seconds."""
        network = _network(address)
        pair = (network, _short(username))
        seconds = _closed(self._pairs.get(pair), now)
        if pair not in self._known or now - self._known[pair] > FORGET_AFTER:
            seconds = max(seconds, _closed(self._networks.get(network), now))
        return math.ceil(seconds)

    def wrong(self, address: str, username: str, password: str, now: float) -> None:
        """Count a wrong login."""
        network = _network(address)
        digest = hashlib.blake2b(f"{username}\0{password}".encode("utf-8", "replace"), key=self._key).digest()
        _count(self._pairs, (network, _short(username)), digest, now, FREE_GUESSES, self._max)
        _count(self._networks, network, digest, now, FREE_GUESSES_IN_ALL, self._max)

    def right(self, address: str, username: str, now: float) -> None:
        """Forget the wrong ones of that name. Not those of the address: a guesser may have a login, too."""
        pair = (_network(address), _short(username))
        self._pairs.pop(pair, None)
        self._known.pop(pair, None)
        self._known[pair] = now
        if len(self._known) > self._max:
            self._known.popitem(last=False)

    def __len__(self) -> int:
        return len(self._pairs)


K = TypeVar("K")


def _count(table: OrderedDict[K, _Guesser], key: K, digest: bytes, now: float, free: int, most: int) -> None:
    guesser = table.pop(key, None)
    if guesser is None or now - guesser.last > FORGET_AFTER:
        guesser = _Guesser()
    table[key] = guesser
    if len(table) > most:
        table.popitem(last=False)
    guesser.last = now
    if digest in guesser.seen:
        return
    guesser.seen[digest] = None
    if len(guesser.seen) > free:
        guesser.seen.popitem(last=False)
    guesser.wrong += 1
    if guesser.wrong > free:
        guesser.free_at = now + min(2.0 ** min(guesser.wrong - free - 1, 10), LONGEST_WAIT)


def _closed(guesser: _Guesser | None, now: float) -> float:
    return 0.0 if guesser is None else max(0.0, guesser.free_at - now)


def _short(username: str) -> str:
    # As names are compared, so that capital letters give no further guesses.
    return name_key(username[:_LONGEST_NAME])


def _network(address: str) -> str:
    """An IPv6 host owns a whole /64, so that is what is counted."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address[:_LONGEST_NAME]
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is None:
        return str(ipaddress.ip_network((parsed, 64), strict=False).network_address)
    return str(parsed)
