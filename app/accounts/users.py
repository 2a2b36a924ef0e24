"""Users in the database. The first administrator is not among them."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.accounts.errors import FirstAdministrator, OwnAccount, UserConflict, UserInvalid, UserNameTaken, UserNotFound
from app.accounts.passwords import Passwords, check_password
from app.core.permissions import Role
from app.db.audit import record
from app.db.database import Database
from app.db.page import BY_NAME, Page, like_pattern, ordering
from app.models.base import utc_now
from app.models.names import NAME_LENGTH, name_key
from app.models.revision import USERS
from app.models.token import TokenRow
from app.models.user import UserRow

_KIND: Final = "user"

UserSort = Literal["name", "-name", "updated_at", "-updated_at", "last_sign_in_at", "-last_sign_in_at"]


@dataclass(frozen=True, slots=True)
class UserRecord:
    """A user, without the password. Moments are aware, in UTC; ``last_sign_in_at`` is right to the minute.

    Attributes:
        tokens: How many API tokens they have, those that expired too.
    """

    id: int
    name: str
    role: Role
    disabled: bool
    last_sign_in_at: datetime | None
    created_at: datetime
    updated_at: datetime
    updated_by: str
    tokens: int = 0

    @property
    def stamp(self) -> str:
        """Another one after each change by somebody; signing in leaves it as it is."""
        return self.updated_at.strftime("%Y%m%dT%H%M%S.%fZ")


class UserStore:
    """Create, read, change and remove users.

    Every method may raise :class:`app.db.errors.DatabaseUnavailable`. A method that writes is one transaction, with
    its line in the audit log. ``by`` is the name of who does it. ``own_id`` is their id, where they have one: nobody
    locks themselves out by mistake. There is always an administrator besides: the first one, of the settings, is in no
    table, so the last one in the table may be removed.

    Args:
        first: Name of the first administrator, which nobody else may have.
    """

    def __init__(self, database: Database, passwords: Passwords, *, first: str) -> None:
        self._database = database
        self._passwords = passwords
        self._first = first

    async def create(self, name: str, password: str, role: Role, *, by: str) -> UserRecord:
        """Add a user. Raises UserInvalid, UserNameTaken."""
        name = _checked_name(name)
        check_password(password, name=name)
        hashed = await self._passwords.hash(password)
        now = utc_now()
        async with self._database.writing(USERS) as session:
            await self._refuse_taken(session, name, except_id=None)
            row = UserRow(
                name=name,
                name_key=name_key(name),
                role=role,
                password_hash=hashed,
                disabled=False,
                created_at=now,
                updated_at=now,
                updated_by=by[:NAME_LENGTH],
            )
            session.add(row)
            await session.flush()
            record(session, _KIND, "create", item_id=row.id, name=name, before=None, after=_facts(row), by=by)
            return _record_of(row)

    async def change(
        self,
        user_id: int,
        *,
        by: str,
        name: str | None = None,
        role: Role | None = None,
        disabled: bool | None = None,
        password: str | None = None,
        expected: str | None = None,
        own_id: int | None = None,
    ) -> UserRecord:
        """Change what is given; None leaves it as it is. It holds from the next request on, for tokens too.

        Args:
            expected: The record's ``stamp`` when the form was opened; None: change in any case.

        Raises:
            UserNotFound, UserInvalid, UserNameTaken
            UserConflict: somebody else changed the user in the meantime.
            OwnAccount: they would disable themselves, or take the role from themselves.
        """
        wanted = None if name is None else _checked_name(name)
        hashed = None
        if password is not None:
            check_password(password, name=wanted or (await self.get(user_id)).name)
            hashed = await self._passwords.hash(password)
        async with self._database.writing(USERS) as session:
            row = await _row(session, user_id)
            _refuse_conflict(row, expected)
            before = _facts(row)
            if user_id == own_id and (disabled or (role is not None and role != row.role)):
                raise OwnAccount(
                    "You cannot disable yourself or change your own role; another administrator can.",
                    field="disabled" if disabled else "role",
                )
            if wanted is not None:
                await self._refuse_taken(session, wanted, except_id=user_id)
                row.name, row.name_key = wanted, name_key(wanted)
            if role is not None:
                row.role = role
            if disabled is not None:
                row.disabled = disabled
            after = _facts(row)
            if after != before:
                record(session, _KIND, "save", item_id=row.id, name=row.name, before=before, after=after, by=by)
            if hashed is not None:
                row.password_hash = hashed
                record(session, _KIND, "password", item_id=row.id, name=row.name, before=None, after=None, by=by)
            row.updated_at, row.updated_by = utc_now(), by[:NAME_LENGTH]
            await session.flush()
            return _record_of(row, await session.scalar(select(_tokens_of(user_id))) or 0)

    async def remove(self, user_id: int, *, by: str, expected: str | None = None, own_id: int | None = None) -> None:
        """Remove a user, with all tokens.

        Raises:
            UserNotFound
            UserConflict, OwnAccount: as :meth:`change` does.
        """
        async with self._database.writing(USERS) as session:
            row = await _row(session, user_id)
            _refuse_conflict(row, expected)
            if user_id == own_id:
                raise OwnAccount("You cannot remove yourself; another administrator can.")
            record(session, _KIND, "delete", item_id=row.id, name=row.name, before=_facts(row), after=None, by=by)
            await session.delete(row)

    async def get(self, user_id: int) -> UserRecord:
        """That user. Raises UserNotFound."""
        async with self._database.session() as session:
            row = await _row(session, user_id)
            return _record_of(row, await session.scalar(select(_tokens_of(user_id))) or 0)

    async def find(self, name: str) -> UserRecord:
        """The user of that name, in any case. Raises UserNotFound; FirstAdministrator for that one's name."""
        if name_key(name) == name_key(self._first):
            raise FirstAdministrator(
                f"{self._first} is the first administrator, whose name and password are WEB_UI_USERNAME and "
                "WEB_UI_PASSWORD; change them there."
            )
        async with self._database.session() as session:
            row = await session.scalar(select(UserRow).where(UserRow.name_key == name_key(name)))
            if row is None:
                raise UserNotFound(f"There is no user named {name}.")
            return _record_of(row, await session.scalar(select(_tokens_of(row.id))) or 0)

    async def list(
        self,
        *,
        offset: int = 0,
        limit: int = 50,
        search: str = "",
        role: Role | None = None,
        disabled: bool | None = None,
        sort: UserSort = BY_NAME,
    ) -> Page[UserRecord]:
        """Users whose name holds ``search``; who never signed in comes last, whichever way."""
        where: list[ColumnElement[bool]] = [UserRow.name_key.like(like_pattern(name_key(search)), escape="\\")]
        if role is not None:
            where.append(UserRow.role == role)
        if disabled is not None:
            where.append(UserRow.disabled.is_(disabled))
        async with self._database.session() as session:
            total = await session.scalar(select(func.count()).select_from(UserRow).where(*where)) or 0
            rows = await session.execute(
                select(UserRow, _tokens_of(UserRow.id))
                .where(*where)
                .order_by(*_order(sort))
                .offset(offset)
                .limit(limit)
            )
            return Page([_record_of(row, tokens) for row, tokens in rows], total, offset, limit)

    async def _refuse_taken(self, session: AsyncSession, name: str, *, except_id: int | None) -> None:
        taken = name_key(name) == name_key(self._first)
        if not taken:
            other = await session.scalar(select(UserRow.id).where(UserRow.name_key == name_key(name)))
            taken = other is not None and other != except_id
        if taken:
            raise UserNameTaken(f"There is a user named {name} already (capital letters do not count).")


