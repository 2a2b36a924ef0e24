"""The service, in a process that connects to this machine alone: what a fuzzer makes up must not be asked for anything.

Started as a module, in place of ``app.main``. Every socket of Python tells the interpreter where it is going before it
goes; uvloop's do not, so the loop of the standard library takes its place.
"""

from __future__ import annotations

import errno
import ipaddress
import sys
from typing import Any, Final

_CONNECTS: Final = frozenset({"socket.connect", "socket.sendto", "socket.sendmsg"})


def refuse(event: str, arguments: tuple[Any, ...]) -> None:
    """An audit hook: raises PermissionError before a name is looked up, or an address reached, that is not ours."""
    if event == "socket.getaddrinfo" and not _ours(arguments[0]):
        raise PermissionError(errno.EPERM, f"not looked up by a test: {arguments[0]!r}")
    if event in _CONNECTS and isinstance(arguments[1], tuple) and not _ours(arguments[1][0]):
        raise PermissionError(errno.EPERM, f"not reached by a test: {arguments[1]!r}")


def _ours(host: Any) -> bool:
    text = host.decode("ascii", "replace") if isinstance(host, bytes) else host
    if text in (None, "", "localhost"):
        return True
    try:
        return ipaddress.ip_address(text).is_loopback
    except ValueError:
        return False


def main() -> None:
    """Run the service."""
    sys.modules["uvloop"] = None  # type: ignore[assignment]  # so that importing it fails
    sys.addaudithook(refuse)
    from app.main import main as serve

    serve()


if __name__ == "__main__":
    main()
