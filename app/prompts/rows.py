"""The steps of a transaction on prompts, shared by the methods of :class:`app.prompts.store.PromptStore`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from sqlalchemy import ColumnElement, and_, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.models.base import utc_now
from app.models.names import NAME_LENGTH, name_key
from app.models.prompt import PromptRow, PromptVersionRow
from app.prompts.draft import PromptDraft
from app.prompts.errors import PromptConflict, PromptNameTaken, PromptNotFound
from app.prompts.prompt import Prompt
from app.prompts.records import PromptState, version_values

# Ids in one statement: below the limits on parameters of every database.
_CHUNK: Final = 500


async def prompt_row(session: AsyncSession, prompt_id: int) -> PromptRow:
    """The prompt of that id. Raises PromptNotFound."""
    row = await session.get(PromptRow, prompt_id)
    if row is None:
        raise PromptNotFound(f"There is no prompt with the id {prompt_id}; it may have been deleted.")
    return row


async def version_row(session: AsyncSession, row: PromptRow, number: int) -> PromptVersionRow:
    """That version of the prompt. Raises PromptNotFound."""
    version = None
    if number <= row.latest_version:  # others may not even fit the column
        version = await session.scalar(
            select(PromptVersionRow).where(PromptVersionRow.prompt_id == row.id, PromptVersionRow.number == number)
        )
    if version is None:
        raise PromptNotFound(f"The prompt {row.name} has no version {number}; its newest is {row.latest_version}.")
    return version


async def add_version(session: AsyncSession, row: PromptRow, draft: PromptDraft, by: str) -> PromptVersionRow:
    """Write ``draft`` as ``row.latest_version``."""
    version = PromptVersionRow(
        prompt_id=row.id,
        number=row.latest_version,
        created_at=utc_now(),
        created_by=by[:NAME_LENGTH],
        **version_values(draft),
    )
    session.add(version)
    await session.flush()
    return version


async def put_in_force(session: AsyncSession, row: PromptRow, number: int) -> None:
    """Let calls use that version; a first published prompt becomes the default."""
    row.published_version = number
    if row.default_mark is None and not await has_default(session):
        row.default_mark = 1


async def has_default(session: AsyncSession) -> bool:
    """Whether any prompt is the default."""
    return await session.scalar(select(PromptRow.id).where(PromptRow.default_mark == 1)) is not None


async def refuse_taken(session: AsyncSession, name: str, *, except_id: int | None) -> None:
    """Raise PromptNameTaken when another prompt has the name."""
    other = await session.scalar(select(PromptRow).where(PromptRow.name_key == name_key(name)))
    if other is not None and other.id != except_id:
        raise PromptNameTaken(
            f"There is a prompt named {other.name} already (capital letters do not count); choose another name."
        )


async def refuse_conflict(
    session: AsyncSession, row: PromptRow, expected_version: int | None, expected_published: int | None = None
) -> None:
    """Raise PromptConflict when there is a newer version than the editor saw, or another one is in force."""
    if expected_version is not None and expected_version != row.latest_version:
        newest = await version_row(session, row, row.latest_version)
        raise PromptConflict(
            f"{newest.created_by} saved {row.name} as version {newest.number} in the meantime; you began with version "
            f"{expected_version}. Compare the two, then save again.",
            latest=newest.number,
        )
    if expected_published is not None and expected_published != (row.published_version or 0):
        raise PromptConflict(
            f"{row.updated_by} put version {row.published_version} of {row.name} in force in the meantime. Look at it, "
            "then save again.",
            latest=row.latest_version,
        )


def in_state(state: PromptState | None) -> tuple[ColumnElement[bool], ...]:
    """What finds the prompts in that state; ``published`` finds those with a newer draft, too."""
    if state is None:
        return ()
    if state == "draft":
        return (PromptRow.published_version.is_(None),)
    if state == "published":
        return (PromptRow.published_version.is_not(None),)
    # Not "differs": after a rollback the newest version is older news, and still waits.
    return (PromptRow.published_version < PromptRow.latest_version,)


async def published_versions(session: AsyncSession, prompt_ids: Sequence[int]) -> dict[int, PromptVersionRow]:
    """The published versions of those prompts, by the prompt's id."""
    found: dict[int, PromptVersionRow] = {}
    in_force = and_(PromptVersionRow.prompt_id == PromptRow.id, PromptVersionRow.number == PromptRow.published_version)
    for start in range(0, len(prompt_ids), _CHUNK):
        ids = prompt_ids[start : start + _CHUNK]
        rows = await session.scalars(select(PromptVersionRow).join(PromptRow, in_force).where(PromptRow.id.in_(ids)))
        found.update({row.prompt_id: row for row in rows})
    return found


def with_head(prompt: Prompt, row: PromptRow) -> Prompt:
    """``prompt`` with what may change without a new version."""
    is_default = row.default_mark is not None
    if prompt.name == row.name and prompt.is_default == is_default:
        return prompt
    return replace(prompt, name=row.name, is_default=is_default)
