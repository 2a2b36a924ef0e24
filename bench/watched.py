"""``python -m bench.watched``: the gateway as ``app.main`` starts it, which at SIGUSR2 also writes what it holds to the
file that ``BENCH_HELD`` names: tasks, and living objects by type, after a full collection."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import signal
from collections import Counter
from pathlib import Path
from types import FrameType

from app.main import main


def held() -> dict[str, dict[str, int]]:
    """What lives now. Call it inside the event loop's thread."""
    gc.collect()
    tasks = Counter(task.get_name().rstrip("0123456789-") for task in asyncio.all_tasks(asyncio.get_running_loop()))
    objects = Counter(f"{type(each).__module__}.{type(each).__qualname__}" for each in gc.get_objects())
    return {"tasks": dict(tasks), "objects": {name: count for name, count in objects.items() if count >= 20}}


def _write(_number: int, _frame: FrameType | None) -> None:
    path = Path(os.environ["BENCH_HELD"])
    beside = path.with_suffix(".part")
    beside.write_text(json.dumps(held()))
    beside.rename(path)


if __name__ == "__main__":
    signal.signal(signal.SIGUSR2, _write)
    main()
