"""The ports on which this process listens, whoever opened them: the service itself, or a web server that runs it."""

from __future__ import annotations

import os
import socket
import stat
import time
from collections.abc import Collection, Iterable, Iterator
from typing import Final

# Ports are opened once, just after the start; looking through the open files takes a tenth of a millisecond.
_LOOK_AGAIN_SECONDS: Final = 1.0
_OPEN_FILES: Final = ("/proc/self/fd", "/dev/fd")


class OwnPorts(Collection[int]):
    """Looks again at most once a second.

    Args:
        known: Ports of this service all the same, such as those of the process that serves the web interface.
    """

    def __init__(self, known: Iterable[int] = ()) -> None:
        self._known = frozenset(known) - {0}
        self._found: frozenset[int] = frozenset()
        self._looked_at = float("-inf")

    def __contains__(self, port: object) -> bool:
        return port in self._known or port in self._listening()

    def __iter__(self) -> Iterator[int]:
        return iter(self._known | self._listening())

    def __len__(self) -> int:
        return len(self._known | self._listening())

    def _listening(self) -> frozenset[int]:
        if time.monotonic() - self._looked_at >= _LOOK_AGAIN_SECONDS:
            self._found = frozenset(listening_ports())
            self._looked_at = time.monotonic()
        return self._found


def listening_ports() -> set[int]:
    """The TCP ports of this process's listening sockets; none where the system does not list open files."""
    found = set()
    for number in _open_files():
        try:
            if not stat.S_ISSOCK(os.fstat(number).st_mode):
                continue
            with socket.socket(fileno=os.dup(number)) as copy:
                internet = copy.family in (socket.AF_INET, socket.AF_INET6) and copy.type == socket.SOCK_STREAM
                if internet and copy.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                    found.add(int(copy.getsockname()[1]))
        except OSError:
            continue  # closed in the meantime
    return found


def _open_files() -> list[int]:
    for folder in _OPEN_FILES:
        try:
            return [int(name) for name in os.listdir(folder)]
        except OSError:
            continue
    return []
