"""``asterisk-ai migrate``."""

from __future__ import annotations

from rich.console import Console

from app.core.settings import Settings
from app.db.database import Database
from app.main import service_url


async def run(settings: Settings, console: Console) -> bool:
    """Migrate the configured database and say what it is at."""
    database = Database(settings.database_url)
    try:
        report = await database.migrate(service_url=service_url(settings))
    finally:
        await database.aclose()
    if report.created:
        what = "was made"
    elif report.previous == report.revision:
        what = "is up to date"
    else:
        what = f"was migrated from {report.previous}"
    console.print(f"{database.describe()} {what}; its tables are at {report.revision}.", markup=False)
    return True
