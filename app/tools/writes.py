"""Writing tools: what the methods of :class:`app.tools.store.ToolStore` have in common, each within the caller's
transaction."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.audit import record as audit
from app.db.values import json_problem, text_problem
from app.models.base import utc_now
from app.models.names import NAME_LENGTH, name_key
from app.models.tool import ToolRow, ToolVersionRow
from app.tools.definition import AnyRequest, ToolDefinition
from app.tools.errors import ToolConflict, ToolInvalid, ToolNameTaken, ToolNotFound
from app.tools.records import definition_of, facts_of, version_values
from app.tools.secrets import restored
from app.tools.stored import options_form, request_form
from app.tools.vault.references import refuse_wrong_secrets

MAX_BYTES: Final = 1_000_000
MAX_NOTE_BYTES: Final = 500
KIND: Final = "tool"  # in the audit log

Outcome = Literal["created", "updated", "unchanged"]


@dataclass(frozen=True, slots=True)
class ImportedTool:
    """A tool that comes from somewhere else.

    Attributes:
        definition: As it is when there is no tool of that name.
        onto: What it becomes when there is one: takes that tool, and answers with its next version.
    """

    definition: ToolDefinition
    onto: Callable[[ToolDefinition], ToolDefinition]


async def add_tool(
    session: AsyncSession,
    definition: ToolDefinition,
    *,
    by: str,
    note: str = "",
    secrets_of: AnyRequest | None = None,
) -> tuple[ToolRow, ToolVersionRow]:
    """A new tool. ``secrets_of``: the request whose secrets it may keep. Raises ToolInvalid, ToolNameTaken."""
    check(definition, note)
    definition = restored(definition, secrets_of)
    await refuse_wrong_secrets(session, definition)
    await refuse_taken(session, definition.name, except_id=None)
    now = utc_now()
    row = ToolRow(
        name=definition.name,
        name_key=name_key(definition.name),
        version=1,
        enabled=definition.enabled,
        created_at=now,
        updated_at=now,
        updated_by=by[:NAME_LENGTH],
    )
    session.add(row)
    await session.flush()
    version = await _insert_version(session, row, definition, by, note)
    audit(session, KIND, "create", item_id=row.id, name=row.name, before=None, after=facts_of(row, version), by=by)
    return row, version


async def add_version(
    session: AsyncSession,
    row: ToolRow,
    definition: ToolDefinition,
    *,
    by: str,
    note: str = "",
    keep_enabled: bool = False,
) -> ToolVersionRow:
    """The next version of a tool; masked secrets stay as they are stored. Raises ToolInvalid, ToolNameTaken."""
    check(definition, note)
    newest = await version_row(session, row, row.version)
    definition = restored(definition, definition_of(row, newest).request)
    await refuse_wrong_secrets(session, definition)
    await refuse_taken(session, definition.name, except_id=row.id)
    before = facts_of(row, newest)
    row.name, row.name_key = definition.name, name_key(definition.name)
    if not keep_enabled:
        row.enabled = definition.enabled
    row.version += 1
    version = await _insert_version(session, row, definition, by, note)
    row.updated_at, row.updated_by = version.created_at, version.created_by
    audit(session, KIND, "save", item_id=row.id, name=row.name, before=before, after=facts_of(row, version), by=by)
    await session.flush()
    return version


async def bring_in(
    session: AsyncSession, draft: ImportedTool, *, by: str, note: str, update: bool
) -> tuple[ToolRow, ToolVersionRow, Outcome]:
    """A tool from somewhere else: new, onto the one of its name, or nothing where that is the same already.

    Raises:
        ToolInvalid
        ToolNameTaken: there is one, and ``update`` is not set.
    """
    name = draft.definition.name
    row = await session.scalar(select(ToolRow).where(ToolRow.name_key == name_key(name)))
    if row is None:
        return *await add_tool(session, draft.definition, by=by, note=note), "created"
    if not update:
        raise ToolNameTaken(
            f"There is a tool named {row.name} already. Import with update to give it a new version, or leave it out."
        )
    newest = await version_row(session, row, row.version)
    there = definition_of(row, newest)
    wanted = draft.onto(there)
    if version_values(wanted) == version_values(there) and wanted.name == there.name:
        return row, newest, "unchanged"
    return row, await add_version(session, row, wanted, by=by, note=note, keep_enabled=True), "updated"


def check(definition: ToolDefinition, note: str) -> None:
    """Raise ToolInvalid for what the databases could not keep. The rest is the business of parse_definition."""
    for field, problem in (
        ("description", text_problem(definition.description, max_bytes=MAX_BYTES)),
        ("parameters", json_problem(dict(definition.parameters), max_bytes=MAX_BYTES)),
        ("request", json_problem(request_form(definition.request), max_bytes=MAX_BYTES)),
        ("options", json_problem(options_form(definition), max_bytes=MAX_BYTES)),
        ("note", text_problem(note, max_bytes=MAX_NOTE_BYTES)),
    ):
        if problem:
            raise ToolInvalid(f"The {field} {problem}.", field=field)


async def find_row(session: AsyncSession, tool_id: int) -> ToolRow:
    """The tool. Raises ToolNotFound."""
    row = await session.get(ToolRow, tool_id)
    if row is None:
        raise ToolNotFound(f"There is no tool with the id {tool_id}; it may have been deleted.")
    return row


async def version_row(session: AsyncSession, row: ToolRow, number: int) -> ToolVersionRow:
    """A version of the tool. Raises ToolNotFound."""
    version = await session.scalar(
        select(ToolVersionRow).where(ToolVersionRow.tool_id == row.id, ToolVersionRow.number == number)
    )
    if version is None:
        raise ToolNotFound(f"The tool {row.name} has no version {number}; its newest is {row.version}.")
    return version


async def _insert_version(
    session: AsyncSession, row: ToolRow, definition: ToolDefinition, by: str, note: str
) -> ToolVersionRow:
    version = ToolVersionRow(
        tool_id=row.id,
        number=row.version,
        note=note,
        created_at=utc_now(),
        created_by=by[:NAME_LENGTH],
        **version_values(definition),
    )
    session.add(version)
    await session.flush()
    return version


async def refuse_taken(session: AsyncSession, name: str, *, except_id: int | None) -> None:
    """Raise ToolNameTaken where another tool has the name."""
    other = await session.scalar(select(ToolRow).where(ToolRow.name_key == name_key(name)))
    if other is not None and other.id != except_id:
        raise ToolNameTaken(
            f"There is a tool named {other.name} already (capital letters do not count); choose another name."
        )


async def refuse_conflict(session: AsyncSession, row: ToolRow, expected_version: int | None) -> None:
    """Raise ToolConflict where the newest version is another one."""
    if expected_version is None or expected_version == row.version:
        return
    newest = await version_row(session, row, row.version)
    raise ToolConflict(
        f"{newest.created_by} saved {row.name} as version {newest.number} in the meantime; you began with version "
        f"{expected_version}. Compare the two, then save again.",
        latest=newest.number,
    )
