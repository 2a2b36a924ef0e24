"""``python -m bench pages``: how long the web interface and the API take with two months of calls in the database."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

import aiohttp
from rich.console import Console
from rich.table import Table

from app.db.database import Database
from bench.addresses import FLOOR, SECRET, addresses
from bench.report import RESULTS
from bench.volume import DAYS, Volume, fill
from lab.errors import LabFailed
from lab.servers import Postgres
from lab.service import run_service

TARGET_MS = 200.0
_PASSWORD = "only-for-measuring"
_WARM, _TIMES = 2, 15


@dataclass(frozen=True, slots=True)
class Timed:
    """One address on one database, milliseconds at the client.

    Attributes:
        first: Of the very first request, for which nothing is in memory: neither templates nor what pages share for
            some seconds.
    """

    database: str
    address: str
    first: float
    median: float
    worst: float
    kilobytes: float


async def measure_pages(folder: Path, volume: Volume, console: Console) -> int:
    """Fill an SQLite file and a PostgreSQL database, run the service on each, ask. Returns 1 when a page missed the
    target.

    Args:
        folder: An absolute path, for the databases and the service.
    """
    before = os.getloadavg()
    timed: list[Timed] = []
    for kind in ("sqlite", "postgresql"):
        async with _database(kind, folder) as url:
            begun = time.monotonic()
            await _fill(url, volume)
            console.print(f"{kind}: filled in {time.monotonic() - begun:.0f} s", style="dim")
            timed += await _ask(kind, url, folder / kind, volume)
    _show(timed, console)
    load = os.getloadavg()
    console.print(f"Load average {before[0]:.1f} before, {load[0]:.1f} after.", style="dim")
    path = RESULTS / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-pages.json"
    report = {
        "volume": asdict(volume),
        "load_before": before,
        "load_after": load,
        "pages": [asdict(each) for each in timed],
    }
    path.write_text(json.dumps(report, indent=1) + "\n")
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
        made = {
            "user_id": await _make(http, f"{service.url}/api/users", {"name": "ann", "password": _PASSWORD}),
            "token_id": await _make(http, f"{service.url}/api/tokens", {"name": "deploy"}),
        }
        await _store_secret(http, f"{service.url}/api/secrets")
        await _register_server(http, f"{service.url}/api/mcp/servers")
        asked = addresses(datetime.now(UTC), volume, made)
        return [await _time(http, kind, service.url, address) for address in asked]


async def _make(http: aiohttp.ClientSession, url: str, body: Mapping[str, str]) -> int:
    async with http.post(url, json={**body, "role": "editor"}) as answer:
        if answer.status != 201:
            raise LabFailed(f"{url} answered {answer.status}: {await answer.text()}")
        return int((await answer.json())["id"])


async def _store_secret(http: aiohttp.ClientSession, url: str) -> None:
    body = {"name": SECRET, "value": "only-an-example", "servers": ["https://api.example.com"]}
    async with http.post(url, json=body) as answer:
        if answer.status != 201:
            raise LabFailed(f"{url} answered {answer.status}: {await answer.text()}")


async def _register_server(http: aiohttp.ClientSession, url: str) -> None:
    async with http.post(url, json={"name": "store", "url": "https://mcp.example.com/mcp"}) as answer:
        if answer.status != 201:
            raise LabFailed(f"{url} answered {answer.status}: {await answer.text()}")


async def _time(http: aiohttp.ClientSession, kind: str, url: str, address: str) -> Timed:
    times, size = [], 0
    for _ in range(_WARM + _TIMES):
        begun = time.perf_counter()
        async with http.get(url + address, allow_redirects=False) as answer:
            size = len(await answer.read())
            if answer.status not in (200, 303):
                raise LabFailed(f"{address} answered {answer.status}")
        times.append((time.perf_counter() - begun) * 1_000)
    first, warm = times[0], times[_WARM:]
    return Timed(kind, address, *(round(each, 1) for each in (first, median(warm), max(warm), size / 1_000)))


def _show(timed: list[Timed], console: Console) -> None:
    floors = {each.database: each.median for each in timed if each.address == FLOOR}
    table = Table(title=f"Pages and lists (target {TARGET_MS:.0f} ms; {_TIMES} requests each, one by one)")
    for name in ("database", "address", "first ms", "median ms", "worst ms", f"times {FLOOR}", "kB"):
        table.add_column(name, justify="left" if name in ("database", "address") else "right")
    for each in timed:
        late = "red" if each.median > TARGET_MS else None
        ratio = f"{each.median / floors[each.database]:.0f}"
        figures = (f"{each.first:.1f}", f"{each.median:.1f}", f"{each.worst:.1f}", ratio, f"{each.kilobytes:.0f}")
        table.add_row(each.database, each.address, *figures, style=late)
    console.print(table)
