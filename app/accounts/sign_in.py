"""Letting people and programs in. Users and tokens are read at each request, so a change holds at once, on every
instance; what is slow, the password's hash, is remembered."""

from __future__ import annotations

from typing import Final

import structlog
from sqlalchemy import select, update

from app.accounts.identity import User
from app.accounts.last_seen import LastSeen
from app.accounts.passwords import Passwords
from app.accounts.tokens import find_token
from app.core.permissions import Role, lesser
from app.core.security import Credentials
from app.db.database import Database
from app.db.errors import DatabaseError
from app.models.base import utc_now
from app.models.names import name_key
from app.models.user import UserRow

log: Final = structlog.get_logger(__name__)


class SignIn:
    """Says who somebody is; None, whatever is wrong.

    Every method may raise :class:`app.db.errors.DatabaseUnavailable`, but not for the first administrator's right
    password: that one gets in without a database.
    """

    def __init__(self, database: Database, passwords: Passwords, last_seen: LastSeen) -> None:
        self._database = database
        self._passwords = passwords
        self._last_seen = last_seen
        # Users whose hash is being made again: a page makes several requests at once.
        self._renewing: set[int] = set()

    async def by_password(self, first: Credentials, name: str, password: str) -> User | None:
        """The user of that name and password.

        A wrong answer takes one hash, whether the name is nobody's, disabled, the first administrator's or only the
        password wrong, so the time tells nothing.

        Raises:
            SignInBusy: too many passwords are being checked.
        """
        if first.match(name, password):
            return User(first.username, Role.ADMINISTRATOR)
        key = name_key(name)
        row = None
        if key != name_key(first.username) and "\0" not in key:
            async with self._database.session() as session:
                row = await session.scalar(select(UserRow).where(UserRow.name_key == key))
        right = await self._passwords.verify(row.password_hash if row else None, key, password)
        if not right or row is None or row.disabled:
            return None
        self._last_seen.user(row.id)
        if self._passwords.outdated(row.password_hash):
            await self._renew(row.id, row.password_hash, password)
        return User(row.name, Role(row.role), row.id)

    async def _renew(self, user_id: int, stored: str, password: str) -> None:
        """Hash the right password with today's parameters, while it is known. Whether it works or not, they are in."""
        if user_id in self._renewing:
            return
        self._renewing.add(user_id)
        try:
            renewed = await self._passwords.hash(password)
            async with self._database.session() as session:
                # The same password, so no line in the audit log; and not if it was changed in the meantime.
                await session.execute(
                    update(UserRow)
                    .where(UserRow.id == user_id, UserRow.password_hash == stored)
                    .values(password_hash=renewed)
                )
            log.info("password.hash_renewed", user_id=user_id)
        except DatabaseError as error:
            log.warning("password.hash_not_renewed", user_id=user_id, error=str(error))
        finally:
            self._renewing.discard(user_id)

    async def by_token(self, first: Credentials, secret: str) -> User | None:
        """The owner of the token, with what the token may; None too when it has expired or its owner is disabled."""
        async with self._database.session() as session:
            found = await find_token(session, secret)
        if found is None:
            return None
        token, owner = found
        if token.expires_at is not None and token.expires_at <= utc_now():
            return None
        if owner is not None and (owner.disabled or owner.name_key == name_key(first.username)):
            return None
        self._last_seen.token(token.id)
        if owner is None:
            return User(first.username, Role(token.role), via="token", token=token.name)
        return User(owner.name, lesser(Role(token.role), Role(owner.role)), owner.id, via="token", token=token.name)
