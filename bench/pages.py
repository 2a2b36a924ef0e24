"""``python -m bench pages``: how long the web interface and the API take with two months of calls in the database."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median

import aiohttp
from rich.console import Console
from rich.table import Table

from app.db.database import Database
from bench.report import RESULTS
from bench.volume import DAYS, Volume, fill
from lab.errors import LabFailed
from lab.servers import Postgres
from lab.service import run_service

TARGET_MS = 200.0
_PASSWORD = "only-for-measuring"
_WARM, _TIMES = 2, 15

# The floor: a login, and an answer that needs nothing.
FLOOR = "/api/me"


def addresses(now: datetime, volume: Volume) -> list[str]:
    """What is asked for: every page and every list, as people come upon them, and the filters that cost most."""
    since = (now - timedelta(days=DAYS)).strftime("%Y-%m-%dT%H:%M:%SZ")
    conversation = max(1, volume.turns // 4)
    far = volume.turns // 4 // 50 + 1
    return [
        FLOOR,
        "/ui",
        "/ui/start",
        "/ui/calls",
        f"/ui/calls?page={far}",
        "/ui/calls?status=TIMEOUT",
        "/ui/calls?text=broken+chair",
        "/ui/calls?tool=look_up_7",
        "/ui/calls?number=1234",
        f"/ui/calls/{conversation}",
        "/ui/calls/live",
        "/ui/prompts",
        "/ui/prompts/new",
        "/ui/prompts/2",
        "/ui/prompts/2/versions",
        "/ui/prompts/2/versions/2",
        "/ui/prompts/2/compare?left=1&right=2",
        "/ui/prompts/3/delete",
        "/ui/prompts/import",
        "/ui/tools",
        "/ui/tools/new",
        "/ui/tools/2",
        "/ui/tools/2/versions",
        "/ui/tools/2/delete",
        "/ui/tools/import",
        "/ui/playground",
        "/ui/replay",
        f"/ui/replay?conversation={conversation}",
        "/ui/users",
        "/ui/account",
        "/ui/audit",
        "/ui/settings",
        "/api/status",
        "/api/prompts",
        "/api/prompts/2",
        "/api/prompts/2/versions",
        "/api/prompts/2/usage",
        "/api/tools",
        "/api/tools/2/usage",
        "/api/calls",
        f"/api/calls?offset={volume.turns // 4}",
        "/api/calls?text=broken+chair",
        "/api/calls/turns",
        "/api/calls/turns?sort=-latency_ms",
        f"/api/calls/{conversation}",
        f"/api/calls/stats?from={since}",
        "/api/audit",
        "/openapi.json",
    ]


@dataclass(frozen=True, slots=True)
class Timed:
    """One address on one database, milliseconds at the client."""

    database: str
    address: str
    median: float
    worst: float
    kilobytes: float


async def measure_pages(folder: Path, volume: Volume, console: Console) -> int:
    """Fill an SQLite file and a PostgreSQL database, run the service on each, ask. Returns 1 when a page missed the
    target.

    Args:
        folder: An absolute path, for the databases and the service.
    """
    timed: list[Timed] = []
    for kind in ("sqlite", "postgresql"):
        async with _database(kind, folder) as url:
            begun = time.monotonic()
            await _fill(url, volume)
            console.print(f"{kind}: filled in {time.monotonic() - begun:.0f} s", style="dim")
            timed += await _ask(kind, url, folder / kind, volume)
    _show(timed, console)
    path = RESULTS / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-pages.json"
    path.write_text(json.dumps({"volume": asdict(volume), "pages": [asdict(each) for each in timed]}, indent=1) + "\n")
    console.print(f"Written to {path}.", style="dim")
    return 1 if any(each.median > TARGET_MS for each in timed) else 0


@asynccontextmanager
async def _database(kind: str, folder: Path) -> AsyncIterator[str]:
    if kind == "sqlite":
        yield f"sqlite:///{folder}/pages.db"
        return
    server = Postgres()
    await asyncio.to_thread(server.start)
    try:
        yield server.fresh()
    finally:
        await asyncio.to_thread(server.stop)


async def _fill(url: str, volume: Volume) -> None:
    database = Database(url)
    try:
        await database.migrate()
        await fill(database, volume)
    finally:
        await database.aclose()


async def _ask(kind: str, url: str, folder: Path, volume: Volume) -> list[Timed]:
    settings = {"DATABASE_URL": url, "WEB_UI_PASSWORD": _PASSWORD, "HISTORY_DAYS": str(2 * DAYS)}
    login = {"Authorization": aiohttp.encode_basic_auth("admin", _PASSWORD)}
    async with (
        run_service(folder, settings) as service,
        aiohttp.ClientSession(headers=login, auto_decompress=False) as http,
    ):
        return [await _time(http, kind, service.url, address) for address in addresses(datetime.now(UTC), volume)]


async def _time(http: aiohttp.ClientSession, kind: str, url: str, address: str) -> Timed:
    times, size = [], 0
    for number in range(_WARM + _TIMES):
        begun = time.perf_counter()
        async with http.get(url + address, allow_redirects=False) as answer:
            size = len(await answer.read())
            if answer.status != 200:
                raise LabFailed(f"{address} answered {answer.status}")
        if number >= _WARM:
            times.append((time.perf_counter() - begun) * 1_000)
    return Timed(kind, address, round(median(times), 1), round(max(times), 1), round(size / 1_000, 1))


def _show(timed: list[Timed], console: Console) -> None:
    floors = {each.database: each.median for each in timed if each.address == FLOOR}
    table = Table(title=f"Pages and lists (target {TARGET_MS:.0f} ms; {_TIMES} requests each, one by one)")
    for name in ("database", "address", "median ms", "worst ms", f"times {FLOOR}", "kB"):
        table.add_column(name, justify="left" if name in ("database", "address") else "right")
    for each in timed:
        late = "red" if each.median > TARGET_MS else None
        ratio = f"{each.median / floors[each.database]:.0f}"
        figures = (f"{each.median:.1f}", f"{each.worst:.1f}", ratio, f"{each.kilobytes:.0f}")
        table.add_row(each.database, each.address, *figures, style=late)
    console.print(table)
