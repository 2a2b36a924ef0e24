"""When users signed in and tokens were used: noted in memory, written once a minute, never within a request."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Final

import structlog
from sqlalchemy import update

from app.core.metrics import UNEXPECTED
from app.db.database import Database
from app.db.errors import DatabaseError
from app.models.base import utc_now
from app.models.token import TokenRow
from app.models.user import UserRow

log = structlog.get_logger(__name__)

INTERVAL: Final = 60.0  # seconds


class LastSeen:
    """Bounded by the users and tokens that there are: only who was let in is noted."""

    def __init__(self, database: Database, interval: float = INTERVAL) -> None:
        self._database = database
        self._interval = interval
        self._users: dict[int, datetime] = {}
        self._tokens: dict[int, datetime] = {}

    def user(self, user_id: int) -> None:
        """Somebody signed in with the password."""
        self._users[user_id] = utc_now()

    def token(self, token_id: int) -> None:
        """A token was used."""
        self._tokens[token_id] = utc_now()

    async def run(self) -> None:
        """Write now and then, until cancelled. :meth:`flush` afterwards writes the rest."""
        while True:
            await asyncio.sleep(self._interval)
            try:
                await self.flush()
            except Exception:  # logged and counted; what is noted later is written later
                UNEXPECTED.labels(where="accounts.last_seen").inc()
                log.exception("last_seen.failed")

    async def flush(self) -> None:
        """Write what was noted; what cannot be written now is kept for the next time."""
        users, self._users = self._users, {}
        tokens, self._tokens = self._tokens, {}
        if not users and not tokens:
            return
        try:
            async with self._database.session() as session:
                for user_id, at in sorted(users.items()):
                    await session.execute(update(UserRow).where(UserRow.id == user_id).values(last_sign_in_at=at))
                for token_id, at in sorted(tokens.items()):
                    await session.execute(update(TokenRow).where(TokenRow.id == token_id).values(last_used_at=at))
        except DatabaseError as error:
            self._users, self._tokens = users | self._users, tokens | self._tokens
            log.warning("last_seen.not_written", error=str(error))
