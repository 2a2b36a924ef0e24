"""The SDK's HTTP, carried by the client of tools: the same guard decides at the same socket.

:class:`GuardedTransport` takes the place of httpx's. It signs each request, bounds what comes back, and turns what
went wrong into an answer to the one request that it concerns: an exception would end the session, and with it the
calls of everybody else.
"""

from __future__ import annotations

import asyncio
import uuid
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Callable
from typing import Any, Final

import aiohttp
import httpx2
import orjson
from yarl import URL

from app.tools.auth.authoriser import Authorised, Authoriser
from app.tools.auth.definition import Secrets
from app.tools.auth.destinations import server_of
from app.tools.errors import ToolFailure
from app.tools.http import origin
from app.tools.mcp.definition import MAX_MESSAGE_BYTES, McpServer
from app.tools.mcp.errors import McpSessionLost, McpUnavailable
from app.tools.mcp.placeholders import filled
from app.tools.render import RenderedRequest

# No tool may take longer (option of a tool), so no answer is waited for longer.
_REQUEST_SECONDS: Final = 65.0
# What the server has only to take note of: notifications and the end of a session.
_NOTICE_SECONDS: Final = 3.0
# After a call was given up, its request may still end on its own.
_CANCELLED_SECONDS: Final = 1.0
_READ_BYTES: Final = 65_536
# A server may talk without end; the loop that reads it also serves calls.
_BYTES_PER_SECOND: Final = 4_000_000
_MAX_FAILURES: Final = 100
_MAX_SECRETS: Final = 200
_SESSION: Final = "mcp-session-id"
# Answered as long as the session lasts, with what changes.
_LISTEN: Final = "subscriptions/listen"
# The SDK passes an error that a server answers with on to who asked. The message is a key that no server knows.
_CODE: Final = -32_099


class GuardedTransport(httpx2.AsyncBaseTransport):
    """Sends the requests of one server's session.

    Args:
        session: With the guarded connector; its owner closes it.
        secrets: As they are at each request.

    Attributes:
        lost: Set when the server does not know the session any more.
    """

    def __init__(
        self,
        server: McpServer,
        session: aiohttp.ClientSession,
        authoriser: Authoriser | None,
        secrets: Callable[[], Secrets],
    ) -> None:
        self._server = server
        self._session = session
        self._authoriser = authoriser
        self._secrets = secrets
        self._failures: OrderedDict[str, ToolFailure] = OrderedDict()
        self._running: dict[str | int, asyncio.Timeout] = {}
        self._streams: dict[str | int, _Stream] = {}
        self.lost = asyncio.Event()
        # A session may outlive thousands of tokens.
        self._sent_secrets: deque[str] = deque(maxlen=_MAX_SECRETS)

    @property
    def hidden(self) -> frozenset[str]:
        """The secrets that were sent of late, in each form; to be masked in whatever comes back."""
        return frozenset(self._sent_secrets)

    def failure(self, message: str) -> ToolFailure | None:
        """What an error that the SDK reports with this message stands for; None: it is the server's own."""
        return self._failures.pop(message, None)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """One request. Never fails for a reason of one request alone, but for the stream that waits for the server's
        own messages, and the end of the session."""
        body = await request.aread()
        message = _message(body)
        if request.method == "POST" and "method" in message:
            if "id" in message:
                return await self._answered(request, body, message["id"])
            self._shorten(message)
        try:
            async with asyncio.timeout(_NOTICE_SECONDS if request.method != "GET" else None):
                return await self._sent(request, body, None)
        except (ToolFailure, aiohttp.ClientError, OSError, ValueError) as error:
            raise httpx2.ConnectError(type(error).__name__, request=request) from error

    async def _answered(self, request: httpx2.Request, body: bytes, id: str | int) -> httpx2.Response:
        try:
            async with asyncio.timeout(_REQUEST_SECONDS) as limit:
                self._running[id] = limit
                return await self._sent(request, body, limit)
        except (ToolFailure, aiohttp.ClientError, OSError, ValueError) as error:
            return self._said(request, error)
        finally:
            self._running.pop(id, None)

    async def _sent(self, request: httpx2.Request, body: bytes, limit: asyncio.Timeout | None) -> httpx2.Response:
        signed = await self._signed(request, body)
        response = await self._exchange(signed)
        if response.status == 401 and self._authoriser is not None and self._authoriser.try_again(signed):
            response.close()
            response = await self._exchange(await self._signed(request, body))
        try:
            self._refuse(request, response)
            return await self._passed_on(request, response)
        except BaseException:
            response.close()
            raise

    async def _signed(self, request: httpx2.Request, body: bytes) -> Authorised:
        server = self._server
        headers = {name: value for name, value in request.headers.items() if name not in _OWN}
        secrets = self._secrets()
        extra, hidden = filled(server.headers, secrets, server=server.name, place=server_of(server.url))
        rendered = RenderedRequest(request.method, str(request.url), {**headers, **extra}, body or None)
        loop = asyncio.get_running_loop()
        if self._authoriser is None:
            signed = Authorised(rendered)
        else:
            signed = await self._authoriser.apply(
                server.authorisation,
                rendered,
                secrets,
                tool=f"The MCP server {server.name}",
                deadline=loop.time() + _REQUEST_SECONDS,
            )
        for each in (*hidden, *signed.hidden):
            if each in self._sent_secrets:
                self._sent_secrets.remove(each)
            self._sent_secrets.append(each)
        return signed

    async def _exchange(self, signed: Authorised) -> aiohttp.ClientResponse:
        request = signed.request
        return await self._session.request(
            request.method,
            URL(request.url, encoded=True),
            headers={**request.headers, "Accept-Encoding": "identity"},
            data=request.body,
            allow_redirects=False,
            ssl=True if signed.tls is None else signed.tls,
        )

    def _refuse(self, request: httpx2.Request, response: aiohttp.ClientResponse) -> None:
        status, name = response.status, self._server.name
        if status == 404 and _SESSION in request.headers:
            self.lost.set()
            raise McpSessionLost(f"The MCP server {name} does not know the session any more.")
        if status in (401, 403):
            raise McpUnavailable(
                f"The MCP server {name} refuses access (HTTP {status}). Look at its login.", retryable=False
            )
        if status >= 500:
            raise McpUnavailable(
                f"The MCP server {name} is not working: HTTP {status} from {origin(self._server.url)}."
            )
        if response.headers.get("Content-Encoding", "identity").lower() not in ("", "identity"):
            raise McpUnavailable(f"The MCP server {name} answers compressed, although it was asked not to.")

    async def _passed_on(self, request: httpx2.Request, response: aiohttp.ClientResponse) -> httpx2.Response:
        headers = [(name, value) for name, value in response.headers.items() if name.lower() not in _NOT_BACK]
        if response.content_type == "text/event-stream" and response.status == 200:
            stream = _Stream(response)
            self._bound(stream, _message(request.content) if request.method == "POST" else {})
            return httpx2.Response(response.status, headers=headers, stream=stream, request=request)
        body = bytearray()
        async for data in response.content.iter_chunked(_READ_BYTES):
            body += data
            if len(body) > MAX_MESSAGE_BYTES:
                raise McpUnavailable(
                    f"The MCP server {self._server.name} answers with more than {MAX_MESSAGE_BYTES:,} bytes.",
                    retryable=False,
                )
        return httpx2.Response(response.status, headers=headers, content=bytes(body), request=request)

    def _said(self, request: httpx2.Request, error: Exception) -> httpx2.Response:
        if not isinstance(error, ToolFailure):
            words = "no answer in time" if isinstance(error, TimeoutError) else (str(error) or type(error).__name__)
            error = McpUnavailable(f"The MCP server {self._server.name} ({origin(self._server.url)}): {words}")
        key = uuid.uuid4().hex
        self._failures[key] = error
        if len(self._failures) > _MAX_FAILURES:
            self._failures.popitem(last=False)
        said = {"jsonrpc": "2.0", "id": None, "error": {"code": _CODE, "message": key}}
        # 400: the SDK reads the body of it, and takes it for the server's word.
        return httpx2.Response(400, json=said, request=request)

    def _bound(self, stream: _Stream, message: dict[str, Any]) -> None:
        """The stream of one call's answer ends some time; those of the server's own messages stay open."""
        id = message.get("id")
        if id is None or message.get("method") == _LISTEN:
            return
        self._streams[id] = stream
        stream.closed = lambda: self._streams.pop(id, None)
        stream.end_within(_REQUEST_SECONDS)

    def _shorten(self, message: dict[str, Any]) -> None:
        """A call was given up: its request need not be waited for any more. The SDK keeps it open."""
        params = message.get("params")
        if message.get("method") == "notifications/cancelled" and isinstance(params, dict):
            limit = self._running.get(params.get("requestId", ""))
            if (stream := self._streams.get(params.get("requestId", ""))) is not None:
                stream.end_within(_CANCELLED_SECONDS)
            if limit is not None:
                limit.reschedule(asyncio.get_running_loop().time() + _CANCELLED_SECONDS)


