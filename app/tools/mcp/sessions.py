"""Sessions with MCP servers: opened at the first call, kept, and renewed.

Each server has one task that owns its session; nothing that a server does, or fails to do, concerns another one. A
session ends when nobody has used it for a while, when the server is changed or switched off, when the server closes it,
floods it or does not know it any more. The next call opens another. A server that cannot be connected to is tried again
with growing pauses; calls within a pause fail at once.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Final, TypeVar
from urllib.parse import quote

import structlog

from app.core.metrics import MCP_CONNECTS, MCP_SESSIONS
from app.tools.errors import ToolError, ToolFailure
from app.tools.mcp.connection import Connection, ours, unforeseen
from app.tools.mcp.definition import Answer, McpServer, OfferedTool, SessionStatus
from app.tools.mcp.errors import McpSessionLost, McpUnavailable

_log = structlog.get_logger(__name__)

CONNECT_SECONDS: Final = 15.0
IDLE_SECONDS: Final = 900.0
_FIRST_PAUSE: Final = 1.0
_LONGEST_PAUSE: Final = 60.0
_CLOSE_SECONDS: Final = 5.0

T = TypeVar("T")
Dial = Callable[[McpServer], AbstractAsyncContextManager[Connection]]
Find = Callable[[int], McpServer | None]


class McpSessions:
    """The sessions of a process.

    Args:
        find: The server of an id, as it is now; None: there is none.
        dial: Opens a session; :func:`app.tools.mcp.connection.connected`.
    """

    def __init__(
        self, find: Find, dial: Dial, *, connect_seconds: float = CONNECT_SECONDS, idle_seconds: float = IDLE_SECONDS
    ) -> None:
        self._find = find
        self._dial = dial
        self._connect_seconds = connect_seconds
        self._idle_seconds = idle_seconds
        self._held: dict[int, _Held] = {}
        self._closing: set[asyncio.Task[None]] = set()
        self._closed = False

    async def call(self, server_id: int, tool: str, arguments: Mapping[str, Any]) -> tuple[Answer, frozenset[str]]:
        """The answer, and the secrets that were sent. A session that the server has lost is renewed, and the call made
        again, since it was not made.

        Raises:
            ToolFailure, McpNotInstalled
        """

        async def called(connection: Connection) -> tuple[Answer, frozenset[str]]:
            return await connection.call(tool, arguments), connection.hidden

        return await self._with_session(server_id, called)

    async def tools(self, server_id: int, *, now: bool = False) -> Sequence[OfferedTool]:
        """What the server offers. It says itself when that changes.

        Args:
            now: Ask it in any case, and without the pause after a failure.

        Raises:
            ToolFailure, McpNotInstalled
        """

        async def listed(connection: Connection) -> Sequence[OfferedTool]:
            held = self._held.get(server_id)
            if held is not None and held.tools is not None and not now:
                return held.tools
            found = await connection.tools()
            if held is not None:
                held.tools = found
            return found

        return await self._with_session(server_id, listed, at_once=now)

    def known(self, server_id: int) -> Sequence[OfferedTool]:
        """What the server offered when it was last asked in this session; nothing is asked for it."""
        held = self._held.get(server_id)
        return () if held is None else held.tools or ()

    def name_of(self, server_id: int) -> str:
        """The server's name, for people who read an address; its id, where it is not there any more."""
        server = self._find(server_id)
        return str(server_id) if server is None else quote(server.name, safe="")

    def status(self, server_id: int) -> SessionStatus:
        """How it stands with a server's session."""
        held = self._held.get(server_id)
        return SessionStatus("idle") if held is None else held.status()

    def refresh(self) -> None:
        """Let go of the sessions of servers that were changed, switched off or deleted. Returns at once."""
        for id, held in list(self._held.items()):
            current = self._find(id)
            if current is None or not current.enabled or current != held.server:
                self._let_go(self._held.pop(id))

    async def aclose(self) -> None:
        """Close all; a server that does not let go is left after some seconds. Calls in flight fail."""
        self._closed = True
        for held in self._held.values():
            self._let_go(held)
        self._held.clear()
        if self._closing:
            _, stuck = await asyncio.wait(self._closing, timeout=_CLOSE_SECONDS)
            for task in stuck:
                task.cancel()
            if stuck:
                _, stuck = await asyncio.wait(stuck, timeout=_CLOSE_SECONDS)
            if stuck:
                _log.warning("mcp.not_closed", sessions=len(stuck))

    async def _with_session(
        self, server_id: int, use: Callable[[Connection], Awaitable[T]], *, at_once: bool = False
    ) -> T:
        for last in (False, True):
            held = self._of(server_id)
            connection = await held.connection(at_once=at_once)
            try:
                return await use(connection)
            except McpSessionLost as error:
                _log.info("mcp.session_lost", server=held.server.name, detail=str(error))
                held.drop(connection)
                if last:
                    raise
        raise AssertionError("unreachable")

    def _of(self, server_id: int) -> _Held:
        server = self._find(server_id)
        if server is None:
            raise McpUnavailable(
                "The MCP server of this tool is not registered any more. Delete the tool, or give it another server.",
                retryable=False,
            )
        if not server.enabled:
            raise McpUnavailable(f"The MCP server {server.name} is switched off.", retryable=False)
        if self._closed:
            raise McpUnavailable("The service is stopping.", retryable=False)
        held = self._held.get(server_id)
        if held is not None and held.server != server:
            self._let_go(self._held.pop(server_id))
            held = None
        if held is None:
            held = self._held[server_id] = _Held(server, self._dial, self._connect_seconds, self._idle_seconds)
        return held

    def _let_go(self, held: _Held) -> None:
        task = held.let_go()
        if task is not None:
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)


