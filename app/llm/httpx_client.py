"""The HTTP client that we hand to the providers' libraries: their own close an idle connection after five seconds, and
most turns of a phone call would pay for a new handshake."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from app.llm.connection import CONNECT_TIMEOUT, FRESH, KEEP_ALIVE, SILENCE_TIMEOUT

if TYPE_CHECKING:
    import httpx2


class SharedClient:
    """One lazily made client for all models of a provider.

    Args:
        probe: An address at the provider; what it answers does not matter.
        limit: Connections at once.
    """

    def __init__(self, probe: str, *, limit: int) -> None:
        self._probe = probe
        self._limit = limit
        self._client: httpx2.AsyncClient | None = None
        self._last_used = float("-inf")

    def get(self) -> httpx2.AsyncClient:
        """The client; whoever uses it must not close it."""
        import httpx2

        if self._client is None:
            self._client = httpx2.AsyncClient(
                limits=httpx2.Limits(max_connections=self._limit, keepalive_expiry=KEEP_ALIVE),
                timeout=httpx2.Timeout(SILENCE_TIMEOUT, connect=CONNECT_TIMEOUT),
                event_hooks={"request": [self._used]},
            )
        return self._client

    async def warm(self) -> None:
        """Open a connection, unless one was used a moment ago. Never raises."""
        import httpx2

        if time.monotonic() - self._last_used < FRESH:
            return
        try:
            await self.get().head(self._probe)
        except httpx2.HTTPError:
            # The next turn will meet the same failure, and explain it.
            self._last_used = float("-inf")

    async def aclose(self) -> None:
        """Close the connections. The next use opens new ones."""
        client, self._client = self._client, None
        self._last_used = float("-inf")
        if client is not None:
            await client.aclose()

    async def _used(self, request: httpx2.Request) -> None:
        self._last_used = time.monotonic()
