"""``python -m bench``: what the gateway costs, measured beside a straightforward variant. See docs/benchmark.md."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
import tempfile
from pathlib import Path

from rich.console import Console

from bench.contenders import ground
from bench.history import measure_history
from bench.leak import find_leaks
from bench.measure import Bench
from bench.pages import measure_pages
from bench.report import save, show
from bench.tool import measure_tool
from bench.volume import Volume
from bench.workloads import FULL, QUICK, SMOKE, Plan
from lab.errors import LabError

_PLANS = {"full": FULL, "quick": QUICK, "smoke": SMOKE}


async def _measure(plan: Plan, mode: str, patience: float, console: Console) -> int:
    before = os.getloadavg()
    # The console's status would redraw ten times a second beside what is measured.
    progress = (lambda text: console.print(text, style="dim")) if console.is_terminal else (lambda _text: None)
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        async with ground(Path(folder)) as servers:
            bench = Bench(servers, progress, patience=patience)
            await bench.run(plan)
    show(console, bench)
    path = save(bench, load_before=before, load_after=os.getloadavg(), mode=mode)
    console.print(
        f"Written to {path}. Load average {before[0]:.1f} before, {os.getloadavg()[0]:.1f} after.", style="dim"
    )
    return 1 if mode == "smoke" and any(cell.failed for cell in bench.cells) else 0


async def _leak(calls: int, console: Console) -> int:
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        async with ground(Path(folder)) as servers:
            return await find_leaks(servers, calls, console)


async def _history(console: Console) -> int:
    progress = (lambda text: console.print(text, style="dim")) if console.is_terminal else (lambda _text: None)
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        async with ground(Path(folder)) as servers:
            return await measure_history(servers, progress, console)


async def _pages(mode: str, console: Console) -> int:
    volume = Volume(turns=300, versions=60, tools=10) if mode == "smoke" else Volume()
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        return await measure_pages(Path(folder), volume, console)


def main() -> int:
    """Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "what",
        nargs="?",
        choices=("speed", "leak", "pages", "history", "tool"),
        default="speed",
        help="speed is the default",
    )
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", dest="mode", action="store_const", const="quick", help="under two minutes")
    size.add_argument("--smoke", dest="mode", action="store_const", const="smoke", help="a few calls: does it work?")
    parser.add_argument(
        "--patience", type=float, default=90.0, help="seconds to spend on waiting while others use the machine"
    )
    parser.add_argument("--calls", type=int, default=1_000, help="for leak")
    arguments = parser.parse_args()
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 160)
    mode = arguments.mode or "full"
    if arguments.what == "tool":
        with tempfile.TemporaryDirectory(prefix="bench-") as folder:
            return measure_tool(Path(folder), {"full": 5_000, "quick": 1_000, "smoke": 20}[mode], console)
    patience = 0.0 if mode == "smoke" else arguments.patience
    if arguments.what == "leak":
        work = _leak(arguments.calls, console)
    elif arguments.what == "pages":
        work = _pages(mode, console)
    elif arguments.what == "history":
        work = _history(console)
    else:
        work = _measure(_PLANS[mode], mode, patience, console)
    # Ended from outside, it still ends what it started: asyncio turns SIGINT into cancellation.
    signal.signal(signal.SIGTERM, lambda _number, _frame: signal.raise_signal(signal.SIGINT))
    try:
        return asyncio.run(work)
    except KeyboardInterrupt:
        return 130
    except LabError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
