"""MCP servers in the database; each change is in the audit log."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import and_, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.audit import record as audit
from app.db.database import Database
from app.models.base import utc_now
from app.models.mcp import McpServerRow
from app.models.names import NAME_LENGTH, name_key
from app.models.revision import MCP_SERVERS, RevisionRow
from app.models.tool import ToolRow, ToolVersionRow
from app.tools.errors import ToolInvalid
from app.tools.mcp.definition import McpServer
from app.tools.mcp.errors import McpServerConflict, McpServerInUse, McpServerNameTaken, McpServerNotFound
from app.tools.mcp.rules import McpServerDraft, server_from, settings_form

MAX_SERVERS: Final = 100
_KIND: Final = "mcp_server"  # in the audit log
_TOLD: Final = 10


@dataclass(frozen=True, slots=True)
class McpServerRecord:
    """A server with who changed it. Moments are aware, in UTC."""

    server: McpServer
    created_at: datetime
    created_by: str
    updated_at: datetime
    updated_by: str


@dataclass(frozen=True, slots=True)
class ServersTool:
    """A tool that is called at a server.

    Attributes:
        tool: Its name at the server.
    """

    id: int
    name: str
    enabled: bool
    tool: str


@dataclass(frozen=True, slots=True)
class CurrentServers:
    """All of them, and the kind's revision, read before."""

    revision: int
    servers: Sequence[McpServer]


class McpServerStore:
    """Create, read, change and delete servers. Every method may raise DatabaseUnavailable; one that writes is one
    transaction. ``by`` is the name of the user."""

    def __init__(self, database: Database) -> None:
        self._database = database
        # Called after each write of this process; the catalog puts itself here.
        self.after_write: Callable[[], Awaitable[None]] | None = None

    async def create(self, draft: McpServerDraft, *, by: str) -> McpServerRecord:
        """Add a server. Raises McpServerNameTaken, ToolInvalid."""
        now = utc_now()
        async with self._writing() as session:
            await _refuse_taken(session, draft.name, None)
            if (await session.scalar(select(func.count()).select_from(McpServerRow)) or 0) >= MAX_SERVERS:
                raise ToolInvalid(f"At most {MAX_SERVERS} servers. Delete one that is not used any more.", field="name")
            row = McpServerRow(created_at=now, created_by=by[:NAME_LENGTH])
            await _fill(session, row, draft, by, now)
            session.add(row)
            await session.flush()
            audit(session, _KIND, "create", item_id=row.id, name=row.name, before=None, after=_facts(row), by=by)
            return _record(row)

    async def save(
        self, server_id: int, draft: McpServerDraft, *, by: str, expected: int | None = None
    ) -> McpServerRecord:
        """Change a server; its session is opened anew.

        Args:
            expected: The revision when the form was opened; None: save in any case.

        Raises:
            McpServerNotFound, McpServerNameTaken, McpServerConflict
        """
        async with self._writing() as session:
            row = await _row(session, server_id)
            _refuse_conflict(row, expected)
            await _refuse_taken(session, draft.name, row.id)
            before = _facts(row)
            await _fill(session, row, draft, by, utc_now())
            audit(session, _KIND, "save", item_id=row.id, name=row.name, before=before, after=_facts(row), by=by)
            await session.flush()
            return _record(row)

    async def delete(self, server_id: int, *, by: str, expected: int | None = None, force: bool = False) -> None:
        """Remove a server.

        Args:
            force: Also where tools are called at it, which fail from then on.

        Raises:
            McpServerNotFound, McpServerConflict, McpServerInUse
        """
        async with self._writing() as session:
            row = await _row(session, server_id)
            _refuse_conflict(row, expected)
            tools = await _tools_of(session, server_id)
            if tools and not force:
                names = ", ".join(tool.name for tool in tools[:_TOLD])
                more = f" and {len(tools) - _TOLD} more" if len(tools) > _TOLD else ""
                raise McpServerInUse(
                    f"The server {row.name} is used by {names}{more}. Delete these tools first, or delete the server "
                    "anyway: they cannot be called any more then."
                )
            audit(session, _KIND, "delete", item_id=row.id, name=row.name, before=_facts(row), after=None, by=by)
            await session.delete(row)

    async def get(self, server_id: int) -> McpServerRecord:
        """One server. Raises McpServerNotFound."""
        async with self._database.session() as session:
            return _record(await _row(session, server_id))

    async def list(self) -> Sequence[McpServerRecord]:
        """All of them, by name."""
        async with self._database.session() as session:
            rows = await session.scalars(select(McpServerRow).order_by(McpServerRow.name_key))
            return [_record(row) for row in rows]

    async def tools_of(self, server_id: int) -> Sequence[ServersTool]:
        """The tools of the catalogue that are called at a server."""
        async with self._database.session() as session:
            return await _tools_of(session, server_id)

    async def current(self) -> CurrentServers:
        """All of them, for the catalog."""
        async with self._database.session() as session:
            revision = await session.scalar(select(RevisionRow.number).where(RevisionRow.kind == MCP_SERVERS)) or 0
            rows = await session.scalars(select(McpServerRow).order_by(McpServerRow.name_key))
            return CurrentServers(revision, [_server(row) for row in rows])

    async def revision(self) -> int:
        """Raised by every write; see :class:`app.db.snapshot.Snapshot`."""
        return await self._database.revision(MCP_SERVERS)

    @asynccontextmanager
    async def _writing(self) -> AsyncIterator[AsyncSession]:
        async with self._database.writing(MCP_SERVERS) as session:
            yield session
        if self.after_write is not None:
            await self.after_write()


