"""Prompts in the database: every save is a version, and two editors never overwrite each other unseen."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Final

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.audit import record as audit
from app.db.database import Database
from app.db.page import BY_NAME, Page, Sort, like_pattern, ordering
from app.models.base import utc_now
from app.models.names import NAME_LENGTH, name_key
from app.models.prompt import PromptRow, PromptVersionRow
from app.models.revision import PROMPTS, RevisionRow
from app.prompts.draft import PromptDraft, validate
from app.prompts.errors import PromptInUse, PromptNotFound
from app.prompts.prompt import Prompt
from app.prompts.records import (
    PromptRecord,
    PromptSummary,
    PromptVersionSummary,
    PublishedPrompts,
    facts_of,
    prompt_of,
    record_of,
    summary_of,
)
from app.prompts.rows import (
    add_version,
    has_default,
    prompt_row,
    published_versions,
    put_in_force,
    refuse_conflict,
    refuse_taken,
    version_row,
    with_head,
)

_KIND: Final = "prompt"  # in the audit log


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
        now = utc_now()
        async with self._writing() as session:
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
            audit(
                session,
                _KIND,
                "create",
                item_id=row.id,
                name=row.name,
                before=None,
                after=facts_of(row, version),
                by=by,
            )
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
            await refuse_taken(session, draft.name, except_id=prompt_id)
            before = facts_of(row, await version_row(session, row, row.latest_version))
            row.name, row.name_key = draft.name.strip(), name_key(draft.name)
            row.latest_version += 1
            version = await add_version(session, row, draft, by)
            if publish:
                await put_in_force(session, row, version.number)
            row.updated_at, row.updated_by = version.created_at, version.created_by
            after = facts_of(row, version)
            audit(session, _KIND, "save", item_id=row.id, name=row.name, before=before, after=after, by=by)
            await session.flush()
            return record_of(row, version)

    async def publish(self, prompt_id: int, version: int, *, by: str) -> PromptRecord:
        """Let calls use ``version``: publishes a draft, or rolls back to an older version.

        Raises:
            PromptNotFound: no such prompt or version.
        """
        async with self._writing() as session:
            row = await prompt_row(session, prompt_id)
            chosen = await version_row(session, row, version)
            before = {"published_version": row.published_version}
            await put_in_force(session, row, version)
            after = {"published_version": version}
            audit(session, _KIND, "publish", item_id=row.id, name=row.name, before=before, after=after, by=by)
            row.updated_at, row.updated_by = utc_now(), by[:NAME_LENGTH]
            await session.flush()
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
            before = facts_of(row, await version_row(session, row, row.latest_version))
            audit(session, _KIND, "delete", item_id=row.id, name=row.name, before=before, after=None, by=by)
            await session.delete(row)

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

    async def version(self, prompt_id: int, number: int) -> PromptRecord:
        """A prompt with the version asked for. Raises PromptNotFound."""
        async with self._database.session() as session:
            row = await prompt_row(session, prompt_id)
            return record_of(row, await version_row(session, row, number))

    async def list(
        self, *, offset: int = 0, limit: int = 50, search: str = "", sort: Sort = BY_NAME
    ) -> Page[PromptSummary]:
        """Prompts whose name holds ``search``."""
        order = ordering(sort, name=PromptRow.name_key, updated_at=PromptRow.updated_at)
        matching = PromptRow.name_key.like(like_pattern(name_key(search)), escape="\\")
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
