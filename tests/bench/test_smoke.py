"""The benchmark itself runs: a handful of calls to the gateway and to the yardstick."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest

from lab.asterisk import Asterisk

_CHECKOUT = Path(__file__).resolve().parent.parent.parent


@pytest.mark.lab
@pytest.mark.slow
async def test_both_contenders_answer_a_handful_of_calls(asterisk: Asterisk) -> None:
    assert asterisk.http_port  # the fixture says what is missing when this machine cannot run the lab
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bench", "--smoke"),
        cwd=_CHECKOUT,
        env=dict(os.environ),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        output = (await process.communicate())[0].decode()
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()
    assert process.returncode == 0, output
    assert "gateway" in output
    assert "yardstick" in output
