"""Many calls one after another, and what they leave behind: tasks, channels, files, objects, memory."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.contenders import Contender, Ground, gateway
from bench.figures import slope
from bench.vitals import open_files, rss_mb
from bench.workloads import Workload
from lab.caller import End
from lab.errors import LabFailed

# A call takes some 40 ms, so that each has ended before the next begins.
_RATE = 20.0

# Conversations come again, as callers do. What is kept of them is bounded and no leak: with so few turns they are full
# before the first look. Their number shares no divisor with that of the kinds, so each has calls of every kind.
_CONVERSATIONS = 21
_TURNS = 3

_KINDS = (
    Workload(_RATE, 1).words,
    Workload(_RATE, 1, tool=True).words,
    "stub:status=500",
    "stub:fault=half",
    "stub:fault=nonsense",
)

# After each batch, callers who hang up while the model still thinks.
_IMPATIENT = 3

# RSS that a thousand calls may add before it is called growth: the allocator's own play, see docs/benchmark.md.
_PLAY_MB = 3.0


@dataclass(frozen=True, slots=True)
class Held:
    """What is there after some calls."""

    calls: int
    tasks: dict[str, int]
    channels: int
    files: int
    rss_mb: float
    objects: dict[str, int]


async def find_leaks(ground: Ground, calls: int, console: Console) -> int:
    """Place the calls in ten batches and look after each. Returns 1 when something was left behind."""
    file = ground.folder / "held.json"
    settings = {"BENCH_HELD": str(file), "AI_MEMORY_MAX_TURNS": str(_TURNS)}
    async with gateway(ground, "watched", settings=settings, redis=True, module="bench.watched") as contender:
        await ground.direct_calls_to(contender.app)
        # What is made once and kept: connections, graphs, the conversations.
        await _calls(ground, max(100, calls // 4))
        seen = [await _look(ground, contender, file, 0)]
        for batch in range(1, 11):
            await _calls(ground, calls // 10)
            seen.append(await _look(ground, contender, file, batch * (calls // 10)))
            console.print(f"{seen[-1].calls} calls: {seen[-1].rss_mb:.1f} MB", style="dim")
    _show(console, seen)
    found = list(complaints(seen))
    for complaint in found:
        console.print(f"[red]{complaint}[/red]")
    if not found:
        console.print("[green]Nothing was left behind.[/green]")
    return 1 if found else 0


def complaints(seen: list[Held]) -> Iterator[str]:
    """What was left behind, as sentences."""
    first, last = seen[0], seen[-1]
    more = {name: count - first.tasks.get(name, 0) for name, count in last.tasks.items()}
    if any(count > 0 for count in more.values()):
        yield f"tasks: {', '.join(f'{count} more of {name}' for name, count in more.items() if count > 0)}"
    if last.channels:
        yield f"{last.channels} channels are still in Asterisk"
    if last.files > first.files + 2:  # a connection may be between two states
        yield f"{last.files - first.files} more open files"
    growth = slope([(each.calls, each.rss_mb) for each in seen[len(seen) // 2 :]]) * 1_000
    if growth > _PLAY_MB:
        yield f"memory grows by {growth:.1f} MB for each 1,000 calls"
    for name, count in _grown(first, last):
        if count > (last.calls - first.calls) // 4:
            yield f"objects: {count} more of {name}"


def _grown(first: Held, last: Held) -> list[tuple[str, int]]:
    more = [(name, count - first.objects.get(name, 0)) for name, count in last.objects.items()]
    return sorted((each for each in more if each[1] > 0), key=lambda each: -each[1])


def _show(console: Console, seen: list[Held]) -> None:
    table = Table("calls", "tasks", "channels", "files", "RSS MB", "objects", title="What is left after the calls")
    for each in (seen[0], seen[len(seen) // 2], seen[-1]):
        values = (each.calls, sum(each.tasks.values()), each.channels, each.files, f"{each.rss_mb:.1f}")
        table.add_row(*map(str, values), str(sum(each.objects.values())))
    console.print(table)
    most = _grown(seen[0], seen[-1])[:8]
    console.print("Objects that became more: " + (", ".join(f"{name} {n}" for name, n in most) or "none"), style="dim")


async def _calls(ground: Ground, count: int) -> None:
    names = [f"leak-{number}" for number in range(_CONVERSATIONS)]
    await ground.caller.load("100", rate=_RATE, calls=count, say=_KINDS, conversations=names)
    impatient = [ground.caller.call("100", say="stub:delay=5s", hangup_after=0.3) for _ in range(_IMPATIENT)]
    for result in await asyncio.gather(*impatient):
        if result.end is not End.HUNG_UP:
            raise LabFailed(f"a caller who should hang up did not: {result.end}\n{result.log[-2000:]}")


async def _look(ground: Ground, contender: Contender, file: Path, calls: int) -> Held:
    await asyncio.sleep(1)
    held = await asyncio.to_thread(_ask, contender.child.pid, file)
    channels = await asyncio.to_thread(ground.asterisk.channels)
    pid = contender.child.pid
    return Held(calls, held["tasks"], channels, open_files(pid), rss_mb(pid), held["objects"])


def _ask(pid: int, file: Path) -> dict[str, dict[str, int]]:
    """What ``bench.watched`` says it holds."""
    file.unlink(missing_ok=True)
    os.kill(pid, signal.SIGUSR2)
    deadline = time.monotonic() + 20
    while not file.exists():
        if time.monotonic() > deadline:
            raise LabFailed("the gateway did not say within 20 s what it holds")
        time.sleep(0.05)
    found: dict[str, dict[str, int]] = json.loads(file.read_text())
    return found
