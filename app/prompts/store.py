"""Prompts in the database: every save is a version, and two editors never overwrite each other unseen."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

from sqlalchemy import and_, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.database import Database
from app.db.page import BY_NAME, Page, Sort, like_pattern, ordering
from app.models.names import name_key
from app.models.prompt import PromptRow, PromptVersionRow
from app.models.revision import PROMPTS, RevisionRow
from app.prompts.draft import PromptDraft, validate, validate_note
from app.prompts.errors import PromptInUse, PromptNotFound
from app.prompts.importing import Undone, import_entries
from app.prompts.portable import Entry, Imported
from app.prompts.prompt import Prompt
from app.prompts.records import (
    PromptRecord,
    PromptState,
    PromptSummary,
    PromptVersionSummary,
    PublishedPrompts,
    draft_of,
    prompt_of,
    record_of,
    summary_of,
)
from app.prompts.rows import (
    in_state,
    prompt_row,
    published_versions,
    refuse_conflict,
    version_row,
    with_head,
)
from app.prompts.writing import add_prompt, give_default, publish_version, remove_prompt, save_version


class PromptStore:
    """Create, read, change and delete prompts.

    Every method may raise :class:`app.db.errors.DatabaseUnavailable`. A method that writes is one transaction: whole,
    or, when it raises or is cancelled, without any effect. ``by`` is the name of the user, for the history.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        # Called after each write of this process; the catalog puts itself here.
        self.after_write: Callable[[], Awaitable[None]] | None = None

    async def create(self, draft: PromptDraft, *, by: str, publish: bool = True) -> PromptRecord:
        """Add a prompt as version 1. The first one that is published becomes the default.

        Raises:
            PromptInvalid, PromptNameTaken
        """
        await asyncio.to_thread(validate, draft)
        async with self._writing() as session:
            row, version = await add_prompt(session, draft, by=by, publish=publish)
            return record_of(row, version)

    async def save(
        self,
        prompt_id: int,
        draft: PromptDraft,
        *,
        by: str,
        expected_version: int | None,
        expected_published: int | None = None,
        publish: bool = True,
    ) -> PromptRecord:
        """Add a version; a new name holds at once.

        Args:
            expected_version: The newest version when the editor opened it; None: save in any case.
            expected_published: The version that was published then; 0: none. None: whichever.
            publish: False keeps it as a draft: calls go on with the version that is published.

        Raises:
            PromptNotFound, PromptInvalid, PromptNameTaken
            PromptConflict: somebody else saved, published or rolled back in the meantime.
        """
        await asyncio.to_thread(validate, draft)
        async with self._writing() as session:
            row = await prompt_row(session, prompt_id)
            await refuse_conflict(session, row, expected_version, expected_published)
            version = await save_version(session, row, draft, by=by, publish=publish)
            return record_of(row, version)

    async def publish(
        self, prompt_id: int, version: int, *, by: str, expected_published: int | None = None
    ) -> PromptRecord:
        """Let calls use ``version``: publishes a draft, or rolls back to an older version.

        Args:
            expected_published: As in :meth:`save`.

        Raises:
            PromptNotFound: no such prompt or version.
            PromptConflict: somebody else published or rolled back in the meantime.
        """
        async with self._writing() as session:
            row = await prompt_row(session, prompt_id)
            await refuse_conflict(session, row, None, expected_published)
            chosen = await publish_version(session, row, version, by=by)
            return record_of(row, chosen)

    async def set_default(self, prompt_id: int, *, by: str) -> PromptRecord:
        """Make it the prompt of calls that name none.

        Raises:
            PromptNotFound
            PromptInUse: it has no published version.
        """
        async with self._writing() as session:
            row = await prompt_row(session, prompt_id)
            if row.published_version is None:
                raise PromptInUse(f"The prompt {row.name} has only drafts; publish one before it becomes the default.")
            if row.default_mark is None:
                await give_default(session, row, by=by)
            return record_of(row, await version_row(session, row, row.latest_version))

    async def delete(
        self,
        prompt_id: int,
        *,
        expected_version: int | None = None,
        expected_published: int | None = None,
        by: str | None = None,
    ) -> None:
        """Remove a prompt with all its versions. The newest stays in the audit log.

        Raises:
            PromptNotFound, PromptConflict
            PromptInUse: it is the default, and there are others that could be.
        """
        async with self._writing() as session:
            row = await prompt_row(session, prompt_id)
            await refuse_conflict(session, row, expected_version, expected_published)
            others = await session.scalar(select(func.count()).select_from(PromptRow).where(PromptRow.id != prompt_id))
            if row.default_mark is not None and others:
                raise PromptInUse(
                    f"{row.name} is the default prompt, which calls use that name none. Make another one the default, "
                    "then delete it."
                )
            await remove_prompt(session, row, by=by)

    async def import_all(
        self, entries: Sequence[Entry], *, by: str, note: str = "Imported", dry_run: bool = False
    ) -> Sequence[Imported]:
        """Create prompts and save versions so that all are as ``entries`` say. Prompts that are not among them stay.

        The same again changes nothing and makes no version.

        Args:
            entries: Each name once.
            dry_run: Only say what would be done.

        Raises:
            PromptInvalid: of the note, or the first entry that is wrong.
        """
        validate_note(note)
        for entry in entries:
            if not entry.checked:
                await asyncio.to_thread(validate, entry.draft)
        try:
            async with self._writing() as session:
                return await import_entries(session, entries, by=by, note=note, dry_run=dry_run)
        except Undone as undone:
            return undone.imported

    async def export(self, names: Sequence[str] | None = None) -> Sequence[PromptRecord]:
        """The prompts of those names, or all, by name: each as calls use it, or the newest draft where it is none.

        Raises:
            PromptNotFound: names the first that is not there.
        """
        async with self._database.session() as session:
            rows = {row.name_key: row for row in await session.scalars(select(PromptRow))}
            wanted = list(rows) if names is None else [name_key(name) for name in names]
            if missing := [name for name in names or () if name_key(name) not in rows]:
                raise PromptNotFound(f"There is no prompt named {missing[0][:100]}.")
            chosen = [rows[key] for key in sorted(set(wanted))]
            versions = await published_versions(session, [row.id for row in chosen])
            return [
                record_of(row, versions.get(row.id) or await version_row(session, row, row.latest_version))
                for row in chosen
            ]

    async def duplicate(
        self, prompt_id: int, name: str, *, by: str, version: int | None = None, publish: bool = False
    ) -> PromptRecord:
        """A new prompt of that name with what a version says; None: the newest.

        Raises:
            PromptNotFound, PromptInvalid, PromptNameTaken
        """
        original = await (self.get(prompt_id) if version is None else self.version(prompt_id, version))
        note = f"Copy of {original.prompt.name}, version {original.prompt.version}"
        return await self.create(replace(draft_of(original.prompt), name=name, note=note), by=by, publish=publish)

    async def summary(self, prompt_id: int) -> PromptSummary:
        """A prompt without its content. Raises PromptNotFound."""
        async with self._database.session() as session:
            return summary_of(await prompt_row(session, prompt_id))

    async def get(self, prompt_id: int) -> PromptRecord:
        """A prompt with its newest version. Raises PromptNotFound."""
        async with self._database.session() as session:
            row = await prompt_row(session, prompt_id)
            return record_of(row, await version_row(session, row, row.latest_version))

    async def find(self, name: str) -> PromptRecord:
        """The prompt of that name, in any case, with its newest version. Raises PromptNotFound."""
        async with self._database.session() as session:
            row = await session.scalar(select(PromptRow).where(PromptRow.name_key == name_key(name)))
            if row is None:
                raise PromptNotFound(f"There is no prompt named {name}.")
            return record_of(row, await version_row(session, row, row.latest_version))

    async def find_summary(self, name: str) -> PromptSummary:
        """The prompt of that name, in any case, without its content. Raises PromptNotFound."""
        async with self._database.session() as session:
            row = await session.scalar(select(PromptRow).where(PromptRow.name_key == name_key(name)))
            if row is None:
                raise PromptNotFound(f"There is no prompt named {name}.")
            return summary_of(row)

    async def version(self, prompt_id: int, number: int) -> PromptRecord:
        """A prompt with the version asked for. Raises PromptNotFound."""
        async with self._database.session() as session:
            row = await prompt_row(session, prompt_id)
            return record_of(row, await version_row(session, row, number))

    async def list(
        self,
        *,
        offset: int = 0,
        limit: int = 50,
        search: str = "",
        sort: Sort = BY_NAME,
        state: PromptState | None = None,
    ) -> Page[PromptSummary]:
        """Prompts whose name holds ``search``, in any state or in that one."""
        order = ordering(sort, name=PromptRow.name_key, updated_at=PromptRow.updated_at)
        matching = and_(PromptRow.name_key.like(like_pattern(name_key(search)), escape="\\"), *in_state(state))
        async with self._database.session() as session:
            total = await session.scalar(select(func.count()).select_from(PromptRow).where(matching)) or 0
            rows = await session.scalars(select(PromptRow).where(matching).order_by(*order).offset(offset).limit(limit))
            return Page([summary_of(row) for row in rows], total, offset, limit)

    async def versions(self, prompt_id: int, *, offset: int = 0, limit: int = 50) -> Page[PromptVersionSummary]:
        """The versions of a prompt, newest first. Raises PromptNotFound."""
        async with self._database.session() as session:
            row = await prompt_row(session, prompt_id)
            of_prompt = PromptVersionRow.prompt_id == prompt_id
            total = await session.scalar(select(func.count()).select_from(PromptVersionRow).where(of_prompt)) or 0
            # Not the content: it may have a megabyte each.
            rows = await session.execute(
                select(
                    PromptVersionRow.number,
                    PromptVersionRow.note,
                    PromptVersionRow.created_at,
                    PromptVersionRow.created_by,
                )
                .where(of_prompt)
                .order_by(PromptVersionRow.number.desc())
                .offset(offset)
                .limit(limit)
            )
            items = [
                PromptVersionSummary(number, note, at, by, published=number == row.published_version)
                for number, note, at, by in rows
            ]
            return Page(items, total, offset, limit)

    async def published(self, known: Mapping[tuple[int, int], Prompt] | None = None) -> PublishedPrompts:
        """All prompts with their published versions. Of those in ``known`` the content is not read again."""
        known = known or {}
        async with self._database.session() as session:
            revision = await session.scalar(select(RevisionRow.number).where(RevisionRow.kind == PROMPTS)) or 0
            heads = list(await session.scalars(select(PromptRow).where(PromptRow.published_version.is_not(None))))
            wanted = [row.id for row in heads if (row.id, row.published_version) not in known]
            versions = await published_versions(session, wanted)
        prompts = []
        for row in heads:
            version = versions.get(row.id)
            if version is not None:
                prompts.append(prompt_of(row, version))
            elif (earlier := known.get((row.id, row.published_version or 0))) is not None:
                prompts.append(with_head(earlier, row))
        return PublishedPrompts(revision, prompts)

    async def revision(self) -> int:
        """Raised by every write; see :class:`app.db.snapshot.Snapshot`."""
        return await self._database.revision(PROMPTS)

    @asynccontextmanager
    async def _writing(self) -> AsyncIterator[AsyncSession]:
        async with self._database.writing(PROMPTS) as session:
            yield session
        if self.after_write is not None:
            await self.after_write()
