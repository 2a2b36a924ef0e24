"""HTTP tools: the request is rendered, sent, and its response read within bounds."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Final
from urllib.parse import urljoin, urlsplit

import aiohttp
from yarl import URL

from app.tools.backend import Response, ToolCall
from app.tools.definition import RequestSpec, ToolDefinition
from app.tools.errors import ToolResponseTooLarge, ToolUnreachable
from app.tools.exchange import ExchangeObserver
from app.tools.render import RenderedRequest, RequestTemplate
from app.tools.results import Decompressor

# Phone turns come minutes apart; the client's default of 15 s would pay a new TCP and TLS handshake for most of them.
_KEEPALIVE_SECONDS: Final = 120.0
_MAX_CONNECTIONS_PER_HOST: Final = 50
_MAX_REDIRECTS: Final = 3
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_MAX_COMPILED: Final = 512
_HEADERS: Final = {"Accept": "application/json, text/*;q=0.8, */*;q=0.5", "Accept-Encoding": "gzip, deflate"}
_READ_BYTES: Final = 65_536


class HttpBackend:
    """One pool of kept connections, no cookies, no proxy from the environment.

    Args:
        connector: Decides where connections may go; None: a plain TCP connector. It is closed by :meth:`aclose`.
    """

    def __init__(self, connector: aiohttp.BaseConnector | None = None) -> None:
        self._connector = connector
        self._session: aiohttp.ClientSession | None = None  # made at the first request, inside the running loop
        self._templates: OrderedDict[tuple[int, int], tuple[ToolDefinition, RequestTemplate]] = OrderedDict()

    async def call(self, call: ToolCall, observer: ExchangeObserver | None) -> Response:
        """See :class:`app.tools.backend.Backend`.

        A redirect is followed for GET and HEAD only, to the same scheme, host and port. aiohttp sends an idempotent
        request again when a kept connection turns out to be closed.
        """
        request = self._template(call.tool).render(call.arguments, call.context.variables)
        try:
            return await self._follow(call.tool, request, observer)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            # ValueError: the server broke the protocol (an encoding that was not asked for, an impossible redirect).
            name = call.tool.name
            raise ToolUnreachable(
                f"{name}: {origin(request.url)}: {_reason(error)}",
                for_model=f"{name} cannot be reached at the moment. Go on without it, and tell the caller so.",
            ) from error

    async def aclose(self) -> None:
        """Close the kept connections. Calls in flight fail."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()
        elif self._connector is not None:
            await self._connector.close()

    def _template(self, tool: ToolDefinition) -> RequestTemplate:
        found = self._templates.get(tool.key)
        # A draft that an operator tries has no version yet: the same key with another content is another tool.
        if found is None or (found[0] is not tool and found[0] != tool):
            found = self._templates[tool.key] = (tool, RequestTemplate(tool))
        self._templates.move_to_end(tool.key)
        if len(self._templates) > _MAX_COMPILED:
            self._templates.popitem(last=False)
        return found[1]

    async def _follow(
        self, tool: ToolDefinition, request: RenderedRequest, observer: ExchangeObserver | None
    ) -> Response:
        url = request.url
        for _ in range(_MAX_REDIRECTS + 1):
            response, location = await self._exchange(tool, request, url, observer)
            if location is None or request.method not in ("GET", "HEAD"):
                return response
            target = urljoin(url, location)
            if origin(target) != origin(url):
                return response
            url = target
        return response

    async def _exchange(
        self, tool: ToolDefinition, request: RenderedRequest, url: str, observer: ExchangeObserver | None
    ) -> tuple[Response, str | None]:
        if observer is not None:
            observer.sent(request.method, url, _as_sent(request.headers), request.body)
        async with self._client().request(
            request.method,
            URL(url, encoded=True),  # the template encoded it; a second normalisation would undo that
            headers=dict(request.headers),
            data=request.body,
            allow_redirects=False,
        ) as response:
            location = response.headers.get("Location") if response.status in _REDIRECTS else None
            if observer is not None:
                observer.answered(response.status, response.headers.items(), response.charset)
            body = await _read(tool, response, observer)
            return Response(response.status, response.headers.get("Content-Type", ""), response.charset, body), location

    def _client(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = self._connector or aiohttp.TCPConnector(
                limit=0, limit_per_host=_MAX_CONNECTIONS_PER_HOST, keepalive_timeout=_KEEPALIVE_SECONDS
            )
            self._session = aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None),  # one timeout holds, around everything
                headers=_HEADERS,
                trust_env=False,
                auto_decompress=False,
            )
        return self._session


async def _read(tool: ToolDefinition, response: aiohttp.ClientResponse, observer: ExchangeObserver | None) -> bytes:
    limit = tool.request.max_response_bytes
    decompressor = Decompressor(response.headers.get("Content-Encoding", ""))
    pieces: list[bytes] = []
    size = 0
    async for data in response.content.iter_chunked(_READ_BYTES):
        piece = decompressor.feed(data, limit - size)
        if observer is not None:
            observer.received(piece)
        pieces.append(piece)
        size += len(piece)
        if size > limit:
            response.close()  # the rest is not wanted, so the connection cannot be kept
            raise ToolResponseTooLarge(
                f"{tool.name}: the response is longer than {limit:,} bytes",
                for_model=f"{tool.name} answered with more than can be read. Ask for less, or go on without it.",
            )
    if observer is not None:
        observer.finished()
    return b"".join(pieces)


def _as_sent(headers: Mapping[str, str]) -> Mapping[str, str]:
    given = {name.lower() for name in headers}
    return {**{name: value for name, value in _HEADERS.items() if name.lower() not in given}, **headers}


def origin(url: str) -> str:
    """Scheme, host and port: enough for a log, without what a path or a query may hold."""
    parts = urlsplit(url)
    return f"{parts.scheme.lower()}://{parts.netloc.lower()}"


def where(tool: ToolDefinition) -> str:
    """Where a tool's calls go, in a few words for the log."""
    return origin(tool.request.url) if isinstance(tool.request, RequestSpec) else "its server"


def _reason(error: Exception) -> str:
    """What went wrong; aiohttp adds the whole address to some, and with it what the caller said."""
    if isinstance(error, aiohttp.ClientResponseError):
        return " ".join((error.message or type(error).__name__).split())
    if isinstance(error, aiohttp.InvalidURL | UnicodeError):
        return type(error).__name__
    return str(error) or type(error).__name__
