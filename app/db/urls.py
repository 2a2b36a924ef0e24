"""``DATABASE_URL``: what operators write, and what SQLAlchemy's asyncio engine needs."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from app.db.errors import DatabaseUrlInvalid

_DRIVERS: Final = {
    "sqlite": "sqlite+aiosqlite",
    "postgresql": "postgresql+asyncpg",
    "postgres": "postgresql+asyncpg",
    "mysql": "mysql+asyncmy",
    # One dialect for both: SQLAlchemy asks the server which of the two it is.
    "mariadb": "mysql+asyncmy",
}
_EXAMPLES: Final = (
    "Write it like sqlite:///./asterisk-ai.db, postgresql://user:password@host/database or "
    "mysql://user:password@host/database."
)


def async_url(text: str) -> URL:
    """``text`` with the asyncio driver for its database, whichever driver it names.

    ``sslmode`` is how libpq and everyone's notes call what asyncpg calls ``ssl``.

    Raises:
        DatabaseUrlInvalid: with what is wrong and how it is written; the URL itself is not repeated, as it may hold a
            password.
    """
    try:
        url = make_url(text.strip())
    except (ArgumentError, ValueError):
        raise DatabaseUrlInvalid(f"DATABASE_URL is not a database address. {_EXAMPLES}") from None
    backend = url.drivername.partition("+")[0].lower()
    driver = _DRIVERS.get(backend)
    if driver is None:
        raise DatabaseUrlInvalid(
            f"DATABASE_URL begins with {url.drivername}://; supported are SQLite, PostgreSQL, MySQL and MariaDB. "
            f"{_EXAMPLES}"
        )
    url = url.set(drivername=driver)
    if backend == "sqlite":
        return _checked_sqlite(url)
    if not url.database:
        raise DatabaseUrlInvalid(f"DATABASE_URL names no database after the host. {_EXAMPLES}")
    if driver.endswith("asyncpg") and "sslmode" in url.query:
        mode = url.query["sslmode"]
        url = url.difference_update_query(["sslmode"]).update_query_dict({"ssl": mode})
    if driver.endswith("asyncmy") and "charset" not in url.query:
        url = url.update_query_dict({"charset": "utf8mb4"})
    return url


def _checked_sqlite(url: URL) -> URL:
    if url.host:
        # sqlite://test.db reads "test.db" as a host; SQLAlchemy's own message does not say how to mend it.
        raise DatabaseUrlInvalid(
            "DATABASE_URL for SQLite needs three slashes before a relative path (sqlite:///./asterisk-ai.db) and four "
            "before an absolute one (sqlite:////var/lib/asterisk-ai/asterisk-ai.db)."
        )
    return url


def sqlite_path(url: URL) -> Path | None:
    """The file of a SQLite database, absolute; None for one in memory and for other databases."""
    if url.get_backend_name() != "sqlite" or url.database in (None, "", ":memory:"):
        return None
    assert url.database is not None
    if url.database.startswith("file:"):
        return None
    return Path(url.database).expanduser().resolve()


def describe_url(url: URL) -> str:
    """The database in words for logs and the status page: no password, no query."""
    backend = url.get_backend_name()
    if backend == "sqlite":
        path = sqlite_path(url)
        return f"SQLite, {path}" if path else "SQLite, in memory only"
    name = {"postgresql": "PostgreSQL", "mysql": "MySQL/MariaDB"}[backend]
    host = f"{url.host or 'local socket'}{f':{url.port}' if url.port else ''}"
    return f"{name}, database {url.database} at {host}"