def _checked_name(name: str) -> str:
    name = name.strip()
    problem = None
    if not name:
        problem = "is empty"
    elif len(name) > NAME_LENGTH:
        problem = f"has more than {NAME_LENGTH} characters"
    elif ":" in name:
        problem = "holds a colon, which HTTP Basic cannot carry in a name"
    elif any(unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") for c in name):
        problem = "holds a control character; remove it"
    if problem:
        raise UserInvalid(f"The name {problem}.", field="name")
    return name


async def _row(session: AsyncSession, user_id: int) -> UserRow:
    row = await session.get(UserRow, user_id)
    if row is None:
        raise UserNotFound(f"There is no user with the id {user_id}; it may have been removed.")
    return row


def _facts(row: UserRow) -> dict[str, Any]:
    return {"name": row.name, "role": str(row.role), "disabled": row.disabled}


def _refuse_conflict(row: UserRow, expected: str | None) -> None:
    if expected is not None and expected != _record_of(row).stamp:
        raise UserConflict(
            f"{row.updated_by} changed {row.name} in the meantime. Look at what is there now, then save again."
        )


def _tokens_of(user_id: Any) -> Any:
    """How many tokens, as a subquery. ``user_id`` is an id or the column with it."""
    return select(func.count()).select_from(TokenRow).where(TokenRow.user_id == user_id).scalar_subquery()


def _order(sort: UserSort) -> tuple[ColumnElement[Any], ...]:
    if sort == "last_sign_in_at" or sort == "-last_sign_in_at":
        seen = UserRow.last_sign_in_at
        # Where NULL sorts is another matter on every database.
        return seen.is_(None), seen.desc() if sort.startswith("-") else seen.asc(), UserRow.name_key.asc()
    return ordering(sort, name=UserRow.name_key, updated_at=UserRow.updated_at)


def _record_of(row: UserRow, tokens: int = 0) -> UserRecord:
    return UserRecord(
        id=row.id,
        name=row.name,
        role=Role(row.role),
        disabled=row.disabled,
        last_sign_in_at=row.last_sign_in_at,
        created_at=row.created_at,
        updated_at=row.updated_at,
        updated_by=row.updated_by,
        tokens=tokens,
    )
