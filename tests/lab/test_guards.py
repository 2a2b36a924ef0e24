"""The guards against what a test leaves behind, tried on tests that leave something."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent.parent

CARELESS = """
import asyncio, subprocess

kept = []

async def test_leaves_a_task():
    kept.append(asyncio.create_task(asyncio.sleep(60), name="forgotten"))

async def test_tidies_its_task():
    task = asyncio.create_task(asyncio.sleep(60))
    await asyncio.sleep(0)
    task.cancel()

def test_leaves_a_child():
    child = subprocess.Popen(["sh", "-c", "echo up; read -r _"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    kept.append(child)
    child.stdout.readline()  # the kernel shows the command line of a process only some moments after its start

def test_leaves_a_zombie():
    kept.append(subprocess.Popen(["true"]))

def test_tidies_its_child():
    subprocess.run(["true"], check=True)
"""


def test_a_test_that_leaves_a_task_or_a_child_fails(tmp_path: Path) -> None:
    (tmp_path / "test_careless.py").write_text(CARELESS)
    (tmp_path / "pytest.ini").write_text("[pytest]\nasyncio_mode = auto\n")
    result = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "tests.fixtures.leaks", "-p", "no:cacheprovider", "-rA", str(tmp_path)],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    outcome = {
        line.split("::")[1].split()[0]: line.split()[0]
        for line in result.stdout.splitlines()
        if line.startswith(("PASSED", "ERROR", "FAILED")) and "::" in line
    }
    assert outcome == {
        "test_leaves_a_task": "ERROR",
        "test_tidies_its_task": "PASSED",
        "test_leaves_a_child": "ERROR",
        "test_leaves_a_zombie": "ERROR",
        "test_tidies_its_child": "PASSED",
    }, result.stdout
    assert "forgotten" in result.stdout
    assert "(sh -c echo up" in result.stdout, [line for line in result.stdout.splitlines() if "behind" in line]
