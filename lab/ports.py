"""Ports of our own choosing, so that two labs and a real PBX can live on one machine."""

from __future__ import annotations

import random
import socket

# Below the ports that Linux hands out to clients (32768 and up): a port from there could be taken as the source of an
# outgoing connection between our look and the server's bind. Above 10000 to stay clear of the well-known ones.
_FIRST, _LAST = 12_000, 32_000

# Asterisk takes a free pair out of its range for each call and skips what is in use, so ranges may overlap.
_RTP_FIRST, _RTP_LAST, _RTP_SPAN = 34_000, 58_000, 2_000

_given: set[int] = set()
_random = random.Random()  # seeded by the system: two processes look in different places


def free_port() -> int:
    """A port on 127.0.0.1 that is free for UDP and TCP, and that this process has not given away before."""
    for _ in range(1_000):
        port = _random.randrange(_FIRST, _LAST)
        if port not in _given and is_free(port):
            _given.add(port)
            return port
    raise RuntimeError(f"no free port found between {_FIRST} and {_LAST}")


def give_back(port: int) -> None:
    """``port`` may be given away again: a caller uses one for each call, and there are 20,000."""
    _given.discard(port)


def rtp_range() -> tuple[int, int]:
    """First and last port for RTP: room for 1,000 calls at once."""
    first = _random.randrange(_RTP_FIRST, _RTP_LAST, 2)
    return first, first + _RTP_SPAN


def is_free(port: int) -> bool:
    """Whether nobody listens on ``port`` of 127.0.0.1, neither on UDP nor on TCP."""
    """Whether a server could listen at ``port`` of 127.0.0.1, for UDP and for TCP."""
    for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
        with socket.socket(socket.AF_INET, kind) as probe:
            if kind == socket.SOCK_STREAM:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                return False
    return True
