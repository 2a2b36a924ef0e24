"""What can go wrong with conversation memory. A turn never fails by it: callers of the store see it only in
``status()``; it is raised between the layers of this room."""

from __future__ import annotations

from app.core.errors import GatewayError


class MemoryFailure(GatewayError):
    """The store behind the memory did not answer, or not in time."""

    code = "memory_unavailable"
    retryable = True
