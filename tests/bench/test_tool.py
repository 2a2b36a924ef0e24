"""The measurement of a tool's cost runs, and its exit code judges."""

from __future__ import annotations

import subprocess
import sys


def test_a_few_calls_are_measured() -> None:
    command = [sys.executable, "-m", "bench", "tool", "--smoke"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    for name in ("aiohttp alone", "a plain tool", "one with everything"):
        assert name in done.stdout
