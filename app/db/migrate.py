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
# Seconds that an instance waits for another one's migration.
LOCK_TIMEOUT: Final = 60
# A number of our own for PostgreSQL's advisory lock; any would do, as long as all versions use the same.
_ADVISORY_LOCK: Final = 0x61_73_74_61_69


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
        if before is None and after == head_revision():
            # In the same transaction: an instance that dies here leaves an empty database, not an unfilled one.
            seed.fill(connection, service_url=service_url)
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
            async with connection.begin():
                return await connection.run_sync(lambda sync: _with_lock(sync, work))
    except CommandError as error:
        raise MigrationFailed(
            f"the database cannot be migrated: {error}. If a newer version of asterisk-ai has used it, install that "
            "version again, or restore the backup made before."
        ) from error
    except DBAPIError as error:
        if isinstance(error, OperationalError) or error.connection_invalidated:
            raise
        raise MigrationFailed(f"the database cannot be migrated: {error.orig}") from error


def _with_lock(connection: Connection, work: Callable[[Connection], R]) -> R:
    with _lock(connection):
        return work(connection)


@contextmanager
def _lock(connection: Connection) -> Iterator[None]:
    """Keep other instances out. SQLite's exclusive transaction does it already."""
    if connection.dialect.name == "postgresql":
        # Released with the transaction, which holds the tables too: PostgreSQL's DDL is transactional.
        connection.execute(text(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}s'"))
        connection.execute(text("SELECT pg_advisory_xact_lock(:id)"), {"id": _ADVISORY_LOCK})
        yield
    elif connection.dialect.name in ("mysql", "mariadb"):
        # The lock's name counts in the whole server and has at most 64 characters, so the database is in it, hashed.
        # DDL commits on its own here; a lock of the session outlives that.
        name = "asterisk-ai:" + hashlib.sha256(str(connection.engine.url.database).encode()).hexdigest()[:40]
        if connection.scalar(text("SELECT GET_LOCK(:name, :seconds)"), {"name": name, "seconds": LOCK_TIMEOUT}) != 1:
            raise MigrationFailed(
                f"another instance has been migrating the database for more than {LOCK_TIMEOUT} s; look at its log, "
                "and start this one again when it is done."
            )
        try:
            yield
        finally:
            if not connection.invalidated:
                connection.execute(text("SELECT RELEASE_LOCK(:name)"), {"name": name})
    else:
        yield


def _run(connection: Connection, action: Callable[[Config], None]) -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    action(config)
