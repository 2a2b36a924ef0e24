"""The table for people, the targets, and the JSON for programs."""

from __future__ import annotations

import json
import platform
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.figures import Spread
from bench.measure import GATEWAY, YARDSTICK, Bench, Cell, merged, typical
from bench.workloads import SERIAL, Workload

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True, slots=True)
class Row:
    """One contender under one workload, its rounds together: medians over the rounds, except for what went wrong, which
    is added up, and the worst, which is the worst.

    Attributes:
        rounds: How many count: those in which nothing else used the machine, or all when there is none.
        disturbed: Whether something else used the machine in those that count.
        aside_calls, aside_failed, aside_lag_ms: Of the rounds that do not count. They are told, never hidden.
    """

    contender: str
    workload: Workload
    p50: float
    p95: float
    p99: float
    worst: float
    calls: int
    failed: int
    cpu_ms: float
    rss_mb: float
    lag_ms: float
    rate: float
    rounds: int = 1
    disturbed: bool = False
    aside_calls: int = 0
    aside_failed: int = 0
    aside_lag_ms: float = 0.0

    @classmethod
    def of(cls, contender: str, workload: Workload, measured: Sequence[Cell]) -> Row:
        """From the rounds' cells."""
        undisturbed = [cell for cell in measured if cell.undisturbed]
        cells = undisturbed or measured
        aside = [cell for cell in measured if cell not in cells]
        spreads = [Spread.of(cell.overheads) for cell in cells]
        return cls(
            contender=contender,
            workload=workload,
            p50=median(each.p50 for each in spreads),
            p95=median(each.p95 for each in spreads),
            p99=median(each.p99 for each in spreads),
            worst=max(each.worst for each in spreads),
            calls=sum(cell.workload.calls for cell in cells),
            failed=sum(cell.failed for cell in cells),
            cpu_ms=typical(cells, lambda cell: cell.cpu_ms),
            rss_mb=max(cell.rss_mb for cell in cells),
            lag_ms=max(cell.lag_ms for cell in cells),
            rate=typical(cells, lambda cell: cell.rate),
            rounds=len(cells),
            disturbed=not undisturbed,
            aside_calls=sum(cell.workload.calls for cell in aside),
            aside_failed=sum(cell.failed for cell in aside),
            aside_lag_ms=max((cell.lag_ms for cell in aside), default=0.0),
        )


@dataclass(frozen=True, slots=True)
class Target:
    """Something to reach, and what was measured of it; ``sure`` unless something else used the machine meanwhile."""

    name: str
    measured: str
    reached: bool
    sure: bool = True


def rows(bench: Bench) -> list[Row]:
    """All, in the order of the workloads and the contenders within."""
    found = [Row.of(name, workload, cells) for (name, workload), cells in merged(bench.cells).items()]
    workloads = list(dict.fromkeys(row.workload for row in found))
    return sorted(found, key=lambda row: workloads.index(row.workload))


def targets(table: Sequence[Row], idle: dict[str, float]) -> Iterator[Target]:
    """What issue and design ask for, as far as this run measured it."""
    by = {(row.contender, row.workload.rate, row.workload.model_ms, row.workload.tool): row for row in table}

    def pair(rate: float) -> tuple[Row | None, Row | None]:
        return by.get((GATEWAY, rate, 0, False)), by.get((YARDSTICK, rate, 0, False))

    for rate in (SERIAL, 50.0):
        ours, theirs = pair(rate)
        if ours and theirs:
            share, sure = ours.p50 / theirs.p50, not (ours.disturbed or theirs.disturbed)
            name = f"median overhead at most half of the yardstick's ({ours.workload.pace})"
            yield Target(name, f"{ours.p50:.1f} of {theirs.p50:.1f} ms: {share:.2f}", share <= 0.5, sure)
    ours, theirs = pair(50)
    if ours and theirs:
        share, sure = ours.p99 / theirs.p99, not (ours.disturbed or theirs.disturbed)
        name = "p99 at most a tenth of the yardstick's (50/s)"
        yield Target(name, f"{ours.p99:.1f} of {theirs.p99:.1f} ms: {share:.2f}", share <= 0.1, sure)
    fast = [row for row in table if row.contender == GATEWAY and row.workload.rate == 100]
    if fast:
        failed, calls = sum(row.failed for row in fast), sum(row.calls for row in fast)
        sure = not any(row.disturbed for row in fast)
        measured = f"{failed} of {calls} failed"
        if others := sum(row.aside_calls for row in fast):
            measured += f"; {sum(row.aside_failed for row in fast)} of {others} in disturbed rounds"
        yield Target("100 calls a second without a failed call", measured, failed == 0, sure)
    for rate in (SERIAL, 50.0):
        plain, tool = by.get((GATEWAY, rate, 0, False)), by.get((GATEWAY, rate, 0, True))
        if plain and tool:
            share, sure = tool.p50 / plain.p50, not (plain.disturbed or tool.disturbed)
            name = f"a turn with a tool call at most twice one without ({plain.workload.pace})"
            yield Target(name, f"{tool.p50:.1f} to {plain.p50:.1f} ms: {share:.2f}", share <= 2, sure)
    mine = [row for row in table if row.contender == GATEWAY]
    if mine:
        lag = max(row.lag_ms for row in mine)
        sure = not any(row.disturbed for row in mine)
        aside = max(row.aside_lag_ms for row in mine)
        measured = f"{lag:.0f} ms at most" + (f"; {aside:.0f} ms in disturbed rounds" if aside else "")
        yield Target("no stall of the event loop over 50 ms", measured, lag <= 50, sure)
    if GATEWAY in idle:
        yield Target("idle under 200 MB", f"{idle[GATEWAY]:.0f} MB", idle[GATEWAY] < 200)


