"""Prompts of a file into the database: what is new or differs is written, all in one transaction or nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.models.names import name_key
from app.models.prompt import PromptRow
from app.prompts.errors import PromptInvalid
from app.prompts.portable import Entry, Imported, differences
from app.prompts.records import prompt_of
from app.prompts.rows import version_row
from app.prompts.writing import add_prompt, give_default, publish_version, save_version


class Undone(Exception):
    """Raised at the end of a transaction that is to leave nothing behind.

    Attributes:
        imported: What it would have done.
    """

    def __init__(self, imported: Sequence[Imported]) -> None:
        super().__init__()
        self.imported = imported


async def import_entries(
    session: AsyncSession, entries: Sequence[Entry], *, by: str, note: str, dry_run: bool
) -> Sequence[Imported]:
    """Write what differs. The entries are valid, and no name is there twice.

    Raises:
        Undone: for a dry run, and where nothing differed.
        PromptInvalid: the default prompt is to be one that has only drafts.
    """
    imported = [
        await _import_one(session, replace(entry, draft=replace(entry.draft, note=note)), by) for entry in entries
    ]
    # Last, so that the prompt is there and published.
    for number, entry in enumerate(entries):
        if entry.default:
            imported[number] = await _make_default(session, entry, imported[number], by)
    if dry_run or all(each.outcome == "unchanged" for each in imported):
        raise Undone(imported)
    return imported


async def _import_one(session: AsyncSession, entry: Entry, by: str) -> Imported:
    draft = entry.draft
    row = await session.scalar(select(PromptRow).where(PromptRow.name_key == name_key(draft.name)))
    if row is None:
        row, _ = await add_prompt(session, draft, by=by, publish=entry.published)
        return Imported(row.name, "created", (), row.id, 1)
    renamed = ("name",) if draft.name.strip() != row.name else ()
    latest = row.latest_version
    # A draft is compared with the newest version, what is published with what calls use.
    standing = latest if not entry.published else row.published_version or latest
    there = await version_row(session, row, standing)
    # Some hundredths of a second for megabytes, in which no call would be served.
    changes = renamed + await asyncio.to_thread(differences, prompt_of(row, there), draft)
    if not changes:
        if not entry.published or row.published_version is not None:
            return Imported(row.name, "unchanged", (), row.id, standing)
        await publish_version(session, row, standing, by=by)
        return Imported(row.name, "changed", ("published",), row.id, standing)
    # What the file says may be there already, as the newest draft.
    if standing != latest and not renamed:
        newest = prompt_of(row, await version_row(session, row, latest))
        if not await asyncio.to_thread(differences, newest, draft):
            await publish_version(session, row, latest, by=by)
            return Imported(row.name, "changed", changes, row.id, latest)
    await save_version(session, row, draft, by=by, publish=entry.published)
    return Imported(row.name, "changed", changes, row.id, row.latest_version)


async def _make_default(session: AsyncSession, entry: Entry, imported: Imported, by: str) -> Imported:
    row = await session.scalar(select(PromptRow).where(PromptRow.name_key == name_key(entry.draft.name)))
    assert row is not None
    if row.default_mark is not None:
        return imported
    if row.published_version is None:
        raise PromptInvalid(f"{row.name} has only drafts, so it cannot be the default prompt.", field="default")
    await give_default(session, row, by=by)
    outcome = "changed" if imported.outcome == "unchanged" else imported.outcome
    return replace(imported, outcome=outcome, changes=(*imported.changes, "default"))
