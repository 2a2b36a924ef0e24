"""Migrations: Alembic, run inside the service, one instance at a time."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TypeVar

import structlog
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.ext.asyncio import AsyncEngine

from app.db import seed
from app.db.engine import SQLITE_BEGIN
from app.db.errors import MigrationFailed

R = TypeVar("R")
log = structlog.get_logger(__name__)

# Found by the package, not by the working directory: it must work from a wheel.
MIGRATIONS: Final = Path(__file__).parent / "migrations"
# Seconds that an instance waits for another one's migration, and that one statement of it may take: far more than the
# service's own have, for it may rebuild a large table.
LOCK_TIMEOUT: Final = 60
STATEMENT_TIMEOUT: Final = 3_600
# A number of our own for PostgreSQL's advisory lock; any would do, as long as all versions use the same.
_ADVISORY_LOCK: Final = 0x61_73_74_61_69

_HELD: Final = (
    "another instance has held the lock for migrations for too long; look at its log, and start this one again when "
    "it is done."
)
# Their statements that change tables cannot be rolled back.
_COMMITS_DDL: Final = ("mysql", "mariadb")


async def upgrade(engine: AsyncEngine, *, service_url: str, target: str = "head") -> tuple[str | None, str]:
    """Run the missing migrations up to ``target``, and seed a database that was empty.

    Returns:
        The migration before (None: the database was empty) and the one after.

    Raises:
        MigrationFailed: see :meth:`app.db.database.Database.migrate`.
    """

    def work(connection: Connection) -> tuple[str | None, str]:
        before = current_revision(connection)
        if before != head_revision() or target != "head":
            _run(connection, lambda config: command.upgrade(config, target))
        after = current_revision(connection)
        assert after is not None
        if after == head_revision():
            if connection.dialect.name in _COMMITS_DDL:
                # The tables are there already; without this the note of it would go when filling fails.
                connection.commit()
            seed.fill_if_untouched(connection, service_url=service_url)
        return before, after

    before, after = await _locked(engine, work)
    log.info("database.migrated" if before != after else "database.current", revision=after, previous=before)
    return before, after


async def downgrade(engine: AsyncEngine, target: str) -> None:
    """Take migrations back to ``target`` (``base``: all of them, with the data)."""
    await _locked(engine, lambda connection: _run(connection, lambda config: command.downgrade(config, target)))


def head_revision() -> str:
    """The newest migration that this version of the service has."""
    head = ScriptDirectory(str(MIGRATIONS)).get_current_head()
    assert head is not None
    return head


def current_revision(connection: Connection) -> str | None:
    """The migration that the database is at; None for an empty one."""
    return MigrationContext.configure(connection).get_current_revision()


async def _locked(engine: AsyncEngine, work: Callable[[Connection], R]) -> R:
    try:
        async with engine.connect() as connection:
            # Exclusive from the first statement on: two instances that both read first could not both go on.
            await connection.execution_options(**{SQLITE_BEGIN: "EXCLUSIVE"})
            result = await connection.run_sync(lambda sync: _with_lock(sync, work))
            await connection.commit()
            return result
    except CommandError as error:
        raise MigrationFailed(
            f"the database cannot be migrated: {error}. If a newer version of asterisk-ai has used it, install that "
            "version again, or restore the backup made before."
        ) from error
    except DBAPIError as error:
        if engine.dialect.name == "sqlite" and "database is locked" in str(error.orig):
            raise MigrationFailed(_HELD) from error
        if isinstance(error, OperationalError) or error.connection_invalidated or error.statement is None:
            raise
        raise MigrationFailed(f"the database cannot be migrated: {error.orig}") from error


def _with_lock(connection: Connection, work: Callable[[Connection], R]) -> R:
    with _lock(connection):
        return work(connection)


@contextmanager
def _lock(connection: Connection) -> Iterator[None]:
    """Keep other instances out, and begin the transaction."""
    if connection.dialect.name == "postgresql":
        # Released with the transaction, which holds the tables too: PostgreSQL's DDL is transactional.
        connection.execute(text(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}s'"))
        try:
            connection.execute(text("SELECT pg_advisory_xact_lock(:id)"), {"id": _ADVISORY_LOCK})
        except DBAPIError as error:
            if "lock timeout" in str(error.orig):
                raise MigrationFailed(_HELD) from error
            raise
        yield
    elif connection.dialect.name in _COMMITS_DDL:
        # The lock's name counts in the whole server and has at most 64 characters, so the database is in it, hashed.
        # DDL commits on its own here; a lock of the session outlives that.
        # And a table that somebody's open transaction holds is waited for as long as on PostgreSQL, not for a day.
        connection.execute(text(f"SET SESSION lock_wait_timeout = {LOCK_TIMEOUT}"))
        name = "asterisk-ai:" + hashlib.sha256(str(connection.engine.url.database).encode()).hexdigest()[:40]
        if connection.scalar(text("SELECT GET_LOCK(:name, :seconds)"), {"name": name, "seconds": LOCK_TIMEOUT}) != 1:
            raise MigrationFailed(_HELD)
        try:
            yield
        finally:
            if not connection.invalidated:
                connection.execute(text("SELECT RELEASE_LOCK(:name)"), {"name": name})
    else:
        # SQLite's exclusive transaction is lock enough; this begins it.
        connection.execute(text("SELECT 1"))
        yield


def _run(connection: Connection, action: Callable[[Config], None]) -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    action(config)
