"""Deletes turns that are older than ``HISTORY_DAYS``, in batches so small that nobody waits for them."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Final

import structlog
from sqlalchemy import ColumnElement, delete, exists, select

from app.core.metrics import UNEXPECTED
from app.db.database import Database
from app.db.engine import SQLITE_BEGIN
from app.db.errors import DatabaseError
from app.models.base import utc_now
from app.models.conversation import ConversationRow
from app.models.turn import TurnRow

EVERY: Final = 3600.0
BATCH: Final = 200
# Seconds after the start, and between batches: calls and the recorder come first.
FIRST_AFTER: Final = 10.0
PAUSE: Final = 0.05

logger = structlog.get_logger(__name__)


class Retention:
    """Deletes once an hour. Several instances may do so at a time.

    Args:
        days: 0: everything goes.
    """

    def __init__(self, database: Database, days: int) -> None:
        self._database = database
        self._days = days

    async def run(self) -> None:
        """Delete until cancelled. A database that is away is asked again after the hour."""
        await asyncio.sleep(FIRST_AFTER)
        while True:
            try:
                turns = await self.delete_old(utc_now() - timedelta(days=self._days))
            except DatabaseError as error:
                logger.warning("history.not_deleted", error=error.code, detail=str(error))
            except Exception as error:
                UNEXPECTED.labels(where="history").inc()
                logger.error("history.unexpected_error", error=type(error).__name__, exc_info=error)
            else:
                if turns:
                    logger.info("history.deleted", turns=turns, days=self._days)
            await asyncio.sleep(EVERY)

    async def delete_old(self, before: datetime) -> int:
        """Delete turns that began before a moment, and conversations that have none left.

        Returns:
            How many turns there were.
        """
        deleted = 0
        while number := await self._delete(TurnRow, TurnRow.started_at < before):
            deleted += number
            await asyncio.sleep(PAUSE)
        without_turns = ~exists().where(TurnRow.conversation_id == ConversationRow.id)
        old = ConversationRow.last_at < before
        while True:
            if not await self._delete(ConversationRow, old, without_turns):
                return deleted
            await asyncio.sleep(PAUSE)

    async def _delete(self, table: type[TurnRow | ConversationRow], *which: ColumnElement[bool]) -> int:
        async with self._database.session() as session:
            await session.connection(execution_options={SQLITE_BEGIN: "IMMEDIATE"})
            # MySQL cannot limit a delete by a subquery of the same table.
            ids = list(await session.scalars(select(table.id).where(*which).limit(BATCH)))
            if ids:
                await session.execute(delete(table).where(table.id.in_(ids)))
            return len(ids)
