"""SIPp of the lab's root: runs a scenario against an Asterisk, and nothing of it outlives the call of ``run``."""

from __future__ import annotations

import asyncio
import itertools
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import quote_from_bytes

from lab.ports import free_port, give_back
from lab.process import Instance, leash
from lab.roots import FORKY, ensure

_SCENARIOS = Path(__file__).parent / "scenarios"

# Bytes of the caller's words in one header: percent-encoded at most three times as many, and one ${...} of the
# dialplan holds 4,095.
_WORDS_PER_HEADER = 1_200

# USER_INPUT grows header by header in the dialplan, and passes through one ${...} each time.
MAX_WORDS = 4_095 + _WORDS_PER_HEADER


class Callee(Protocol):
    """Whom to call: an ``Asterisk`` of this process, or one that runs elsewhere with the lab's dialplan."""

    @property
    def host(self) -> str:
        """Its address."""

    @property
    def sip_port(self) -> int:
        """Its UDP port for SIP."""


@dataclass(frozen=True, slots=True)
class Run:
    """What a SIPp left: its exit code, what it printed, and the files it wrote, by name."""

    code: int
    output: str
    files: Mapping[str, bytes]


class Sipp:
    """Runs SIPp in a folder of its own inside the root."""

    def __init__(self, callee: Callee) -> None:
        self._callee = callee
        self._instance = Instance(ensure(FORKY), "caller")
        self._numbers = itertools.count(1)

    def close(self) -> None:
        """Remove the folder."""
        self._instance.remove()

    async def run(
        self, scenario: str, extension: str, *options: str, values: Mapping[str, str], injection: str = ""
    ) -> Run:
        """Run a scenario of ``lab/scenarios`` to its end.

        Cancelled, it kills SIPp and waits for that; Asterisk then sees a caller who fell silent.

        Args:
            values: Fill the scenario's ``@NAME@`` placeholders.
            injection: Text of the file that ``[field0]`` and so on come from.
        """
        text = (_SCENARIOS / f"{scenario}.xml").read_text()
        for name, value in values.items():
            text = text.replace(f"@{name}@", value)
        number = next(self._numbers)
        folder = self._instance.folder / str(number)
        folder.mkdir()
        try:
            (folder / "scenario.xml").write_text(text)
            (folder / "values.csv").write_text(injection)
            injected = ["-inf", "values.csv"] if injection else []
            code, output = await self._execute(f"{self._instance.inside}/{number}", extension, *injected, *options)
            return Run(code, output, {path.name: path.read_bytes() for path in folder.iterdir()})
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    async def _execute(self, folder: str, extension: str, *options: str) -> tuple[int, str]:
        argv = ["sipp", f"{self._callee.host}:{self._callee.sip_port}", "-s", extension, "-sf", "scenario.xml"]
        port = free_port()
        # Room for a burst of texts while SIPp does not get to run; its own default is 64 kB.
        argv += ["-i", "127.0.0.1", "-p", str(port), "-nostdin", "-buff_size", "1000000"]
        # One message at a time: SIPp otherwise reads the next before the script has answered the last, and calls it
        # unexpected.
        argv += ["-max_recv_loops", "1", *options]
        root = self._instance.root
        process = await asyncio.create_subprocess_exec(
            *root.entry.command(root.path, leash(argv, "sipp.pid", cwd=folder)),
            stdin=asyncio.subprocess.PIPE,  # the leash
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            process_group=0,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            output = await process.stdout.read()
        finally:
            process.stdin.close()
            give_back(port)
            await process.wait()  # moments: the leash kills
        return process.returncode or 0, output.decode("utf-8", "replace")


def header_lines(values: Mapping[str, str | bytes | None]) -> str:
    """Headers for a scenario, those that are None left out. Values are percent-encoded."""
    lines = [f"      {name}: {encode(value)}" for name, value in values.items() if value is not None]
    # An empty line would end the headers.
    return "\n".join(lines) or "      X-Lab: 1"


def word_headers(say: str | bytes | None) -> list[str]:
    """The caller's words as one or more headers, in order.

    Raises:
        ValueError: More than ``MAX_WORDS`` bytes.
    """
    words = _bytes(say or b"")
    if len(words) > MAX_WORDS:
        raise ValueError(f"the dialplan of the lab takes at most {MAX_WORDS} bytes of words, not {len(words)}")
    parts = range(0, len(words), _WORDS_PER_HEADER)
    return [f"X-User-Input: {encode(words[start : start + _WORDS_PER_HEADER])}" for start in parts]


def encode(value: str | bytes) -> str:
    """Percent-encoded but for letters, digits and ``_.-~``: SIPp finds no keyword or separator of its own in it."""
    return quote_from_bytes(_bytes(value), safe="")


def _bytes(value: str | bytes) -> bytes:
    return value if isinstance(value, bytes) else value.encode("utf-8", "surrogateescape")
