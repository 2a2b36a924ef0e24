"""The command itself: quick to answer, and one line for a known error."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
import typer.main
from typer.testing import CliRunner

from app.cli.entry import cli

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
    for command in ("serve", "migrate", "doctor", "dialplan", "chat", "call", "prompts", "users"):
        assert command in result.stdout


def test_a_known_error_is_one_line() -> None:
    result = run("import sys; sys.argv[1:] = ['dialplan', '--human', 'a b']; from app.cli import main; main()")
    assert result.returncode == 1
    assert result.stderr == "asterisk-ai: --human 'a b': write an extension such as 200, or 200@context\n"


GROUPS = {"prompts export", "secrets list", "users list"}
COMMANDS = [*sorted(set(typer.main.get_group(cli).commands) - {each.split()[0] for each in GROUPS}), *sorted(GROUPS)]


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(("missing", "reason"), [("/nope", "there is no such file"), (".", "it is a folder")])
def test_a_settings_file_that_was_asked_for_must_be_there(command: str, missing: str, reason: str) -> None:
    arguments = ["PJSIP/100"] if command == "call" else []
    result = CliRunner().invoke(cli, [*command.split(), *arguments, "--env-file", missing])
    assert result.exit_code == 2
    assert result.stderr == f"asterisk-ai: --env-file {missing}: {reason}\n"
    assert result.stdout == ""
    assert not list(Path().iterdir()), "nothing was begun"


def test_a_settings_file_that_is_there_is_read_and_the_default_one_may_be_absent() -> None:
    assert CliRunner().invoke(cli, ["dialplan"]).exit_code == 0
    Path("desk.env").write_text("ASTERISK_APP_NAME=desk\n")
    result = CliRunner().invoke(cli, ["dialplan", "--env-file", "desk.env"])
    assert result.exit_code == 0
    assert "Stasis(desk," in result.stdout


def test_settings_may_come_out_of_a_pipe_or_from_nowhere() -> None:
    reading, writing = os.pipe()
    os.write(writing, b"ASTERISK_APP_NAME=desk\n")
    os.close(writing)
    result = CliRunner().invoke(cli, ["dialplan", "--env-file", f"/dev/fd/{reading}"])
    os.close(reading)
    assert "Stasis(desk," in result.stdout
    assert CliRunner().invoke(cli, ["dialplan", "--env-file", "/dev/null"]).exit_code == 0


def test_the_version_is_shown() -> None:
    result = CliRunner().invoke(cli, ["--version"])
    assert result.exit_code == 0
    assert result.stdout == f"asterisk-ai {version('asterisk-ai')}\n"
