"""The engine: pool, time limits and what SQLite must be told on every connection."""

from __future__ import annotations

import os
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import URL, Connection
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool, ConnectionPoolEntry

from app.db.errors import DatabaseUnavailable
from app.db.urls import sqlite_path

# Turns read from memory, so the pool serves the web interface and writers only.
POOL_SIZE = 5
POOL_OVERFLOW = 5
# Seconds. An operator who waits longer for a page than this is better told.
POOL_TIMEOUT = 5.0
CONNECT_TIMEOUT = 5
STATEMENT_TIMEOUT = 15
# Seconds after which a connection is replaced: less than the idle limits of common firewalls and of MySQL.
RECYCLE = 1_500
# The headers of tools may hold tokens, and errors are logged.
HIDE_PARAMETERS = True
# Seconds that a SQLite writer waits for another one.
SQLITE_LOCK_TIMEOUT = 5.0

# Execution option of a connection: how its next transaction begins on SQLite.
SQLITE_BEGIN = "sqlite_begin"


def make_engine(
    url: URL, *, statement_timeout: int = STATEMENT_TIMEOUT, lock_timeout: float = SQLITE_LOCK_TIMEOUT
) -> AsyncEngine:
    """An engine for ``url`` (from :func:`app.db.urls.async_url`). Connects to nothing yet; makes the directory of a
    SQLite file.

    Args:
        statement_timeout: Seconds for one statement; on SQLite nothing bounds one.
        lock_timeout: Seconds that a writer waits for another one, on SQLite.

    Raises:
        DatabaseUnavailable: the directory cannot be made.
    """
    backend = url.get_backend_name()
    if backend == "sqlite":
        return _sqlite_engine(url, lock_timeout)
    options: dict[str, Any]
    if backend == "postgresql":
        options = {"connect_args": {"timeout": CONNECT_TIMEOUT, "command_timeout": statement_timeout}}
    else:
        # Its default, REPEATABLE READ, would let a waiting writer go on with what it read before it waited.
        options = {
            "connect_args": {"connect_timeout": CONNECT_TIMEOUT, "read_timeout": statement_timeout},
            "isolation_level": "READ COMMITTED",
        }
    return create_async_engine(
        url,
        pool_size=POOL_SIZE,
        max_overflow=POOL_OVERFLOW,
        pool_timeout=POOL_TIMEOUT,
        pool_recycle=RECYCLE,
        pool_pre_ping=True,
        hide_parameters=HIDE_PARAMETERS,
        **options,
    )


def _sqlite_engine(url: URL, lock_timeout: float) -> AsyncEngine:
    path = sqlite_path(url)
    if path is not None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DatabaseUnavailable(
                f"the directory {path.parent} of the SQLite database cannot be made: {error.strerror}. "
                "Choose another path in DATABASE_URL, or create it and give it to the user that runs the service."
            ) from error
        url = url.set(database=str(path))
    # A database in memory lives as long as its one connection.
    size = (POOL_SIZE, POOL_OVERFLOW) if path is not None else (1, 0)
    engine = create_async_engine(
        url,
        poolclass=AsyncAdaptedQueuePool,
        pool_size=size[0],
        max_overflow=size[1],
        pool_timeout=POOL_TIMEOUT,
        # Transactions are ours: the driver's own begin only before a write, and never around DDL.
        connect_args={"isolation_level": None, "timeout": lock_timeout},
        hide_parameters=HIDE_PARAMETERS,
    )
    if path is not None:
        event.listen(engine.sync_engine, "do_connect", lambda *_: _make_private(path))
    event.listen(engine.sync_engine, "connect", partial(_on_sqlite_connect, lock_timeout))
    event.listen(engine.sync_engine, "begin", _on_sqlite_begin)
    return engine


def _make_private(path: Path) -> None:
    """Make the file before SQLite does, which would let every user of the machine read prompts and the tokens of tools.
    Its ``-wal`` and ``-shm`` take their mode from it; the mode of a file that is there is its owner's business."""
    with suppress(OSError):  # there already; or SQLite is about to say why not
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))


def _on_sqlite_connect(lock_timeout: float, connection: DBAPIConnection, _record: ConnectionPoolEntry) -> None:
    cursor = connection.cursor()
    try:
        # First, so that the next ones wait for another process instead of failing.
        cursor.execute(f"PRAGMA busy_timeout = {round(lock_timeout * 1000)}")
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.execute("PRAGMA journal_mode")
        mode = cursor.fetchone()
        if mode is not None and mode[0] not in ("wal", "memory"):
            # Readers do not wait for the writer. It is a property of the file, so one connection sets it for all.
            cursor.execute("PRAGMA journal_mode = WAL")
    finally:
        cursor.close()


def _on_sqlite_begin(connection: Connection) -> None:
    mode = connection.get_execution_options().get(SQLITE_BEGIN, "DEFERRED")
    connection.exec_driver_sql(f"BEGIN {mode}")