class _Held:
    """The session with one revision of one server, and the task that owns it."""

    def __init__(self, server: McpServer, dial: Dial, connect_seconds: float, idle_seconds: float) -> None:
        self.server = server
        self.tools: Sequence[OfferedTool] | None = None
        self._dial = dial
        self._connect_seconds = connect_seconds
        self._idle_seconds = idle_seconds
        self._owner: asyncio.Task[None] | None = None
        self._ready: asyncio.Future[Connection] | None = None
        self._leave = asyncio.Event()
        self._used = 0.0
        self._failure: ToolError | None = None
        self._failures = 0
        self._not_before = 0.0

    async def connection(self, *, at_once: bool) -> Connection:
        """The open session; opened, where there is none. Raises ToolFailure, McpNotInstalled."""
        now = asyncio.get_running_loop().time()
        self._used = now
        ready = self._ready
        if ready is not None and ready.done() and not ready.exception() and not ready.result().ended.is_set():
            return ready.result()
        if ready is None or ready.done():
            if self._failure is not None and now < self._not_before and not at_once:
                raise self._failure.with_traceback(None)
            if self._owner is not None and not self._owner.done():
                await asyncio.wait({self._owner})  # the last session is being closed, within bounds
                return await self.connection(at_once=at_once)
            self._leave.clear()
            ready = self._ready = asyncio.get_running_loop().create_future()
            ready.add_done_callback(_seen)
            self._owner = asyncio.create_task(self._own(ready), name=f"mcp {self.server.id}")
        # Shielded: who gives up takes nothing away from the next one.
        return await asyncio.shield(ready)

    def drop(self, connection: Connection) -> None:
        """Let the session end, if it still is this one."""
        connection.ended.set()

    def let_go(self) -> asyncio.Task[None] | None:
        """Let it end for good; the task that is at it, where there is one."""
        self._leave.set()
        if self._owner is None or self._owner.done():
            return None
        if self._ready is not None and not self._ready.done():
            self._owner.cancel()  # it is still connecting
        return self._owner

    def status(self) -> SessionStatus:
        """See :class:`SessionStatus`."""
        ready = self._ready
        if ready is not None and not ready.done():
            return SessionStatus("connecting")
        if self._failure is not None:
            return SessionStatus("error", str(self._failure))
        if ready is None or ready.exception() or ready.result().ended.is_set():
            return SessionStatus("idle")
        connection = ready.result()
        return SessionStatus("connected", "", connection.title, connection.protocol, len(self.tools or ()))

    async def _own(self, ready: asyncio.Future[Connection]) -> None:
        name = self.server.name
        opened = False
        try:
            async with asyncio.timeout(self._connect_seconds) as limit, self._dial(self.server) as connection:
                self.tools = await connection.tools()
                limit.reschedule(None)
                opened = True
                self._failure, self._failures = None, 0
                MCP_CONNECTS.labels(outcome="ok").inc()
                MCP_SESSIONS.inc()
                _log.info("mcp.connected", server=name, protocol=connection.protocol, tools=len(self.tools))
                ready.set_result(connection)
                await self._hold(connection)
                connection.ended.set()
        except TimeoutError:
            self._failed(
                ready, McpUnavailable(f"The MCP server {name} did not answer within {self._connect_seconds:g} s.")
            )
        except ToolError as error:
            self._failed(ready, error)
        except asyncio.CancelledError:
            if not ready.done():
                ready.set_exception(McpUnavailable(f"The connection to the MCP server {name} was given up."))
            raise
        except Exception as error:  # noqa: BLE001 - logged and counted, where it is none of ours; the session is over
            # The SDK's task groups wrap what goes through them.
            known = ours(error)
            self._failed(ready, known if known is not None else unforeseen(name, error))
        finally:
            if opened:
                ready.result().ended.set()
                MCP_SESSIONS.dec()
                _log.info("mcp.session_ended", server=name)

    async def _hold(self, connection: Connection) -> None:
        """Until the session is over: idle, let go of, or ended by the server."""
        loop = asyncio.get_running_loop()
        while not (connection.ended.is_set() or self._leave.is_set()):
            left = self._used + self._idle_seconds - loop.time()
            if left <= 0:
                return
            events = [
                asyncio.ensure_future(each.wait()) for each in (connection.ended, connection.changed, self._leave)
            ]
            try:
                await asyncio.wait(events, timeout=left, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for each in events:
                    each.cancel()
            if connection.changed.is_set() and not connection.ended.is_set():
                await self._list_again(connection)

    async def _list_again(self, connection: Connection) -> None:
        # A server that says so all the time is asked once a second.
        await asyncio.sleep(1.0)
        connection.changed.clear()
        try:
            async with asyncio.timeout(self._connect_seconds):
                self.tools = await connection.tools()
        except (TimeoutError, ToolFailure) as error:
            _log.warning("mcp.not_listed", server=self.server.name, detail=str(error) or "no answer in time")

    def _failed(self, ready: asyncio.Future[Connection], error: ToolError) -> None:
        name = self.server.name
        if ready.done():
            _log.warning("mcp.broke_off", server=name, detail=str(error))
            return
        pause = min(_FIRST_PAUSE * 2**self._failures, _LONGEST_PAUSE) * random.uniform(0.75, 1.25)  # noqa: S311 - no secret
        self._failures += 1
        self._failure = error
        self._not_before = asyncio.get_running_loop().time() + pause
        MCP_CONNECTS.labels(outcome="failed").inc()
        _log.warning("mcp.not_connected", server=name, error=error.code, detail=str(error), again_in=round(pause, 1))
        ready.set_exception(error)


def _seen(ready: asyncio.Future[Connection]) -> None:
    if not ready.cancelled():
        ready.exception()