async def _row(session: AsyncSession, server_id: int) -> McpServerRow:
    row = await session.get(McpServerRow, server_id)
    if row is None:
        raise McpServerNotFound("There is no such MCP server; it may have been deleted.")
    return row


async def _refuse_taken(session: AsyncSession, name: str, except_id: int | None) -> None:
    other = await session.scalar(select(McpServerRow).where(McpServerRow.name_key == name_key(name)))
    if other is not None and other.id != except_id:
        raise McpServerNameTaken(f"There is a server named {other.name} already. Choose another name.")


def _refuse_conflict(row: McpServerRow, expected: int | None) -> None:
    if expected is not None and expected != row.revision:
        raise McpServerConflict(
            f"{row.updated_by} changed {row.name} in the meantime. Look at what is there now, then save again."
        )


async def _fill(session: AsyncSession, row: McpServerRow, draft: McpServerDraft, by: str, now: datetime) -> None:
    number = await session.scalar(select(RevisionRow.number).where(RevisionRow.kind == MCP_SERVERS)) or 0
    row.name, row.name_key = draft.name, name_key(draft.name)
    row.transport, row.settings, row.enabled = draft.transport, settings_form(draft), draft.enabled
    row.revision, row.updated_at, row.updated_by = number, now, by[:NAME_LENGTH]


async def _tools_of(session: AsyncSession, server_id: int) -> list[ServersTool]:
    newest = and_(ToolVersionRow.tool_id == ToolRow.id, ToolVersionRow.number == ToolRow.version)
    rows = await session.execute(
        select(ToolRow.id, ToolRow.name, ToolRow.enabled, ToolVersionRow.request)
        .join(ToolVersionRow, newest)
        .order_by(ToolRow.name_key)
    )
    return [
        ServersTool(id, name, enabled, str(request.get("tool", "")))
        for id, name, enabled, request in rows
        if request.get("kind") == "mcp" and request.get("server") == server_id
    ]


def _server(row: McpServerRow) -> McpServer:
    return server_from(
        id=row.id,
        revision=row.revision,
        name=row.name,
        transport=row.transport,
        settings=row.settings,
        enabled=row.enabled,
    )


def _record(row: McpServerRow) -> McpServerRecord:
    return McpServerRecord(_server(row), row.created_at, row.created_by, row.updated_at, row.updated_by)


def _facts(row: McpServerRow) -> dict[str, Any]:
    """What the audit log compares."""
    return {"name": row.name, "transport": row.transport, "enabled": row.enabled, **row.settings}
