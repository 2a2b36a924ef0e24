"""ARI over pooled HTTP: for servers without REST over the WebSocket, for files, and while the event socket is down."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, quote_plus

import aiohttp
import msgspec
from yarl import URL

from app.ari.config import AriConfig
from app.ari.counters import AriCounters
from app.ari.errors import AriTooLarge, AriUnavailable
from app.ari.loss import AfterLoss, after_loss
from app.ari.requests import Request, result_of

MAX_BODY = 40_960
"""Bytes. Asterisk's HTTP server answers 413 to a longer body (tried on 16.28 and 22.10.1)."""

MAX_TARGET = 3_900
"""Bytes of path and query. Asterisk refuses a request line of more than 4,096 bytes with 400, method, version and a
reverse proxy's prefix included."""

# Below Asterisk's session_keep_alive, 15 s by default, so that we close an idle connection before Asterisk does.
_IDLE_SECONDS = 10.0


class AriHttp:
    """A pool of keep-alive connections to one Asterisk. Made inside a running event loop; :meth:`aclose` ends it."""

    def __init__(self, config: AriConfig, counters: AriCounters) -> None:
        self._counters = counters
        self._base = config.url.rstrip("/") + "/ari/"
        self.session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=config.http_pool, keepalive_timeout=_IDLE_SECONDS),
            headers={"Authorization": aiohttp.encode_basic_auth(config.username, config.password)},
            cookie_jar=aiohttp.DummyCookieJar(),
            # The time of a whole request is the client's affair; connecting is bounded here, for the retries' sake.
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=config.connect_timeout),
            auto_decompress=False,
            skip_auto_headers=("User-Agent", "Accept-Encoding"),
        )

    def url(self, target: str) -> URL:
        """An address below ``/ari/``; ``target`` is already encoded."""
        return URL(self._base + target, encoded=True)

    async def request(self, request: Request) -> Any:
        """Send one request; wait for a free connection of the pool if need be.

        A kept connection may be closed by Asterisk at the moment that we use it. Where :func:`after_loss` allows it,
        the request is then sent once more.

        Returns:
            The decoded JSON; bytes where the answer is something else, such as a recording; None without a body.

        Raises:
            AriUnavailable: Asterisk cannot be reached, or closed the connection.
            AriTooLarge: the body exceeds 40,960 bytes; nothing was sent.
            AriRequestFailed: as :func:`app.ari.requests.result_of` says.
        """
        target, body = encode(request)
        url = self.url(target)
        headers = None if body is None else {"Content-Type": "application/json"}
        try:
            return await self._once(request, url, body, headers)
        except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError) as error:
            if (
                isinstance(error, aiohttp.ClientConnectorError)
                or after_loss(request.method, request.path) is AfterLoss.FAIL
            ):
                raise _unavailable(request, error) from error
        except aiohttp.ClientError as error:
            raise _unavailable(request, error) from error
        try:
            return await self._once(request, url, body, headers)
        except aiohttp.ClientError as error:
            raise _unavailable(request, error) from error

    async def _once(self, request: Request, url: URL, body: bytes | None, headers: dict[str, str] | None) -> Any:
        self._counters.requests_http += 1
        async with self.session.request(
            request.method, url, data=body, headers=headers, allow_redirects=False
        ) as response:
            content = await response.read()
            status = response.status
            if content and status < 400 and response.content_type != "application/json":
                return content
            return result_of(request, status, response.reason or "", content)

    async def aclose(self) -> None:
        """Close all connections."""
        await self.session.close()


def encode(request: Request) -> tuple[str, bytes | None]:
    """The target below ``/ari/`` and the body of a request.

    Asterisk reads every query parameter from a JSON body as well, which has ten times the room. A query that does not
    fit the request line goes there.

    Raises:
        AriTooLarge: the body, or a query that has to stay beside a body, exceeds what Asterisk takes.
    """
    body = request.body_json()
    target = request.path
    pairs = request.query_text()
    if pairs:
        query = "&".join(f"{quote_plus(name)}={quote(value, safe='')}" for name, value in pairs)
        if len(target) + 1 + len(query) <= MAX_TARGET:
            target = f"{target}?{query}"
        elif body is None:
            body = msgspec.json.encode(request.query)
        else:
            raise AriTooLarge(
                f"{request.method} {request.path} has a query of {len(query)} bytes beside a body; Asterisk takes "
                f"{MAX_TARGET}. Move parameters into the body."
            )
    if body is not None and len(body) > MAX_BODY:
        raise AriTooLarge(
            f"{request.method} {request.path} has a body of {len(body)} bytes; Asterisk takes {MAX_BODY} over HTTP. "
            "Send less, or in parts."
        )
    return target, body


def _unavailable(request: Request, error: aiohttp.ClientError) -> AriUnavailable:
    return AriUnavailable(f"{request.method} {request.path} did not reach Asterisk over HTTP: {error}")