# Set by the client that sends, or by the guard.
_OWN: Final = frozenset({"host", "content-length", "accept-encoding", "connection", "transfer-encoding"})
_NOT_BACK: Final = frozenset({"content-length", "content-encoding", "transfer-encoding", "connection"})


class _Stream(httpx2.AsyncByteStream):
    """A stream of events, read no faster than the loop can bear."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response
        self._end: asyncio.TimerHandle | None = None
        self.closed: Callable[[], object] = lambda: None

    def end_within(self, seconds: float) -> None:
        """Close it after so long, at the latest."""
        if self._end is not None:
            self._end.cancel()
        self._end = asyncio.get_running_loop().call_later(seconds, self._response.close)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        loop = asyncio.get_running_loop()
        since, size = loop.time(), 0
        try:
            async for data in self._response.content.iter_any():
                yield data
                size += len(data)
                ahead = size / _BYTES_PER_SECOND - (loop.time() - since)
                if ahead > 1.0:
                    await asyncio.sleep(ahead)
                elif ahead < 0:
                    since, size = loop.time(), 0
        except aiohttp.ClientError as error:
            raise httpx2.ReadError(type(error).__name__) from error

    async def aclose(self) -> None:
        if self._end is not None:
            self._end.cancel()
        self.closed()
        self._response.close()


def _message(body: bytes) -> dict[str, Any]:
    """The JSON-RPC message of a request; what the SDK wrote itself."""
    found = orjson.loads(body) if body else {}
    return found if isinstance(found, dict) else {}


def client_session(connector: Callable[[], aiohttp.BaseConnector]) -> aiohttp.ClientSession:
    """A client of its own: no cookies, no proxy, no decompression. Closing it closes its connector."""
    return aiohttp.ClientSession(
        connector=connector(),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=10),
        trust_env=False,
        auto_decompress=False,
    )
