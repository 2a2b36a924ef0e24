"""The pooled HTTP connections to one OpenAI-compatible server, kept for minutes.

Between two turns of a phone call lie some ten seconds, and the HTTP clients of the SDKs close an idle connection
after five: most turns would pay for a new TCP and TLS handshake.
"""

from __future__ import annotations

import asyncio
import socket
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp

KEEP_ALIVE = 300.0  # seconds that an idle connection is kept
CONNECT_TIMEOUT = 5.0  # seconds for TCP and TLS
# A last line of defence: the agent's deadline, at most 300 s, comes before it.
SILENCE_TIMEOUT = 305.0
# A connection used within this time, in seconds, needs no warming: servers and firewalls keep it longer.
FRESH = 45.0


class Connection:
    """Lazily opened session to one server. It belongs to the event loop in which it was first used.

    Args:
        base_url: Up to and including ``/v1``, without a slash at the end.
        limit: Connections at once; more requests than this wait for a free one.
    """

    def __init__(self, base_url: str, headers: dict[str, str], *, limit: int) -> None:
        self.base_url = base_url
        self._headers = headers
        self._limit = limit
        self._session: aiohttp.ClientSession | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._last_used = float("-inf")

    def session(self) -> aiohttp.ClientSession:
        """The session of the running loop."""
        loop = asyncio.get_running_loop()
        session = self._session
        if session is None or session.closed or self._loop is not loop:
            session = self._session = self._open()
            self._loop = loop
        self._last_used = loop.time()
        return session

    def _open(self) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=self._limit,
                keepalive_timeout=KEEP_ALIVE,
                ttl_dns_cache=300,
                socket_factory=_socket,
            ),
            headers=self._headers,
            timeout=aiohttp.ClientTimeout(
                total=None, connect=None, sock_connect=CONNECT_TIMEOUT, sock_read=SILENCE_TIMEOUT
            ),
            # aiohttp's own look at the proxy variables is made for every request, and reads ~/.netrc too.
            proxy=_proxy(self.base_url),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=True,
            read_bufsize=2**18,
        )

    async def warm(self) -> None:
        """Open a connection, unless one was used a moment ago. Never raises."""
        if self._session is not None and asyncio.get_running_loop().time() - self._last_used < FRESH:
            return
        try:
            # HEAD of anything: the answer does not matter, the handshake does.
            async with self.session().head(f"{self.base_url}/models", allow_redirects=False):
                pass
        except (aiohttp.ClientError, TimeoutError, OSError):
            # The next turn will meet the same failure, and explain it.
            self._last_used = float("-inf")

    async def aclose(self) -> None:
        """Close the connections. The next use opens new ones."""
        session, self._session = self._session, None
        if session is not None and not session.closed:
            await session.close()


def _socket(info: tuple[Any, ...]) -> socket.socket:
    """A socket that notices within about a minute that a firewall has forgotten its idle connection."""
    family, kind, protocol, _, _ = info
    made = socket.socket(family=family, type=kind, proto=protocol)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (("TCP_KEEPIDLE", 30), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3)):
        if hasattr(socket, option):
            made.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
    return made


def _proxy(url: str) -> str | None:
    """The proxy of the environment (HTTPS_PROXY and the like) for ``url``."""
    parts = urlsplit(url)
    if proxy_bypass(parts.hostname or ""):
        return None
    proxies = getproxies()
    return proxies.get(parts.scheme) or proxies.get("all")
