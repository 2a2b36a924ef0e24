"""``python -m bench history``: what keeping the history adds to a turn, beside the same gateway without it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AsyncExitStack
from statistics import median

from rich.console import Console
from rich.table import Table

from bench.contenders import Ground, gateway
from bench.measure import Bench, Cell, Progress, merged
from bench.workloads import SERIAL, Workload

WITH, WITHOUT = "with_history", "without_history"
TARGET_MS = 1.0
_ROUNDS = 4
_WORKLOADS = (Workload(SERIAL, 50), Workload(50, 300))
_PATIENCE = 60.0


async def measure_history(ground: Ground, progress: Progress, console: Console) -> int:
    """Measure both in turns and compare the medians. Returns 1 when history adds more than the target."""
    bench = Bench(ground, progress, patience=_PATIENCE)
    async with AsyncExitStack() as stack:
        contenders = [
            await stack.enter_async_context(gateway(ground, WITH)),
            await stack.enter_async_context(gateway(ground, WITHOUT, settings={"HISTORY_DAYS": "0"})),
        ]
        await bench.compare(contenders, _WORKLOADS, _ROUNDS)
    cells = merged(bench.cells)
    table = Table(title="What the history adds to a turn (medians of all rounds' calls)")
    for name in ("calls", "with ms", "without ms", "adds ms", "ratio", "CPU with", "CPU without"):
        table.add_column(name, justify="right")
    late = False
    for workload in _WORKLOADS:
        kept, bare = cells[WITH, workload], cells[WITHOUT, workload]
        one, other = _median(kept), _median(bare)
        late = late or one - other > TARGET_MS
        table.add_row(
            f"{sum(cell.workload.calls for cell in kept)} {workload.pace}",
            *(f"{figure:.2f}" for figure in (one, other, one - other, one / other, _cpu(kept), _cpu(bare))),
        )
    console.print(table)
    failed = sum(cell.failed for cell in bench.cells)
    console.print(f"{failed} calls failed. CPU is that of the gateway, ms a turn.", style="dim")
    return 1 if late or failed else 0


def _median(cells: Sequence[Cell]) -> float:
    return median(each for cell in cells for each in cell.overheads)


def _cpu(cells: Sequence[Cell]) -> float:
    return median(cell.cpu_ms for cell in cells)
