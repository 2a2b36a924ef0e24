"""Reading the audit log. Writing is in :mod:`app.db.audit`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal

from sqlalchemy import ColumnElement, func, select

from app.accounts.errors import AuditNotFound
from app.db.database import Database
from app.db.page import Page, like_pattern
from app.models.audit import AuditRow
from app.models.names import name_key

# Moments that every database has.
_FIRST: Final = datetime(1971, 1, 1, tzinfo=UTC)
_LAST: Final = datetime(9000, 1, 1, tzinfo=UTC)

AuditSort = Literal["-at", "at"]


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One change. ``at`` is aware, UTC; ``before`` and ``after`` hold what differs."""

    id: int
    at: datetime
    actor: str
    token: str
    address: str
    kind: str
    item_id: int | None
    item_name: str
    action: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which changes; None: any.

    Attributes:
        actor: Whole name, in any case.
        search: What the name of the changed thing holds, in any case.
        since, until: Aware; ``until`` itself is left out.
    """

    actor: str | None = None
    kind: str | None = None
    action: str | None = None
    item_id: int | None = None
    search: str | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class AuditWords:
    """What can be chosen from, by alphabet."""

    kinds: tuple[str, ...]
    actions: tuple[str, ...]


class AuditLog:
    """Who changed what."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list(
        self,
        wanted: AuditFilter | None = None,
        *,
        offset: int = 0,
        limit: int = 50,
        sort: AuditSort = "-at",
    ) -> Page[AuditEntry]:
        """A page; the newest first, or with ``at`` the oldest. Raises DatabaseUnavailable."""
        where = _conditions(wanted or AuditFilter())
        # Ids rise with time, and unlike moments are never equal.
        order = AuditRow.id.asc() if sort == "at" else AuditRow.id.desc()
        async with self._database.session() as session:
            total = await session.scalar(select(func.count()).select_from(AuditRow).where(*where)) or 0
            rows = await session.scalars(select(AuditRow).where(*where).order_by(order).offset(offset).limit(limit))
            return Page([_entry_of(row) for row in rows], total, offset, limit)

    async def get(self, entry_id: int) -> AuditEntry:
        """That change. Raises AuditNotFound."""
        async with self._database.session() as session:
            row = await session.get(AuditRow, entry_id)
            if row is None:
                raise AuditNotFound(f"There is no line {entry_id} in the audit log.")
            return _entry_of(row)

    async def words(self) -> AuditWords:
        """The kinds and actions that there are, for a choice."""
        async with self._database.session() as session:
            kinds = await session.scalars(select(AuditRow.kind).distinct().order_by(AuditRow.kind))
            actions = await session.scalars(select(AuditRow.action).distinct().order_by(AuditRow.action))
            return AuditWords(tuple(kinds), tuple(actions))


def _conditions(wanted: AuditFilter) -> list[ColumnElement[bool]]:
    where: list[ColumnElement[bool]] = []
    if wanted.actor:
        where.append(AuditRow.actor_key == name_key(wanted.actor))
    if wanted.kind:
        where.append(AuditRow.kind == wanted.kind)
    if wanted.action:
        where.append(AuditRow.action == wanted.action)
    if wanted.item_id is not None:
        where.append(AuditRow.item_id == wanted.item_id)
    if wanted.search:
        where.append(AuditRow.item_key.like(like_pattern(name_key(wanted.search)), escape="\\"))
    if wanted.since is not None:
        where.append(AuditRow.at >= _within(wanted.since))
    if wanted.until is not None:
        where.append(AuditRow.at < _within(wanted.until))
    return where


def _within(moment: datetime) -> datetime:
    """As near as a column can be asked for: databases begin and end the years at different points, and so does UTC."""
    try:
        return min(max(moment.astimezone(UTC), _FIRST), _LAST)
    except OverflowError:
        return _FIRST if moment.year < 2000 else _LAST


def _entry_of(row: AuditRow) -> AuditEntry:
    return AuditEntry(
        row.id,
        row.at,
        row.actor,
        row.token,
        row.address,
        row.kind,
        row.item_id,
        row.item_name,
        row.action,
        row.before,
        row.after,
    )
