"""The database: engine, sessions and migrations behind one object."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

import structlog
from sqlalchemy import select, text, update
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker

from app.db import migrate
from app.db.engine import make_engine
from app.db.errors import DatabaseUnavailable
from app.db.urls import async_url, describe_url, sqlite_path
from app.models.revision import RevisionRow

log = structlog.get_logger(__name__)

# Seconds for a ping. Letting go of a connection that stands still takes SQLAlchemy two more.
PING_TIMEOUT = 1.0
# And for closing all connections at the end: a server that hangs must not keep the service from stopping.
CLOSE_TIMEOUT = 5.0


@dataclass(frozen=True, slots=True)
class MigrationReport:
    """What :meth:`Database.migrate` did.

    Attributes:
        created: The database was empty; it now holds the first prompt and the example tool.
        revision: The migration that the tables are at.
        previous: The one they were at before; None when the database was empty.
    """

    created: bool
    revision: str
    previous: str | None = None


class Database:
    """One database, from ``DATABASE_URL``. Connects at first use.

    Raises:
        DatabaseUrlInvalid: the URL is malformed or names what is not supported.
        DatabaseUnavailable: the directory of a SQLite file cannot be made.
    """

    def __init__(self, url: str) -> None:
        self._url = async_url(url)
        self._engine = make_engine(self._url)
        self._sessions = async_sessionmaker(self._engine, expire_on_commit=False)

    @property
    def engine(self) -> AsyncEngine:
        """For what sessions do not cover."""
        return self._engine

    async def migrate(self, *, service_url: str = "http://127.0.0.1:8000") -> MigrationReport:
        """Bring the tables to this version; fill an empty database with the first prompt and the example tool.

        Safe when several instances start at once: one works, the others wait for it (up to a minute).

        Args:
            service_url: Where this service listens; the example tool calls it.

        Raises:
            MigrationFailed: a migration failed, another instance held the lock too long, or a newer version of the
                service made the tables.
            DatabaseUnavailable: no connection.
        """
        engine = self._engine
        if engine.dialect.name != "sqlite" or sqlite_path(self._url) is not None:
            engine = make_engine(
                self._url, statement_timeout=migrate.STATEMENT_TIMEOUT, lock_timeout=migrate.LOCK_TIMEOUT
            )
        try:
            with self._explained():
                previous, revision = await migrate.upgrade(engine, service_url=service_url)
        finally:
            if engine is not self._engine:
                await engine.dispose()
        return MigrationReport(created=previous is None, revision=revision, previous=previous)

    @asynccontextmanager
    async def session(self) -> AsyncIterator[AsyncSession]:
        """A session within one transaction: committed at the end of the block, rolled back when it raises or is
        cancelled.

        Raises:
            DatabaseUnavailable: the database does not answer, or broke off.
        """
        with self._explained():
            async with self._sessions() as session, session.begin():
                yield session

    @asynccontextmanager
    async def writing(self, kind: str) -> AsyncIterator[AsyncSession]:
        """Like :meth:`session`, for a write to ``kind``: raises its revision, and is alone with it until the commit.

        So what is read in the block is still true when it is written, on every database.
        """
        async with self.session() as session:
            await session.execute(
                update(RevisionRow).where(RevisionRow.kind == kind).values(number=RevisionRow.number + 1)
            )
            yield session

    async def revision(self, kind: str) -> int:
        """How often ``kind`` was written to; 0 for one that was never."""
        async with self.session() as session:
            return await session.scalar(select(RevisionRow.number).where(RevisionRow.kind == kind)) or 0

    async def ping(self) -> None:
        """One round trip; three seconds at most.

        Raises:
            DatabaseUnavailable: with the reason.
        """
        try:
            async with asyncio.timeout(PING_TIMEOUT), self.session() as session:
                await session.execute(text("SELECT 1"))
        except TimeoutError:
            raise DatabaseUnavailable(f"{self.describe()} did not answer within {PING_TIMEOUT:g} s") from None

    def describe(self) -> str:
        """The database in words, without a password."""
        return describe_url(self._url)

    async def aclose(self) -> None:
        """Close the connections; those that a hung server does not let go of within seconds go with the process."""
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT):
                await self._engine.dispose()
        except TimeoutError:
            log.warning("database.not_closed", database=self.describe(), seconds=CLOSE_TIMEOUT)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except (OperationalError, InterfaceError, PoolTimeout, OSError) as error:
            raise DatabaseUnavailable(f"{self.describe()} is not available: {_reason(error)}") from error
        except DBAPIError as error:
            if error.connection_invalidated:
                raise DatabaseUnavailable(f"{self.describe()} broke off: {_reason(error)}") from error
            if error.statement is None:
                # A refused connection: a wrong password, a database that does not exist.
                raise DatabaseUnavailable(f"{self.describe()} refuses us: {_reason(error)}") from error
            raise


def _reason(error: SQLAlchemyError | OSError) -> str:
    # The driver's own words: SQLAlchemy's add the statement and its values, which do not belong into a sentence.
    cause = getattr(error, "orig", None) or error
    return " ".join(str(cause).split())[:300] or type(cause).__name__
