"""Secrets in the database: they go in, and come out only where a tool is called."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Final

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.sealing import Sealer
from app.db.audit import record as audit
from app.db.database import Database
from app.db.page import BY_NAME, Page, Sort, like_pattern, ordering
from app.models.base import utc_now
from app.models.names import NAME_LENGTH, name_key
from app.models.revision import SECRETS, RevisionRow
from app.models.secret import SecretRow
from app.tools.auth.definition import Secret
from app.tools.vault.errors import SecretConflict, SecretInUse, SecretNameTaken, SecretNotFound
from app.tools.vault.records import CurrentSecrets, SecretRecord, facts_of, opened, record_of, seal_name, sealed_of
from app.tools.vault.rules import checked_description, checked_name, checked_servers, checked_value
from app.tools.vault.usage import UsingTool, tools_by_secret

_KIND: Final = "secret"  # in the audit log
# Tools that a refusal names.
_TOLD: Final = 5


class SecretStore:
    """Create, change, list and delete secrets; and keep refresh tokens, as
    :class:`app.tools.auth.refreshing.RefreshTokens`.

    Every method may raise :class:`app.db.errors.DatabaseUnavailable`. A method that writes is one transaction with its
    line in the audit log, which holds no value: whole, or, when it raises or is cancelled, without any effect. ``by``
    is the name of who does it; ``expected`` the record's ``stamp`` when the form was opened, None: in any case.

    Args:
        sealer: Opens with the older keys too, and seals with the newest.
    """

    def __init__(self, database: Database, sealer: Sealer) -> None:
        self._database = database
        self._sealer = sealer
        # Called after each write of this process; the catalog puts itself here.
        self.after_write: Callable[[], Awaitable[None]] | None = None

    @property
    def sealer(self) -> Sealer:
        """What the values are sealed with."""
        return self._sealer

    async def create(
        self, name: str, value: str, *, servers: Iterable[str], description: str = "", by: str
    ) -> SecretRecord:
        """Add a secret. Raises SecretInvalid, SecretNameTaken."""
        name, value = checked_name(name), checked_value(value)
        allowed, description = checked_servers(servers), checked_description(description)
        now = utc_now()
        async with self._writing() as session:
            other = await session.scalar(select(SecretRow.name).where(SecretRow.name_key == name_key(name)))
            if other is not None:
                raise SecretNameTaken(
                    f"There is a secret named {other} already (capital letters do not count). "
                    "Replace its value, or choose another name."
                )
            row = SecretRow(
                name=name,
                name_key=name_key(name),
                description=description,
                sealed=self._sealer.seal(value, name=seal_name(name)),
                revision=await _number(session),
                rotation=0,
                servers=allowed,
                value_set_at=now,
                rotated_at=None,
                created_at=now,
                created_by=by[:NAME_LENGTH],
                updated_at=now,
                updated_by=by[:NAME_LENGTH],
            )
            session.add(row)
            await session.flush()
            audit(session, _KIND, "create", item_id=row.id, name=name, before=None, after=facts_of(row), by=by)
            return record_of(row, self._sealer)

    async def change(
        self,
        name: str,
        *,
        by: str,
        value: str | None = None,
        servers: Iterable[str] | None = None,
        description: str | None = None,
        expected: str | None = None,
    ) -> SecretRecord:
        """Change what is given; None leaves it as it is. Calls use it from their next request on.

        Raises:
            SecretNotFound, SecretInvalid
            SecretConflict: somebody else changed it in the meantime.
        """
        value = None if value is None else checked_value(value)
        allowed = None if servers is None else checked_servers(servers)
        description = None if description is None else checked_description(description)
        async with self._writing() as session:
            row = await _row(session, name)
            self._refuse_conflict(row, expected)
            before, now = facts_of(row), utc_now()
            if value is not None:
                row.sealed = self._sealer.seal(value, name=seal_name(row.name))
                row.revision, row.rotation = await _number(session), 0
                row.value_set_at, row.rotated_at = now, None
            if allowed is not None:
                row.servers = allowed
            if description is not None:
                row.description = description
            after = facts_of(row)
            if value is not None or after != before:
                action = "save" if value is None else "value"
                audit(session, _KIND, action, item_id=row.id, name=row.name, before=before, after=after, by=by)
            row.updated_at, row.updated_by = now, by[:NAME_LENGTH]
            await session.flush()
            return record_of(row, self._sealer)

    async def delete(self, name: str, *, by: str, expected: str | None = None, force: bool = False) -> None:
        """Remove a secret.

        Args:
            force: Also where tools name it, which cannot be called any more then.

        Raises:
            SecretNotFound, SecretConflict, SecretInUse
        """
        async with self._writing() as session:
            row = await _row(session, name)
            self._refuse_conflict(row, expected)
            users = (await tools_by_secret(session, {row.name: row.servers})).get(row.name, [])
            if users and not force:
                raise SecretInUse(
                    f"The secret {row.name} is used by {_named(users)}. Give these tools another login first, or "
                    "delete it anyway: they cannot be called any more then."
                )
            audit(session, _KIND, "delete", item_id=row.id, name=row.name, before=facts_of(row), after=None, by=by)
            await session.delete(row)

    async def get(self, name: str) -> SecretRecord:
        """The secret of that name, in any case, without its value. Raises SecretNotFound."""
        async with self._database.session() as session:
            return record_of(await _row(session, name), self._sealer)

    async def by_id(self, secret_id: int) -> SecretRecord:
        """The same by its id, for pages. Raises SecretNotFound."""
        async with self._database.session() as session:
            row = await session.get(SecretRow, secret_id)
            if row is None:
                raise SecretNotFound(f"There is no secret with the id {secret_id}; it may have been deleted.")
            return record_of(row, self._sealer)

    async def list(
        self, *, offset: int = 0, limit: int = 50, search: str = "", sort: Sort = BY_NAME
    ) -> Page[SecretRecord]:
        """Secrets whose name holds ``search``, without their values."""
        matching = SecretRow.name_key.like(like_pattern(name_key(search)), escape="\\")
        order = ordering(sort, name=SecretRow.name_key, updated_at=SecretRow.updated_at)
        async with self._database.session() as session:
            total = await session.scalar(select(func.count()).select_from(SecretRow).where(matching)) or 0
            rows = await session.scalars(select(SecretRow).where(matching).order_by(*order).offset(offset).limit(limit))
            return Page([record_of(row, self._sealer) for row in rows], total, offset, limit)

    async def used_by(self, secrets: Sequence[SecretRecord]) -> Mapping[str, Sequence[UsingTool]]:
        """The tools that name each of them; those that nothing names are left out."""
        async with self._database.session() as session:
            return await tools_by_secret(session, {each.name: each.servers for each in secrets})

    async def current(self) -> CurrentSecrets:
        """All of them, sealed, for the catalog."""
        async with self._database.session() as session:
            revision = await session.scalar(select(RevisionRow.number).where(RevisionRow.kind == SECRETS)) or 0
            rows = await session.scalars(select(SecretRow).order_by(SecretRow.name_key))
            return CurrentSecrets(revision, [sealed_of(row) for row in rows])

    async def revision(self) -> int:
        """Raised by every write; see :class:`app.db.snapshot.Snapshot`."""
        return await self._database.revision(SECRETS)

    async def rotated(self, name: str, value: str, *, replaces: Secret) -> Secret | None:
        """Keep a refresh token that the authorisation server gave for ``replaces``, if that is still the one stored.

        The audit log gets no line: no person did it, and it may happen every few minutes.

        Returns:
            As it is stored now; None: another one was stored in the meantime, or it was deleted.
        """
        async with self._writing() as session:
            row = await session.scalar(select(SecretRow).where(SecretRow.name_key == name_key(name)))
            if row is None or (row.revision, row.rotation) != (replaces.revision, replaces.rotation):
                return None
            row.sealed = self._sealer.seal(value, name=seal_name(row.name))
            row.rotation += 1
            row.rotated_at = utc_now()
            await session.flush()
            return Secret(value, row.revision, frozenset(row.servers), row.rotation)

    async def latest(self, name: str) -> Secret | None:
        """The secret as it is stored now; None: there is none. Raises SealError where it cannot be read."""
        async with self._database.session() as session:
            row = await session.scalar(select(SecretRow).where(SecretRow.name_key == name_key(name)))
            return None if row is None else opened(sealed_of(row), self._sealer)

    async def reseal(self, name: str) -> bool:
        """Seal it with the newest key, if it is not yet. The secret stays the same one, so tokens that were fetched
        with it stay good.

        Returns:
            Whether there was something to do. One that was deleted in the meantime has nothing.

        Raises:
            SealError: none of the keys at hand opens it.
        """
        async with self._writing() as session:
            row = await session.scalar(select(SecretRow).where(SecretRow.name_key == name_key(name)))
            if row is None or self._sealer.is_current(row.sealed):
                return False
            row.sealed = self._sealer.resealed(row.sealed, name=seal_name(row.name))
            return True

    def _refuse_conflict(self, row: SecretRow, expected: str | None) -> None:
        if expected is not None and expected != record_of(row, self._sealer).stamp:
            raise SecretConflict(
                f"{row.updated_by} changed {row.name} in the meantime. Look at what is there now, then save again."
            )

    @asynccontextmanager
    async def _writing(self) -> AsyncIterator[AsyncSession]:
        async with self._database.writing(SECRETS) as session:
            yield session
        if self.after_write is not None:
            await self.after_write()


async def _row(session: AsyncSession, name: str) -> SecretRow:
    row = await session.scalar(select(SecretRow).where(SecretRow.name_key == name_key(name)))
    if row is None:
        # Not repeated: who mistakes the field types the value.
        raise SecretNotFound("There is no secret of this name; it may have been deleted.")
    return row


async def _number(session: AsyncSession) -> int:
    """The kind's revision within the transaction, which has raised it: no other write ever has this one."""
    return await session.scalar(select(RevisionRow.number).where(RevisionRow.kind == SECRETS)) or 0


def _named(tools: Sequence[UsingTool]) -> str:
    names = ", ".join(tool.name for tool in tools[:_TOLD])
    return names if len(tools) <= _TOLD else f"{names} and {len(tools) - _TOLD} more"
