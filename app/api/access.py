"""What a route needs. A route that says nothing is closed to everybody."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar

from app.core.permissions import Permission

Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])

_ATTRIBUTE: Final = "__needs__"

# Nobody is asked who they are. Probes have no password. The example orders are what the first tool calls, and are the
# same in every installation.
OPEN_PATHS: Final = frozenset({"/healthz", "/readyz"})
OPEN_PREFIXES: Final = ("/static/", "/api/example/")


def needs(permission: Permission) -> Callable[[Endpoint], Endpoint]:
    """Decorator, below the one of the router: who calls the route must have ``permission``."""

    def declare(endpoint: Endpoint) -> Endpoint:
        setattr(endpoint, _ATTRIBUTE, permission)
        return endpoint

    return declare


def needed_by(endpoint: object) -> Permission | None:
    """The permission that the route declares; None: none, so nobody may."""
    found = getattr(endpoint, _ATTRIBUTE, None)
    return found if isinstance(found, Permission) else None


def is_open(path: str) -> bool:
    """Whether the address needs no login."""
    return path in OPEN_PATHS or path.startswith(OPEN_PREFIXES)
