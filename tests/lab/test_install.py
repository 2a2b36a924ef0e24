"""scripts/install on environments that broke, with a Python that only notes what it is asked for."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parent.parent.parent

# Stands for the machine's Python and for the environment's: "-m venv" makes an environment of itself.
PYTHON = """#!/bin/sh
echo "$0 $*" >>"$NOTES"
case "$*" in
"-m venv"*) rm -rf .venv && mkdir -p .venv/bin && cp "$0" .venv/bin/python ;;
esac
"""
OLD = """#!/bin/sh
case "$1" in -c) exit 1 ;; esac
"""
WITHOUT_PIP = """#!/bin/sh
case "$*" in "-m pip"*) exit 1 ;; esac
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts" / "install").write_text((CHECKOUT / "scripts" / "install").read_text())
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    _program(tmp_path / "python3", PYTHON)
    return tmp_path


@pytest.mark.parametrize("broken", ["without pip", "python is gone", "too old", "nothing in it"])
def test_an_environment_that_broke_is_made_anew(checkout: Path, broken: str) -> None:
    python = checkout / ".venv" / "bin" / "python"
    match broken:
        case "without pip":
            _program(python, WITHOUT_PIP)
        case "too old":
            _program(python, OLD)
        case "python is gone":
            python.symlink_to("/nowhere/python3")
    assert any("-m venv --clear .venv" in note for note in _install(checkout))


def test_one_that_is_whole_is_kept(checkout: Path) -> None:
    _program(checkout / ".venv" / "bin" / "python", PYTHON)
    notes = _install(checkout)
    assert not any("-m venv" in note for note in notes)
    assert any("-m pip install" in note and "--require-hashes" in note for note in notes)


def _program(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)


def _install(checkout: Path) -> list[str]:
    notes = checkout / "notes"
    result = subprocess.run(
        ["bash", "scripts/install"],
        cwd=checkout,
        env={**os.environ, "PYTHON": str(checkout / "python3"), "NOTES": str(notes)},
        capture_output=True,
        text=True,
        check=False,
        timeout=20,
    )
    assert result.returncode == 0, result.stderr
    assert "about a minute" in result.stdout
    return notes.read_text().splitlines()
