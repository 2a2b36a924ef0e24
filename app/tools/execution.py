"""Runs HTTP tools: validates, renders, sends, reads within bounds, and says what came of it."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol
from urllib.parse import urljoin, urlsplit

import aiohttp
import structlog
from yarl import URL

from app.core.metrics import TOOL_CALLS, TOOL_SECONDS
from app.tools.arguments import ArgumentSchema
from app.tools.definition import CallContext, ToolDefinition, ToolResult
from app.tools.errors import (
    ToolFailure,
    ToolResponseTooLarge,
    ToolStatusError,
    ToolTimeout,
    ToolUnreachable,
)
from app.tools.exchange import ExchangeObserver
from app.tools.render import RenderedRequest, RequestTemplate
from app.tools.results import Decompressor, describe, failure_words
from app.tools.secrets import SHORTEST_FOR_MODELS, SecretMask, secrets_in

_log = structlog.get_logger(__name__)

# Phone turns come minutes apart; the client's default of 15 s would pay a new TCP and TLS handshake for most of them.
_KEEPALIVE_SECONDS = 120.0
_MAX_CONNECTIONS_PER_HOST = 50
_MAX_REDIRECTS = 3
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MAX_COMPILED = 512
_HEADERS = {"Accept": "application/json, text/*;q=0.8, */*;q=0.5", "Accept-Encoding": "gzip, deflate"}
_READ_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class _Compiled:
    definition: ToolDefinition
    schema: ArgumentSchema
    template: RequestTemplate
    mask: SecretMask


@dataclass(frozen=True, slots=True)
class _Response:
    status: int
    content_type: str
    charset: str | None
    body: bytes


class RunsTools(Protocol):
    """Who answers a model's calls of tools: :class:`ToolExecutor`, or what stands in for it."""

    async def run(
        self,
        tool: ToolDefinition,
        arguments: Mapping[str, Any],
        context: CallContext,
        *,
        observer: ExchangeObserver | None = None,
    ) -> ToolResult:
        """The result of one call; ``observer`` is told of what is sent, where anything is. Raises ToolFailure."""
        ...


