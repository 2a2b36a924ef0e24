"""The command itself: quick to answer, and one line for a known error."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)


def test_help_loads_nothing_that_a_command_needs() -> None:
    result = run(
        "import sys; from app.cli.entry import cli\n"
        "try: cli(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'fastapi', 'pydantic', 'sqlalchemy', 'aiohttp', 'langchain_core', 'redis', 'structlog'}\n"
        "sys.exit(', '.join(sorted(heavy & set(sys.modules))) or 0)"
    )
    assert result.returncode == 0, f"loaded for --help: {result.stderr}"
    for command in ("serve", "migrate", "doctor", "dialplan", "chat", "call"):
        assert command in result.stdout


def test_a_known_error_is_one_line() -> None:
    result = run("import sys; sys.argv[1:] = ['dialplan', '--human', 'a b']; from app.cli import main; main()")
    assert result.returncode == 1
    assert result.stderr == "asterisk-ai: --human a b: write an extension such as 200, or 200@context\n"
