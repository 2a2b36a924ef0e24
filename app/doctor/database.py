"""The database of prompts and tools."""

from __future__ import annotations

import os
from collections.abc import Sequence

from app.db.database import Database
from app.db.errors import DatabaseUnavailable, DatabaseUrlInvalid
from app.db.probe import DatabaseFacts, probe_database
from app.db.urls import async_url, sqlite_path
from app.doctor.check import Subject
from app.doctor.finding import Finding, fail, ok, warn


async def check_database(subject: Subject) -> Sequence[Finding]:
    """Connects and looks; creates neither a file nor a table."""
    url = subject.settings.database_url
    try:
        path = sqlite_path(async_url(url))
    except DatabaseUrlInvalid as error:
        return [fail("Database", str(error), "Set DATABASE_URL in .env.")]
    if path is not None and not path.exists():
        folder = path.parent
        while not folder.exists():
            folder = folder.parent
        if not os.access(folder, os.W_OK | os.X_OK):
            return [
                fail(
                    "Database",
                    f"{path} cannot be made: this user may not write to {folder}",
                    f"chown the folder to the user that runs the service: chown USER {folder}",
                )
            ]
        return [ok("Database", f"SQLite, {path}: made at the first start")]
    database = Database(url)
    try:
        facts = await probe_database(database)
        where = database.describe()
    except DatabaseUnavailable as error:
        return [
            fail("Database", str(error), "Check the server, and host, port, name, user and password in DATABASE_URL.")
        ]
    finally:
        await database.aclose()
    return [ok("Database", where), _migration(facts), _writes(facts)]


def _migration(facts: DatabaseFacts) -> Finding:
    title = "Database tables"
    if facts.current is None:
        return ok(title, "empty; the first start makes the tables")
    if not facts.known:
        return fail(
            title,
            f"the tables are at {facts.current}, which this version does not know: a newer one made them",
            "Install the newer version of asterisk-ai again, or restore the backup made before it.",
        )
    if facts.current != facts.newest:
        return warn(
            title,
            f"the tables are at {facts.current}, this version's are at {facts.newest}",
            "Make a backup; then: asterisk-ai migrate (or start the service, which does the same)",
        )
    return ok(title, f"at {facts.current}, the newest")


def _writes(facts: DatabaseFacts) -> Finding:
    if facts.write_error is None:
        return ok("Database writes", "yes")
    return fail(
        "Database writes",
        f"nothing can be written: {facts.write_error}",
        "Give the file and its folder to the user that runs the service, or the database's user the right to write.",
    )
