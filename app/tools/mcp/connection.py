"""One session with one MCP server, from the handshake to its end. The SDK is imported here, when it is first needed.

The SDK's cancel scopes live in the task that opens the connection, so one task opens, holds and closes it; calls come
from the tasks of the turns. A call is a task of its own, which the turn does not wait for once it has given up: the
SDK tells the server of it first, and a server that hangs would hold up the turn.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Final

import aiohttp
import structlog

from app.core.metrics import UNEXPECTED
from app.tools.auth.authoriser import Authoriser
from app.tools.auth.definition import Secrets
from app.tools.auth.destinations import program_of
from app.tools.errors import ToolError, ToolFailure
from app.tools.mcp.content import read_answer, read_title, read_tool
from app.tools.mcp.definition import MAX_MESSAGE_BYTES, Answer, McpServer, OfferedTool
from app.tools.mcp.errors import McpNotInstalled, McpSessionLost, McpUnavailable
from app.tools.mcp.http_transport import GuardedTransport, client_session
from app.tools.mcp.placeholders import filled
from app.tools.mcp.stdio import program
from app.tools.mcp.watching import watched
from app.tools.secrets import SHORTEST_FOR_PEOPLE, SecretMask

_log = structlog.get_logger(__name__)

MAX_TOOLS: Final = 500
_MAX_PAGES: Final = 20
_MAX_CALLS: Final = 50


def load_sdk() -> None:
    """Import the SDK; half a second of work, so not on the event loop. Raises McpNotInstalled."""
    try:
        import mcp.client.client  # noqa: F401
    except ImportError as error:
        raise McpNotInstalled from error
    # They write what they send and get, and trace what fails; what matters of it is logged here.
    for name in ("mcp", "client", "httpx2"):
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)


class Connection:
    """An open session. Made by :func:`connected`.

    Args:
        given: The secrets that a program got in its environment.

    Attributes:
        ended: Set when it is over: the server has closed it, or does not know it any more.
        changed: Set when the server says that its tools are others now.
    """

    def __init__(
        self, server: McpServer, client: Any, transport: GuardedTransport | None, given: Iterable[str] = ()
    ) -> None:
        self._server = server
        self._client = client
        self._transport = transport
        self._given = frozenset(given)
        self._calls: set[asyncio.Task[Any]] = set()
        self.ended = asyncio.Event()
        self.changed = asyncio.Event()

    @property
    def hidden(self) -> frozenset[str]:
        """The secrets that the server has been told."""
        return self._given if self._transport is None else self._transport.hidden

    @property
    def title(self) -> str:
        """What the server calls itself."""
        info = self._client.server_info
        return "" if info is None else read_title(f"{info.name} {info.version}", self._mask())

    @property
    def protocol(self) -> str:
        """The version of the protocol that both speak."""
        return str(self._client.protocol_version)[:50]

    @property
    def announces_changes(self) -> bool:
        """Whether the server tells of changed tools only where it is asked to, as it is since 2026."""
        tools = self._client.server_capabilities.tools
        return self.protocol >= "2026" and tools is not None and bool(tools.list_changed)

    async def tools(self) -> list[OfferedTool]:
        """What it offers now. Raises McpUnavailable."""
        found: dict[str, OfferedTool] = {}
        mask = self._mask()
        cursor: str | None = None
        for _ in range(_MAX_PAGES):
            page = await self._guarded(self._client.list_tools(cursor=cursor, cache_mode="bypass"))
            for tool in page.tools:
                found.setdefault(tool.name, read_tool(tool, mask))
            cursor = page.next_cursor
            if not cursor or len(found) >= MAX_TOOLS:
                break
        return list(found.values())[:MAX_TOOLS]

    async def call(self, tool: str, arguments: Mapping[str, Any]) -> Answer:
        """Call a tool. Cancelling it tells the server, and waits for nothing.

        Raises:
            McpSessionLost: it was not called.
            ToolFailure: any other way in which there is no answer.
        """
        import mcp_types
        from pydantic import TypeAdapter

        params = mcp_types.CallToolRequestParams(name=tool, arguments=dict(arguments))
        # Not the SDK's call_tool: that one checks the answer against the server's own schema, on this loop, whatever
        # regular expressions the server has put into it.
        adapter: TypeAdapter[Any] = TypeAdapter(mcp_types.CallToolResult | mcp_types.InputRequiredResult)
        result = await self._guarded(
            self._client.session.send_request(mcp_types.CallToolRequest(params=params), adapter)
        )
        if not isinstance(result, mcp_types.CallToolResult):
            raise McpUnavailable(
                f"{tool} of the MCP server {self._server.name} asks the user of the client back, which cannot be "
                "done in a call.",
                retryable=False,
            )
        return read_answer(result)

    async def close(self) -> None:
        """End the calls that are still in flight."""
        self.ended.set()
        for task in self._calls:
            task.cancel()
        if self._calls:
            await asyncio.wait(self._calls, timeout=1.0)

    async def _guarded(self, work: Any) -> Any:
        """The result of the SDK's ``work``, or our words for what went wrong with it."""
        if self.ended.is_set():
            work.close()
            raise McpSessionLost(f"The session with the MCP server {self._server.name} is over.")
        if len(self._calls) >= _MAX_CALLS:
            work.close()
            raise McpUnavailable(f"The MCP server {self._server.name} has {_MAX_CALLS} calls to answer already.")
        task = asyncio.ensure_future(work)
        self._calls.add(task)
        task.add_done_callback(self._calls.discard)
        over = asyncio.ensure_future(self.ended.wait())
        try:
            await asyncio.wait({task, over}, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            task.cancel()
            task.add_done_callback(_retrieved)
            raise
        finally:
            over.cancel()
        if not task.done():
            task.cancel()
            task.add_done_callback(_retrieved)
            raise self._lost()
        try:
            return task.result()
        except asyncio.CancelledError:
            raise self._lost() from None
        except Exception as error:
            raise self._failure(error) from error

    def _mask(self) -> SecretMask:
        # A server may say a secret back wherever it says anything, and people read it.
        return SecretMask(self.hidden, shortest=SHORTEST_FOR_PEOPLE)

    def _lost(self) -> ToolFailure:
        if self._transport is not None and self._transport.lost.is_set():
            return McpSessionLost(f"The MCP server {self._server.name} does not know the session any more.")
        return McpUnavailable(f"The MCP server {self._server.name} broke off.")

    def _failure(self, error: Exception) -> ToolFailure:
        from mcp.shared.exceptions import MCPError
        from mcp_types import CONNECTION_CLOSED, METHOD_NOT_FOUND
        from pydantic import ValidationError

        name = self._server.name
        if isinstance(error, MCPError):
            known = self._transport.failure(error.message) if self._transport is not None else None
            if known is not None:
                return known
            if error.code == CONNECTION_CLOSED:
                return McpUnavailable(f"The MCP server {name} broke off.")
            words = " ".join(self._mask().text(error.message).split())[:300]
            # So the SDK tells of HTTP 404, too, where there is no session yet.
            astray = self._transport is not None and error.code == METHOD_NOT_FOUND and words.lower() == "not found"
            advice = ": check the path of its address; many servers use /mcp" if astray else ""
            return McpUnavailable(f"The MCP server {name} says: {words} ({error.code}){advice}", retryable=False)
        if isinstance(error, ValidationError):
            return McpUnavailable(f"The MCP server {name} answers against the protocol.", retryable=False)
        return unforeseen(name, error)


def unforeseen(name: str, error: Exception) -> ToolFailure:
    """The failure for an error that nobody foresaw; logged and counted."""
    _log.error("mcp.unexpected", server=name, exc_info=error)
    UNEXPECTED.labels(where="mcp").inc()
    return McpUnavailable(f"The MCP server {name} cannot be used ({type(error).__name__}); the log says more.")


def _retrieved(task: asyncio.Task[Any]) -> None:
    if not task.cancelled():
        task.exception()


@asynccontextmanager
async def connected(
    server: McpServer,
    *,
    connector: Callable[[], aiohttp.BaseConnector],
    authoriser: Authoriser | None,
    secrets: Callable[[], Secrets],
) -> AsyncIterator[Connection]:
    """An open session with the server, after the handshake.

    Raises:
        ToolFailure: there is none.
        McpNotInstalled
    """
    await asyncio.to_thread(load_sdk)
    from mcp import Client

    async with AsyncExitStack() as stack:
        made: list[Connection] = []
        transport: GuardedTransport | None = None
        given: tuple[str, ...] = ()
        if server.transport == "http":
            session = await stack.enter_async_context(client_session(connector))
            transport = GuardedTransport(server, session, authoriser, secrets)
            streams = _over_http(server, transport)
        else:
            env, given = filled(server.env, secrets(), server=server.name, place=program_of(server.command))
            mask = SecretMask(given, shortest=SHORTEST_FOR_PEOPLE)
            streams = program(server.name, server.command, server.args, env, mask=mask)

        async def heard(message: Any) -> None:
            if getattr(message, "method", "") == "notifications/tools/list_changed":
                for each in made:
                    each.changed.set()

        def over() -> None:
            for each in made:
                each.ended.set()

        client = Client(
            watched(server, streams, over),
            message_handler=heard,
            cache=None,
            client_info=_us(),
            read_timeout_seconds=None,
        )
        connection = Connection(server, client, transport, given)
        made.append(connection)
        try:
            await stack.enter_async_context(client)
        except (Exception, ExceptionGroup) as error:
            raise _not_connected(connection, error) from error
        stack.push_async_callback(connection.close)
        if transport is not None:
            stack.push_async_callback(_cancelled, asyncio.create_task(_follow(transport, connection)))
        if connection.announces_changes:
            stack.push_async_callback(_cancelled, asyncio.create_task(_hear_changes(client, connection)))
        yield connection


def ours(error: BaseException) -> ToolError | None:
    """The first error of ours in what task groups have wrapped; None: there is none."""
    if isinstance(error, BaseExceptionGroup):
        return next((found for each in error.exceptions if (found := ours(each)) is not None), None)
    return error if isinstance(error, ToolError) else None


def _not_connected(connection: Connection, error: BaseException) -> Exception:
    """Our words for what went wrong with the handshake."""
    known = ours(error)
    if known is not None:
        return known
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return connection._failure(error) if isinstance(error, Exception) else McpUnavailable("It was given up.")


async def _follow(transport: GuardedTransport, connection: Connection) -> None:
    await transport.lost.wait()
    connection.ended.set()


async def _hear_changes(client: Any, connection: Connection) -> None:
    from mcp.client.subscriptions import SubscriptionLost
    from mcp.shared.exceptions import MCPError

    try:
        async with client.listen(tools_list_changed=True) as changes:
            async for _ in changes:
                connection.changed.set()
    except (MCPError, SubscriptionLost) as error:
        # Then it is asked at the next connection, and whenever somebody looks.
        _log.info("mcp.no_changes_told", server=connection.title, reason=type(error).__name__)


async def _cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait({task})


def _us() -> Any:
    from mcp_types import Implementation

    return Implementation(name="asterisk-ai", version="1")


@asynccontextmanager
async def _over_http(server: McpServer, transport: GuardedTransport) -> AsyncIterator[Any]:
    import httpx2
    from mcp.client.streamable_http import streamable_http_client

    async with (
        httpx2.AsyncClient(transport=transport, timeout=None, follow_redirects=False, trust_env=False) as client,
        streamable_http_client(server.url, http_client=client, max_sse_event_size=MAX_MESSAGE_BYTES) as streams,
    ):
        yield streams
