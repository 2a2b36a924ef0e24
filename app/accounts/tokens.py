"""API tokens in the database."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.accounts.errors import TokenInvalid, TokenNotFound
from app.accounts.identity import User
from app.core.permissions import Role, lesser
from app.db.audit import record
from app.db.database import Database
from app.db.page import Page, like_pattern
from app.db.values import text_problem
from app.models.base import utc_now
from app.models.names import NAME_LENGTH
from app.models.revision import USERS
from app.models.token import TokenRow
from app.models.user import UserRow

PREFIX: Final = "aai_"
# Of one owner.
MOST_TOKENS: Final = 100
_LONGEST_SECRET: Final = 100
# Databases, and UTC, end the years at different points.
_LATEST: Final = datetime(9000, 1, 1, tzinfo=UTC)
_KIND: Final = "token"

TokenSort = Literal["-created_at", "created_at", "name", "-name", "last_used_at", "-last_used_at"]


@dataclass(frozen=True, slots=True)
class TokenRecord:
    """A token, without what its holder sends.

    Attributes:
        owner: The user's name; the first administrator's for theirs.
        owner_id: None for the first administrator.
        role: The most that it may; its owner's role bounds it too.
        hint: Its first characters.
        last_used_at: Right to the minute.
        expired: It lets nobody in any more.
    """

    id: int
    name: str
    owner: str
    role: Role
    hint: str
    expires_at: datetime | None
    last_used_at: datetime | None
    created_at: datetime
    owner_id: int | None = None

    @property
    def expired(self) -> bool:
        return self.expires_at is not None and self.expires_at <= utc_now()


class TokenStore:
    """Make, list and revoke tokens.

    Every method may raise :class:`app.db.errors.DatabaseUnavailable`.

    Args:
        first: Name of the first administrator, whose tokens have no user in the database.
    """

    def __init__(self, database: Database, *, first: str) -> None:
        self._database = database
        self._first = first

    async def create(
        self, owner: User, *, name: str, role: Role, expires_at: datetime | None = None
    ) -> tuple[TokenRecord, str]:
        """Make a token for ``owner``.

        Returns:
            The token, and what its holder sends; that is nowhere else, and cannot be had again.

        Raises:
            TokenInvalid: the role is more than the owner's, it expires in the past, or there are too many.
        """
        now = utc_now()
        name = name.strip()
        problem = text_problem(name, max_bytes=NAME_LENGTH * 4)
        if problem or not name or len(name) > NAME_LENGTH:
            raise TokenInvalid(f"The name {problem or f'has 1 to {NAME_LENGTH} characters'}.", field="name")
        if lesser(role, owner.role) is not role:
            raise TokenInvalid(f"A token may not more than you: at most {owner.role}.", field="role")
        if expires_at is not None and expires_at >= _LATEST:
            raise TokenInvalid(f"Choose a day before the year {_LATEST.year}, or none for never.", field="expires_at")
        if expires_at is not None and expires_at <= now:
            raise TokenInvalid("It would have expired already.", field="expires_at")
        secret = PREFIX + secrets.token_urlsafe(32)
        async with self._database.writing(USERS) as session:
            if await self._count(session, owner.id) >= MOST_TOKENS:
                raise TokenInvalid(f"You have {MOST_TOKENS} tokens; revoke one that is not used.", field="name")
            row = TokenRow(
                user_id=owner.id,
                name=name,
                role=role,
                digest=_digest(secret),
                hint=secret[: len(PREFIX) + 4],
                expires_at=expires_at,
                created_at=now,
            )
            session.add(row)
            await session.flush()
            found = self._record_of(row, owner.name)
            record(session, _KIND, "create", item_id=row.id, name=name, before=None, after=_facts(found), by=owner.name)
            return found, secret

    async def revoke(self, token_id: int, *, by: User, of_others: bool) -> None:
        """Make a token worthless, at once.

        Args:
            of_others: Whether it may be somebody else's.

        Raises:
            TokenNotFound: it does not exist, or is not theirs.
        """
        async with self._database.writing(USERS) as session:
            row = await session.get(TokenRow, token_id)
            if row is None or not (of_others or row.user_id == by.id):
                raise TokenNotFound(f"There is no token with the id {token_id}; it may have been revoked.")
            owner = None if row.user_id is None else await session.get(UserRow, row.user_id)
            facts = _facts(self._record_of(row, owner.name if owner else None))
            record(session, _KIND, "revoke", item_id=row.id, name=row.name, before=facts, after=None, by=by.name)
            await session.delete(row)

    async def get(self, token_id: int, *, by: User, of_others: bool) -> TokenRecord:
        """That token. Raises TokenNotFound, as :meth:`revoke` does."""
        async with self._database.session() as session:
            row = await session.get(TokenRow, token_id)
            if row is None or not (of_others or row.user_id == by.id):
                raise TokenNotFound(f"There is no token with the id {token_id}; it may have been revoked.")
            owner = None if row.user_id is None else await session.get(UserRow, row.user_id)
            return self._record_of(row, owner.name if owner else None)

    async def list(
        self,
        of: User | None,
        *,
        offset: int = 0,
        limit: int = 50,
        search: str = "",
        sort: TokenSort = "-created_at",
    ) -> Page[TokenRecord]:
        """Tokens of one user, or, for None, of everybody, whose name holds ``search``; unused ones come last."""
        where: list[ColumnElement[bool]] = []
        if of is not None:
            where.append(TokenRow.user_id.is_not_distinct_from(of.id))
        if search:
            where.append(func.lower(TokenRow.name).like(like_pattern(search.strip().lower()), escape="\\"))
        async with self._database.session() as session:
            total = await session.scalar(select(func.count()).select_from(TokenRow).where(*where)) or 0
            rows = await session.execute(
                select(TokenRow, UserRow.name)
                .outerjoin(UserRow, TokenRow.user_id == UserRow.id)
                .where(*where)
                .order_by(*_order(sort))
                .offset(offset)
                .limit(limit)
            )
            return Page([self._record_of(row, owner) for row, owner in rows], total, offset, limit)

    async def _count(self, session: AsyncSession, owner_id: int | None) -> int:
        theirs = TokenRow.user_id.is_not_distinct_from(owner_id)
        return await session.scalar(select(func.count()).select_from(TokenRow).where(theirs)) or 0

    def _record_of(self, row: TokenRow, owner: str | None) -> TokenRecord:
        return TokenRecord(
            id=row.id,
            name=row.name,
            owner=owner or self._first,
            role=Role(row.role),
            hint=row.hint,
            expires_at=row.expires_at,
            last_used_at=row.last_used_at,
            created_at=row.created_at,
            owner_id=row.user_id,
        )


async def find_token(session: AsyncSession, secret: str) -> tuple[TokenRow, UserRow | None] | None:
    """The token that ``secret`` is, and its owner (None: the first administrator). It may have expired."""
    if not secret.startswith(PREFIX) or len(secret) > _LONGEST_SECRET:
        return None
    found = await session.execute(
        select(TokenRow, UserRow)
        .outerjoin(UserRow, TokenRow.user_id == UserRow.id)
        .where(TokenRow.digest == _digest(secret))
    )
    row = found.first()
    return None if row is None else (row[0], row[1])


def _order(sort: TokenSort) -> tuple[ColumnElement[Any], ...]:
    down = sort.startswith("-")
    if sort.endswith("created_at"):
        # Ids rise with time, and unlike moments are never equal.
        return (TokenRow.id.desc() if down else TokenRow.id.asc(),)
    column: Any = TokenRow.name if sort.endswith("name") else TokenRow.last_used_at
    return column.is_(None), column.desc() if down else column.asc(), TokenRow.id.desc()


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()


def _facts(token: TokenRecord) -> dict[str, Any]:
    expires = None if token.expires_at is None else token.expires_at.isoformat()
    return {"name": token.name, "owner": token.owner, "role": str(token.role), "expires_at": expires}
