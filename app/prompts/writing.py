"""The writes on prompts within a transaction, each with its line in the audit log.

For :class:`app.prompts.store.PromptStore`, whose transactions they are steps of.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.audit import record as audit
from app.db.audit import record_large as audit_large
from app.models.base import utc_now
from app.models.names import NAME_LENGTH, name_key
from app.models.prompt import PromptRow, PromptVersionRow
from app.prompts.draft import PromptDraft
from app.prompts.records import facts_of
from app.prompts.rows import add_version, has_default, put_in_force, refuse_taken, version_row

_KIND: Final = "prompt"  # in the audit log


async def add_prompt(
    session: AsyncSession, draft: PromptDraft, *, by: str, publish: bool
) -> tuple[PromptRow, PromptVersionRow]:
    """A new prompt with ``draft`` as version 1. Raises PromptNameTaken."""
    now = utc_now()
    await refuse_taken(session, draft.name, except_id=None)
    row = PromptRow(
        name=draft.name.strip(),
        name_key=name_key(draft.name),
        latest_version=1,
        published_version=1 if publish else None,
        default_mark=1 if publish and not await has_default(session) else None,
        created_at=now,
        updated_at=now,
        updated_by=by[:NAME_LENGTH],
    )
    session.add(row)
    await session.flush()
    version = await add_version(session, row, draft, by)
    await audit_large(
        session, _KIND, "create", item_id=row.id, name=row.name, before=None, after=facts_of(row, version), by=by
    )
    return row, version


async def save_version(
    session: AsyncSession, row: PromptRow, draft: PromptDraft, *, by: str, publish: bool
) -> PromptVersionRow:
    """``draft`` as the next version. Raises PromptNameTaken."""
    await refuse_taken(session, draft.name, except_id=row.id)
    before = facts_of(row, await version_row(session, row, row.latest_version))
    row.name, row.name_key = draft.name.strip(), name_key(draft.name)
    row.latest_version += 1
    version = await add_version(session, row, draft, by)
    if publish:
        await put_in_force(session, row, version.number)
    row.updated_at, row.updated_by = version.created_at, version.created_by
    after = facts_of(row, version)
    await audit_large(session, _KIND, "save", item_id=row.id, name=row.name, before=before, after=after, by=by)
    await session.flush()
    return version


async def publish_version(session: AsyncSession, row: PromptRow, number: int, *, by: str) -> PromptVersionRow:
    """Let calls use that version. Raises PromptNotFound."""
    chosen = await version_row(session, row, number)
    before = {"published_version": row.published_version}
    await put_in_force(session, row, number)
    after = {"published_version": number}
    audit(session, _KIND, "publish", item_id=row.id, name=row.name, before=before, after=after, by=by)
    row.updated_at, row.updated_by = utc_now(), by[:NAME_LENGTH]
    await session.flush()
    return chosen


async def give_default(session: AsyncSession, row: PromptRow, *, by: str) -> None:
    """Move the default mark to a prompt that is published and has it not."""
    former = await session.scalar(select(PromptRow).where(PromptRow.default_mark == 1))
    if former is not None:
        former.default_mark = None
        # Before the new mark is set: the column is unique at every moment.
        await session.flush()
    row.default_mark = 1
    before, after = {"default": former.name if former else None}, {"default": row.name}
    audit(session, _KIND, "default", item_id=row.id, name=row.name, before=before, after=after, by=by)
    row.updated_at, row.updated_by = utc_now(), by[:NAME_LENGTH]
    await session.flush()


async def remove_prompt(session: AsyncSession, row: PromptRow, *, by: str | None) -> None:
    """Delete a prompt with all its versions. The newest stays in the audit log."""
    before = facts_of(row, await version_row(session, row, row.latest_version))
    await audit_large(session, _KIND, "delete", item_id=row.id, name=row.name, before=before, after=None, by=by)
    await session.delete(row)
