"""Decides whether and how often a call is tried: limits, circuit breaker, cache, repeats."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from app.tools.backend import Response, ToolCall


class Governor:
    """Shared by all turns."""

    async def run(self, call: ToolCall, attempt: Callable[[], Awaitable[Response]]) -> Response:
        """The response of one call, by as many tries as its tool allows. Raises ToolFailure."""
        return await attempt()
