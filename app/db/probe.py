"""One look at the database, for ``asterisk-ai doctor``: nothing is migrated, and nothing stays written."""

from __future__ import annotations

from dataclasses import dataclass

from alembic.script import ScriptDirectory
from sqlalchemy import text, update
from sqlalchemy.exc import DBAPIError

from app.db.database import Database
from app.db.errors import DatabaseError
from app.db.migrate import MIGRATIONS, current_revision
from app.models.revision import RevisionRow


@dataclass(frozen=True, slots=True)
class DatabaseFacts:
    """How the database is.

    Attributes:
        current: The migration that its tables are at; None: there are none yet.
        known: This version of the service has that migration.
        newest: The newest migration of this version.
        write_error: Why nothing can be written; None when it can.
    """

    current: str | None
    known: bool
    newest: str
    write_error: str | None


async def probe_database(database: Database) -> DatabaseFacts:
    """Connect, read the migration, and try a write that is taken back.

    Raises:
        DatabaseUnavailable: no connection.
    """
    async with database.session() as session:
        current = await (await session.connection()).run_sync(current_revision)
    scripts = ScriptDirectory(str(MIGRATIONS))
    names = {script.revision for script in scripts.walk_revisions()}
    return DatabaseFacts(
        current=current,
        known=current is None or current in names,
        newest=scripts.get_current_head() or "",
        write_error=await _write_error(database, empty=current is None),
    )


async def _write_error(database: Database, *, empty: bool) -> str | None:
    try:
        async with database.session() as session:
            if empty:
                # MySQL commits at once at each of these, so rolling back would not do.
                await session.execute(text("CREATE TABLE asterisk_ai_probe (n INTEGER)"))
                await session.execute(text("DROP TABLE asterisk_ai_probe"))
            else:
                await session.execute(update(RevisionRow).values(number=RevisionRow.number))
                await session.rollback()
    except (DatabaseError, DBAPIError) as error:
        return " ".join(str(getattr(error, "orig", None) or error).split())[:300]
    return None