def show(console: Console, bench: Bench) -> None:
    """Print both tables."""
    table = Table(title="Overhead of a turn: INVITE to answer, less the same call without AI, less the model's wait")
    table.add_column("calls")
    table.add_column("contender")
    for name in (
        "p50 ms",
        "p95",
        "p99",
        "worst",
        "CPU ms/turn",
        "RSS MB",
        "loop lag ms",
        "turns/s",
        "rounds",
        "failed",
    ):
        table.add_column(name, justify="right")
    workload: Workload | None = None
    for row in rows(bench):
        if workload is not None and row.workload != workload:
            table.add_section()
        first = row.workload != workload
        workload = row.workload
        table.add_row(
            f"{workload.pace}, {workload.kind}" if first else "",
            row.contender,
            *(f"{value:.1f}" for value in (row.p50, row.p95, row.p99, row.worst, row.cpu_ms)),
            f"{row.rss_mb:.0f}",
            f"{row.lag_ms:.0f}" if row.contender != YARDSTICK else "-",
            f"{row.rate:.1f}",
            f"{row.rounds}{'~' if row.disturbed else ''}",
            (f"[red]{row.failed}[/red] of {row.calls}" if row.failed else f"0 of {row.calls}")
            + (f" (aside {row.aside_failed} of {row.aside_calls})" if row.aside_failed else ""),
        )
    console.print(table)
    console.print("rounds: those that nothing else on the machine disturbed; ~: every one was disturbed", style="dim")
    for rate, times in _baselines(bench):
        spread = Spread.of(times)
        console.print(f"Without AI at {rate:g}/s: median {spread.p50:.1f} ms, p99 {spread.p99:.1f} ms", style="dim")
    console.print("Idle: " + ", ".join(f"{name} {mb:.0f} MB" for name, mb in bench.idle.items()), style="dim")
    found = list(targets(rows(bench), bench.idle))
    if found:
        goals = Table("to reach", "measured", "", title="Targets")
        for target in found:
            word = "[green]yes[/green]" if target.reached else "[red]no[/red]"
            goals.add_row(target.name, target.measured, word if target.sure else f"{word} ~")
        console.print(goals)


def save(bench: Bench, *, load_before: Sequence[float], load_after: Sequence[float], mode: str) -> Path:
    """Write everything to a file of ``bench/results`` that is named by the time; returns it."""
    now = datetime.now(UTC)
    content: dict[str, Any] = {
        "at": now.isoformat(timespec="seconds"),
        "mode": mode,
        "python": platform.python_version(),
        "load_average": {"before": list(load_before), "after": list(load_after)},
        "idle_mb": bench.idle,
        "targets": [asdict(target) for target in targets(rows(bench), bench.idle)],
        "baselines": [
            {"rate": rate, "p50": median(base.times), "calls": len(base.times)} for rate, base in bench.baselines
        ],
        "cells": [cell.record() for cell in bench.cells],
    }
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{now:%Y%m%d-%H%M%S}-{mode}.json"
    path.write_text(json.dumps(content, indent=1))
    return path


def _baselines(bench: Bench) -> list[tuple[float, list[float]]]:
    found: dict[float, list[float]] = {}
    for rate, baseline in bench.baselines:
        found.setdefault(rate, []).extend(baseline.times)
    return sorted(found.items())
