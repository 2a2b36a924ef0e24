"""Processes that the benchmark starts: their output goes to a file, so that nobody's CPU goes into reading it."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from lab.errors import LabFailed
from lab.roots import tail

_CHECKOUT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class Started:
    """A running process and the file that it writes to."""

    process: asyncio.subprocess.Process
    output: Path

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.process.pid

    async def wait_for(self, text: str, timeout: float = 60) -> str:
        """The first line of its output that holds ``text``.

        Raises:
            LabFailed: It ended before, or ``timeout`` seconds passed; with the end of its output.
        """
        try:
            async with asyncio.timeout(timeout):
                while True:
                    for line in self.output.read_text(errors="replace").splitlines():
                        if text in line:
                            return line
                    if self.process.returncode is not None:
                        raise LabFailed(f"{self.output.stem} ended before {text!r}:\n{tail(self.output)}")
                    await asyncio.sleep(0.02)
        except TimeoutError:
            raise LabFailed(f"{self.output.stem}: no {text!r} in {timeout:g} s:\n{tail(self.output)}") from None


@asynccontextmanager
async def started(
    name: str, module: str, *arguments: str, folder: Path, env: Mapping[str, str], ready: str
) -> AsyncIterator[Started]:
    """Run ``python -m module`` in ``folder`` until the block ends: SIGTERM, and SIGKILL if that does not end it.

    Args:
        ready: Text of its output that says it can be used.
    """
    output = _output(folder, name)
    with output.open("wb") as file:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            module,
            *arguments,
            cwd=folder,
            env={**env, "PYTHONPATH": str(_CHECKOUT)},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            start_new_session=True,
        )
    child = Started(process, output)
    try:
        await child.wait_for(ready)
        yield child
    finally:
        await asyncio.shield(_stop(process))


def _output(folder: Path, name: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{name}.log"


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.terminate()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), 15)
    if process.returncode is None:
        process.kill()
        await process.wait()
