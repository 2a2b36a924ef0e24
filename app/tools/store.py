"""Tools in the database: every save is a version, and two editors never overwrite each other unseen."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Final

import structlog
from sqlalchemy import and_, func, select, true
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.audit import record as audit
from app.db.database import Database
from app.db.page import BY_NAME, Page, Sort, like_pattern, ordering
from app.models.base import utc_now
from app.models.names import NAME_LENGTH, name_key
from app.models.revision import TOOLS, RevisionRow
from app.models.tool import ToolRow, ToolVersionRow
from app.tools.definition import ToolDefinition
from app.tools.errors import ToolInvalid, ToolNotFound, ToolUnreadable
from app.tools.records import (
    CurrentTools,
    ToolRecord,
    ToolSummary,
    ToolVersionSummary,
    definition_of,
    facts_of,
    record_of,
    summary_of,
)
from app.tools.validation import RESERVED_NAMES
from app.tools.writes import (
    ImportedTool,
    Outcome,
    add_tool,
    add_version,
    bring_in,
    find_row,
    refuse_conflict,
    version_row,
)

MAX_BYTES: Final = 1_000_000
MAX_NOTE_BYTES: Final = 500
# Ids in one statement: below the limits on parameters of every database.
_CHUNK: Final = 500
_NEWEST: Final = and_(ToolVersionRow.tool_id == ToolRow.id, ToolVersionRow.number == ToolRow.version)
log = structlog.get_logger(__name__)

_KIND: Final = "tool"  # in the audit log


class ToolStore:
    """Create, read, change and delete tools.

    Definitions come from :func:`app.tools.validation.parse_definition`; their ``id`` and ``version`` are given here.
    Every method may raise :class:`app.db.errors.DatabaseUnavailable`. A method that writes is one transaction: whole,
    or, when it raises or is cancelled, without any effect. ``by`` is the name of the user, for the history.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        # Called after each write of this process; the catalog puts itself here.
        self.after_write: Callable[[], Awaitable[None]] | None = None

    async def create(self, definition: ToolDefinition, *, by: str, note: str = "") -> ToolRecord:
        """Add a tool as version 1. Raises ToolInvalid, ToolNameTaken."""
        async with self._writing() as session:
            return record_of(*await add_tool(session, definition, by=by, note=note))

    async def save(
        self,
        tool_id: int,
        definition: ToolDefinition,
        *,
        by: str,
        expected_version: int | None,
        note: str = "",
        keep_enabled: bool = False,
    ) -> ToolRecord:
        """Add a version, which turns use from now on. Where ``definition`` holds the mask of a secret, what is stored
        stays; see :mod:`app.tools.secrets`.

        Args:
            expected_version: The version when the editor opened it; None: save in any case.
            keep_enabled: Leave it enabled or disabled, as it is: switching makes no version, so an editor would not be
                told that somebody has switched it off meanwhile.

        Raises:
            ToolNotFound, ToolInvalid, ToolNameTaken
            ToolConflict: somebody else saved in the meantime.
        """
        async with self._writing() as session:
            row = await find_row(session, tool_id)
            await refuse_conflict(session, row, expected_version)
            version = await add_version(session, row, definition, by=by, note=note, keep_enabled=keep_enabled)
            return record_of(row, version)

    async def duplicate(self, tool_id: int, name: str, *, by: str) -> ToolRecord:
        """A copy of the newest version under another name, with its secrets. It is disabled, so that models are not
        offered the same thing twice. Raises ToolNotFound, ToolNameTaken."""
        async with self._writing() as session:
            row = await find_row(session, tool_id)
            newest = await version_row(session, row, row.version)
            if name in RESERVED_NAMES:
                raise ToolInvalid(f"The name {name} belongs to a built-in tool; choose another.", field="name")
            copy = replace(definition_of(row, newest), name=name, enabled=False)
            note = f"Copied from {row.name}, version {newest.number}."
            return record_of(*await add_tool(session, copy, by=by, note=note, secrets_of=copy.request))

    async def bring_in(
        self, drafts: Sequence[ImportedTool], *, by: str, note: str, update: bool
    ) -> list[tuple[ToolRecord, Outcome]]:
        """Add tools that come from somewhere else, all or none.

        Args:
            update: Give a tool that is there already a new version, where it differs.

        Raises:
            ToolInvalid, ToolNameTaken
        """
        async with self._writing() as session:
            found = [await bring_in(session, draft, by=by, note=note, update=update) for draft in drafts]
            return [(record_of(row, version), outcome) for row, version, outcome in found]

    async def set_enabled(self, tool_id: int, enabled: bool, *, by: str) -> ToolRecord:
        """Offer the tool to models, or stop offering it; no new version. Raises ToolNotFound."""
        async with self._writing() as session:
            row = await find_row(session, tool_id)
            if row.enabled != enabled:
                action, before, after = (
                    "enable" if enabled else "disable",
                    {"enabled": row.enabled},
                    {"enabled": enabled},
                )
                audit(session, _KIND, action, item_id=row.id, name=row.name, before=before, after=after, by=by)
            row.enabled = enabled
            row.updated_at, row.updated_by = utc_now(), by[:NAME_LENGTH]
            await session.flush()
            return record_of(row, await version_row(session, row, row.version))

    async def delete(self, tool_id: int, *, expected_version: int | None = None, by: str | None = None) -> None:
        """Remove a tool with all its versions; the newest stays in the audit log. Raises ToolNotFound, ToolConflict."""
        async with self._writing() as session:
            row = await find_row(session, tool_id)
            await refuse_conflict(session, row, expected_version)
            before = facts_of(row, await version_row(session, row, row.version))
            audit(session, _KIND, "delete", item_id=row.id, name=row.name, before=before, after=None, by=by)
            await session.delete(row)

    async def get(self, tool_id: int) -> ToolRecord:
        """A tool with its newest version. Raises ToolNotFound."""
        async with self._database.session() as session:
            row = await find_row(session, tool_id)
            return record_of(row, await version_row(session, row, row.version))

    async def find(self, name: str) -> ToolRecord:
        """The tool of that name, in any case. Raises ToolNotFound."""
        async with self._database.session() as session:
            row = await session.scalar(select(ToolRow).where(ToolRow.name_key == name_key(name)))
            if row is None:
                raise ToolNotFound(f"There is no tool named {name}.")
            return record_of(row, await version_row(session, row, row.version))

    async def version(self, tool_id: int, number: int) -> ToolRecord:
        """A tool with the version asked for. Raises ToolNotFound."""
        async with self._database.session() as session:
            row = await find_row(session, tool_id)
            return record_of(row, await version_row(session, row, number))

    async def list(
        self,
        *,
        offset: int = 0,
        limit: int = 50,
        search: str = "",
        enabled: bool | None = None,
        sort: Sort = BY_NAME,
    ) -> Page[ToolSummary]:
        """Tools whose name holds ``search``; ``enabled`` None: both kinds."""
        order = ordering(sort, name=ToolRow.name_key, updated_at=ToolRow.updated_at)
        matching = and_(
            ToolRow.name_key.like(like_pattern(name_key(search)), escape="\\"),
            true() if enabled is None else ToolRow.enabled == enabled,
        )
        async with self._database.session() as session:
            total = await session.scalar(select(func.count()).select_from(ToolRow).where(matching)) or 0
            rows = await session.execute(
                select(ToolRow, ToolVersionRow.description, ToolVersionRow.request)
                .join(ToolVersionRow, _NEWEST)
                .where(matching)
                .order_by(*order)
                .offset(offset)
                .limit(limit)
            )
            return Page([summary_of(*row) for row in rows], total, offset, limit)

    async def versions(self, tool_id: int, *, offset: int = 0, limit: int = 50) -> Page[ToolVersionSummary]:
        """The versions of a tool, newest first. Raises ToolNotFound."""
        async with self._database.session() as session:
            await find_row(session, tool_id)
            of_tool = ToolVersionRow.tool_id == tool_id
            total = await session.scalar(select(func.count()).select_from(ToolVersionRow).where(of_tool)) or 0
            rows = await session.execute(
                select(ToolVersionRow.number, ToolVersionRow.note, ToolVersionRow.created_at, ToolVersionRow.created_by)
                .where(of_tool)
                .order_by(ToolVersionRow.number.desc())
                .offset(offset)
                .limit(limit)
            )
            return Page([ToolVersionSummary(*row) for row in rows], total, offset, limit)

    async def current(self, known: Mapping[tuple[int, int], ToolDefinition] | None = None) -> CurrentTools:
        """All tools with their newest versions. Of those in ``known`` the definition is not read again."""
        known = known or {}
        async with self._database.session() as session:
            revision = await session.scalar(select(RevisionRow.number).where(RevisionRow.kind == TOOLS)) or 0
            heads = list(await session.scalars(select(ToolRow)))
            wanted = [row.id for row in heads if (row.id, row.version) not in known]
            versions = await _newest_versions(session, wanted)
        tools = []
        for row in heads:
            version = versions.get(row.id)
            if version is not None:
                try:
                    tools.append(definition_of(row, version))
                except ToolUnreadable as error:
                    # One tool that a later version has written must not take all others from the calls.
                    log.error("tool.unreadable", tool=row.name, version=row.version, detail=str(error))
            elif (earlier := known.get((row.id, row.version))) is not None:
                tools.append(earlier if earlier.enabled == row.enabled else replace(earlier, enabled=row.enabled))
        return CurrentTools(revision, tools)

    async def revision(self) -> int:
        """Raised by every write; see :class:`app.db.snapshot.Snapshot`."""
        return await self._database.revision(TOOLS)

    @asynccontextmanager
    async def _writing(self) -> AsyncIterator[AsyncSession]:
        async with self._database.writing(TOOLS) as session:
            yield session
        if self.after_write is not None:
            await self.after_write()


async def _newest_versions(session: AsyncSession, tool_ids: Sequence[int]) -> dict[int, ToolVersionRow]:
    found: dict[int, ToolVersionRow] = {}
    for start in range(0, len(tool_ids), _CHUNK):
        ids = tool_ids[start : start + _CHUNK]
        rows = await session.scalars(select(ToolVersionRow).join(ToolRow, _NEWEST).where(ToolRow.id.in_(ids)))
        found.update({row.tool_id: row for row in rows})
    return found
