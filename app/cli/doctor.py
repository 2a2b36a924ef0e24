"""``asterisk-ai doctor``: the findings of :mod:`app.doctor`, for a terminal or as JSON."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Final

import msgspec
from rich.console import Console
from rich.text import Text

from app.core.errors import SettingsError
from app.core.logging import configure_logging
from app.core.settings import load_settings
from app.doctor.check import Subject
from app.doctor.finding import Finding, Level
from app.doctor.run import examine
from app.doctor.settings import unreadable

# Exit codes.
FINE: Final = 0
FAILED: Final = 1
UNREADABLE: Final = 2

_MARKS: Final = {
    Level.OK: ("ok  ", "green"),
    Level.WARN: ("warn", "yellow"),
    Level.FAIL: ("FAIL", "bold red"),
    Level.SKIP: ("skip", "dim"),
}


def run(env_file: Path, *, online: bool, as_json: bool, asterisk_config: Path) -> int:
    """Examine, print, and return the exit code: 0 nothing fails, 1 something does, 2 the settings cannot be read."""
    env = env_file if env_file.is_file() else None
    try:
        settings = load_settings(env_file)
    except SettingsError as error:
        show(unreadable(error, env), as_json=as_json)
        return UNREADABLE
    # What a check meets becomes a finding; the same again as a log line would only be in the way.
    writer = configure_logging(
        level="debug" if settings.debug_mode else "critical",
        secrets=[secret.get_secret_value() for secret in settings.secrets()],
    )
    try:
        findings = asyncio.run(examine(Subject(settings, env_file, online, asterisk_config)))
    finally:
        writer.close()
    show(findings, as_json=as_json)
    return FAILED if _count(findings, Level.FAIL) else FINE


def show(findings: Sequence[Finding], *, as_json: bool) -> None:
    """Print the findings: one line what it is, one line what to do."""
    if as_json:
        document = {"ok": not _count(findings, Level.FAIL), "findings": [asdict(finding) for finding in findings]}
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(document)).decode() + "\n")
        return
    console = Console(highlight=False, soft_wrap=True)
    for finding in findings:
        mark, style = _MARKS[finding.level]
        line = Text.assemble((mark, style), "  ", (finding.title, "bold"))
        console.print(line.append(f": {finding.detail}" if finding.detail else ""))
        if finding.remedy:
            console.print(Text(f"      -> {finding.remedy}", style="cyan"))
    console.print()
    failed, warned = _count(findings, Level.FAIL), _count(findings, Level.WARN)
    if failed:
        console.print(f"{_number(failed, 'thing')} to mend before calls can be served well.", style="bold red")
    elif warned:
        console.print(f"Nothing fails; {_number(warned, 'remark')}.", style="yellow")
    else:
        console.print("All is well.", style="green")


def _count(findings: Sequence[Finding], level: Level) -> int:
    return sum(finding.level is level for finding in findings)


def _number(count: int, word: str) -> str:
    return f"{count} {word}{'' if count == 1 else 's'}"
