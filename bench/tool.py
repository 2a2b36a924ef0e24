"""``python -m bench tool``: what a call of a tool costs beyond its HTTP request.

The same request is made in turns by the tools' executor, as the service opens it, and with aiohttp alone, over kept
connections to the same server: whatever else the machine does, it does to both. The tool has what tools may have: an
allow-list that is looked through, a login, a bound parameter, a selection, and a note for the history.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Final

import aiohttp
import orjson
import structlog
import uvloop
from rich.console import Console
from rich.table import Table

from app.tools.auth.definition import Secret
from app.tools.definition import CallContext, ToolDefinition
from app.tools.exchange import RequestNote
from app.tools.guard.own_ports import OwnPorts
from app.tools.guard.rules import Policy
from app.tools.opening import open_executor
from app.tools.validation import parse_definition
from bench.figures import Spread
from bench.processes import started
from lab.service import environment

TARGET_MS: Final = 3.0
_WARMING: Final = 200
_ENTRIES: Final = 17
_TOKEN: Final = "token-0123456789-abcdef"

Call = Callable[[], Awaitable[object]]


def measure_tool(folder: Path, calls: int, console: Console) -> int:
    """Measure with the event loop that the service runs on. Returns 1 when a call adds more than the target."""
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())  # who writes the log is measured elsewhere
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        figures = runner.run(_measure(folder, calls))
    table = Table(title=f"What a call of a tool costs beyond its HTTP request ({calls:,} each, in turns)")
    for name in ("", "p50 ms", "p95 ms", "p99 ms", "adds p50 ms", "ratio p50", "adds p99 ms"):
        table.add_column(name, justify="right")
    bare = figures["aiohttp alone"]
    for name, spread in figures.items():
        added = ("", "", "")
        if spread is not bare:
            added = (f"{spread.p50 - bare.p50:.3f}", f"{spread.p50 / bare.p50:.2f}", f"{spread.p99 - bare.p99:.3f}")
        table.add_row(name, *(f"{each:.3f}" for each in (spread.p50, spread.p95, spread.p99)), *added)
    console.print(table)
    return 1 if any(spread.p50 - bare.p50 > TARGET_MS for spread in figures.values()) else 0


async def _measure(folder: Path, calls: int) -> dict[str, Spread]:
    async with AsyncExitStack() as stack:
        server = started("tool", "bench.toolserver", folder=folder, env=environment({}), ready="listening on")
        child = await stack.enter_async_context(server)
        url = (await child.wait_for("listening on")).split()[-1]
        # The entry that opens it comes last, as it may.
        allowed = [*(f"10.0.{number}.0/24:443" for number in range(_ENTRIES)), url.partition("//")[2]]
        executor = open_executor(
            Policy.parse(allowed), own_ports=OwnPorts([8000]), secrets=lambda: {"bench": Secret(_TOKEN, 1)}
        )
        stack.push_async_callback(executor.aclose)
        session = await stack.enter_async_context(aiohttp.ClientSession(headers={"Authorization": f"Bearer {_TOKEN}"}))
        plain, full = _plain(url), _full(url)

        async def alone() -> object:
            async with session.get(f"{url}/orders/A1042") as response:
                return orjson.loads(await response.read())

        def through(tool: ToolDefinition) -> Call:
            async def call() -> object:
                context = CallContext("bench", {"CALLERID": "+4930123456"}, asyncio.get_running_loop().time() + 5)
                note = RequestNote(tool.request)
                result = await executor.run(tool, {"order_id": "A1042"}, context, observer=note)
                return result, note.request()

            return call

        ways = {"aiohttp alone": alone, "a plain tool": through(plain), "one with everything": through(full)}
        return await _in_turns(ways, calls)


async def _in_turns(ways: dict[str, Call], calls: int) -> dict[str, Spread]:
    times: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(calls + _WARMING):
        for name, call in ways.items():
            begun = time.perf_counter()
            await call()
            if number >= _WARMING:
                times[name].append((time.perf_counter() - begun) * 1000)
    return {name: Spread.of(values) for name, values in times.items()}


def _plain(url: str) -> ToolDefinition:
    return _tool(1, url, {})


def _full(url: str) -> ToolDefinition:
    return _tool(
        2,
        url,
        {
            "authorisation": {"type": "bearer", "token": "bench"},
            "bound": {"caller": "{{ call.CALLERID }}"},
            "result": {
                "select": "{state: status, id: order_id}",
                "template": "Order {{ result.id }}: {{ result.state }}",
            },
            "behaviour": {"retries": 2, "max_concurrent": 10, "per_minute": 0, "idempotency_header": "Idempotency-Key"},
        },
    )


def _tool(number: int, url: str, more: dict[str, Any]) -> ToolDefinition:
    text = {"type": "string", "maxLength": 40}
    properties = {"order_id": {**text, "pattern": "^[A-Z][0-9]{4}$"}, **({"caller": text} if "bound" in more else {})}
    parameters = {"type": "object", "properties": properties, "required": ["order_id"]}
    request = {"method": "GET", "url": f"{url}/orders/{{{{ order_id }}}}"}
    fields = {"name": f"look_up_{number}", "description": "Looks an order up.", "parameters": parameters}
    return parse_definition({**fields, "request": request, **more}, id=number, version=1)
