"""``asterisk-ai migrate``."""

from __future__ import annotations

from rich import print

from app.core.settings import Settings
from app.db.database import Database


async def run(settings: Settings) -> None:
    """Migrate the configured database and say what it is at."""
    database = Database(settings.database_url)
    try:
        report = await database.migrate()
    finally:
        await database.aclose()
    what = "created" if report.created else "up to date"
    print(f"{database.describe()} is {what}, at revision [bold]{report.revision}[/bold].")