class ToolExecutor:
    """Shared by all turns: one pool of kept connections, no cookies, no proxy from the environment.

    Args:
        connector: Decides where connections may go; None: a plain TCP connector. It is closed by :meth:`aclose`.
    """

    def __init__(self, connector: aiohttp.BaseConnector | None = None) -> None:
        self._connector = connector
        self._session: aiohttp.ClientSession | None = None  # made at the first request, inside the running loop
        self._compiled: OrderedDict[tuple[int, int], _Compiled] = OrderedDict()

    async def run(
        self,
        tool: ToolDefinition,
        arguments: Mapping[str, Any],
        context: CallContext,
        *,
        observer: ExchangeObserver | None = None,
    ) -> ToolResult:
        """Call ``tool``; cancelling it closes its connection.

        The request may take the tool's timeout or what is left until ``context.deadline``, whichever is shorter.
        It is not repeated, but for one case: when a kept connection turns out to be closed, aiohttp sends an idempotent
        request again over a new one. A redirect is followed for GET and HEAD only, to the same scheme, host and port.

        Args:
            observer: Is told of each exchange, with what is secret in it.

        Raises:
            ToolFailure: one of :mod:`app.tools.errors`; ``for_model`` is what the model should be told.
        """
        started = time.perf_counter()
        log = _log.bind(tool=tool.name, turn_id=context.turn_id)
        try:
            compiled = self._compile(tool)
            completed = compiled.schema.complete(tool.name, arguments)
            request = compiled.template.render(completed, context.variables)
            response = await self._within_time(tool, request, context.deadline, observer)
            # Some servers say a wrong key back. Before anything is cut, lest half of it stays.
            response = replace(response, body=compiled.mask.data(response.body))
            _refuse_status(tool, response)
        except ToolFailure as failure:
            log.warning("tool.failed", error=failure.code, detail=str(failure), elapsed_ms=_milliseconds_since(started))
            raise
        text = compiled.mask.text(describe(response.status, response.content_type, response.charset, response.body))
        elapsed = _milliseconds_since(started)
        TOOL_CALLS.labels(outcome="ok").inc()
        TOOL_SECONDS.observe(elapsed / 1000)
        log.debug("tool.answered", status=response.status, bytes=len(response.body), elapsed_ms=elapsed)
        return ToolResult(text=text, status=response.status, elapsed_ms=elapsed)

    async def aclose(self) -> None:
        """Close the kept connections. Calls in flight fail."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()
        elif self._connector is not None:
            await self._connector.close()

    def _compile(self, tool: ToolDefinition) -> _Compiled:
        found = self._compiled.get(tool.key)
        # A draft that an operator tries has no version yet: the same key with another content is another tool.
        if found is None or (found.definition is not tool and found.definition != tool):
            mask = SecretMask(secrets_in(tool.request).values(), shortest=SHORTEST_FOR_MODELS)
            found = _Compiled(tool, ArgumentSchema(tool.parameters), RequestTemplate(tool), mask)
            self._compiled[tool.key] = found
        self._compiled.move_to_end(tool.key)
        if len(self._compiled) > _MAX_COMPILED:
            self._compiled.popitem(last=False)
        return found

    async def _within_time(
        self, tool: ToolDefinition, request: RenderedRequest, deadline: float, observer: ExchangeObserver | None
    ) -> _Response:
        now = asyncio.get_running_loop().time()
        ends = min(now + tool.request.timeout, deadline)
        try:
            if ends <= now:
                raise TimeoutError  # noqa: TRY301 - a timeout in the past would still open a connection
            async with asyncio.timeout_at(ends):
                return await self._follow(tool, request, observer)
        except TimeoutError as error:
            raise ToolTimeout(
                f"{tool.name}: no complete answer from {_origin(request.url)} within {max(0.0, ends - now):.1f} s",
                for_model=f"{tool.name} did not answer in time. Go on without it, and tell the caller so.",
            ) from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            # ValueError: the server broke the protocol (an encoding that was not asked for, an impossible redirect).
            raise ToolUnreachable(
                f"{tool.name}: {_origin(request.url)}: {_reason(error)}",
                for_model=f"{tool.name} cannot be reached at the moment. Go on without it, and tell the caller so.",
            ) from error

    async def _follow(
        self, tool: ToolDefinition, request: RenderedRequest, observer: ExchangeObserver | None
    ) -> _Response:
        url = request.url
        for _ in range(_MAX_REDIRECTS + 1):
            response, location = await self._exchange(tool, request, url, observer)
            if location is None or request.method not in ("GET", "HEAD"):
                return response
            target = urljoin(url, location)
            if _origin(target) != _origin(url):
                return response
            url = target
        return response

    async def _exchange(
        self, tool: ToolDefinition, request: RenderedRequest, url: str, observer: ExchangeObserver | None
    ) -> tuple[_Response, str | None]:
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
            return _Response(
                response.status, response.headers.get("Content-Type", ""), response.charset, body
            ), location

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


def _refuse_status(tool: ToolDefinition, response: _Response) -> None:
    if 200 <= response.status < 300:
        return
    raise ToolStatusError(
        f"{tool.name}: HTTP {response.status} from {_origin(tool.request.url)}",
        for_model=failure_words(tool.name, response.status, response.content_type, response.charset, response.body),
    )


def _origin(url: str) -> str:
    """Scheme, host and port: enough for a log, without what a path or a query may hold."""
    parts = urlsplit(url)
    return f"{parts.scheme.lower()}://{parts.netloc.lower()}"


def _reason(error: Exception) -> str:
    """What went wrong; aiohttp adds the whole address to some, and with it what the caller said."""
    if isinstance(error, aiohttp.ClientResponseError):
        return " ".join((error.message or type(error).__name__).split())
    if isinstance(error, aiohttp.InvalidURL | UnicodeError):
        return type(error).__name__
    return str(error) or type(error).__name__


def _milliseconds_since(started: float) -> float:
    return round((time.perf_counter() - started) * 1000, 1)
