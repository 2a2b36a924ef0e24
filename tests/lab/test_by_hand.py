"""What people type, and what the lab tells them to type."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lab.__main__ import cli
from lab.asterisk import Asterisk
from lab.commands import lab_command
from lab.demo import WEB_PORT, own_folder, summary, web_port
from lab.entry import Entry, Way
from lab.running import Running


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty folder for the lab."""
    monkeypatch.setenv("ASTERISK_AI_LAB", str(tmp_path))
    return tmp_path


@pytest.fixture
def others() -> Iterator[list[int]]:
    """Ids of two other processes that live."""
    sleepers = [subprocess.Popen(["sleep", "60"]) for _ in range(2)]
    yield [sleeper.pid for sleeper in sleepers]
    for sleeper in sleepers:
        sleeper.kill()
        sleeper.wait()


def _dead() -> int:
    with subprocess.Popen(["true"]) as process:
        pass
    return process.pid


def _leave(pid: int, sip_port: int, age: float = 0) -> Path:
    place = Running.file("forky", pid)
    place.write_text(f'{{"host": "127.0.0.1", "sip_port": {sip_port}}}')
    os.utime(place, (1_700_000_000 - age,) * 2)
    return place


def test_a_command_can_be_pasted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / ".venv/bin/python"))
    monkeypatch.chdir(tmp_path)
    assert lab_command("call", "100", "Hello?") == ".venv/bin/python -m lab call 100 'Hello?'"
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert lab_command("up") == f"{tmp_path}/.venv/bin/python -m lab up"


def test_the_newest_living_lab_is_called(folder: Path, others: list[int]) -> None:
    _leave(others[0], 1000, age=5)
    _leave(others[1], 2000)
    dead = _leave(_dead(), 3000)
    assert [running.sip_port for running in Running.living()] == [2000, 1000]
    assert not dead.exists()
    assert Running.living("bullseye") == []


def test_a_lab_that_ends_leaves_the_others_theirs(folder: Path, others: list[int]) -> None:
    other = _leave(others[0], 1000)
    with Running.announce(Asterisk(sip_port=2000, http_port=2001)):
        assert [running.sip_port for running in Running.living()] == [2000, 1000]
    assert other.exists()
    assert [running.sip_port for running in Running.living()] == [1000]


def test_without_a_lab_it_says_what_to_type(folder: Path) -> None:
    result = CliRunner().invoke(cli, ["call", "100", "hello", "--version", "bullseye"])
    assert str(result.exception).endswith("-m lab up --version bullseye")


def test_two_demos_have_a_folder_each_and_those_of_the_dead_are_removed(folder: Path, others: list[int]) -> None:
    left = folder / "demo" / str(_dead())
    other = folder / "demo" / str(others[0])
    for place in (left, other):
        place.mkdir(parents=True)
    with own_folder() as own:
        assert own.parent == folder / "demo"
        assert (own.exists(), other.exists(), left.exists()) == (True, True, False)
    assert (own.exists(), other.exists()) == (False, True)


def test_demos_that_start_at_once_do_not_take_the_same_port(
    folder: Path, others: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lab.demo.is_free", lambda port: True)
    with own_folder() as own:
        assert web_port(own) == WEB_PORT
        (folder / "demo" / str(others[0])).mkdir()
        assert web_port(own) != WEB_PORT


def test_a_demo_that_ends_by_itself_does_not_ask_to_be_called(folder: Path) -> None:
    text = summary("http://127.0.0.1:8000", "demo-1", 5060, once=True)
    assert "http://127.0.0.1:8000/ui" in text
    assert "demo-1" in text
    assert "Run `make demo` to keep it running" in text
    assert "call 100" not in text
    stays = summary("http://127.0.0.1:8000", "demo-1", 5060, once=False)
    assert "call --sip-port 5060 100" in stays
    assert "make demo" not in stays


@pytest.mark.parametrize("way", list(Way))
def test_what_is_typed_for_asterisks_command_line_is_one_line(way: Way) -> None:
    typed = Entry(way).typed(Path("/the lab/forky"), ["asterisk", "-rvvv"])
    assert "\n" not in typed
    assert shlex.split(typed)[-2:] == ["asterisk", "-rvvv"]
    assert any("/the lab/forky" in word for word in shlex.split(typed))


@pytest.mark.lab
def test_the_command_for_asterisks_command_line_works(asterisk: Asterisk) -> None:
    typed = asterisk.console().replace("-rvvv", "-rx 'core show version'")
    result = subprocess.run(["sh", "-c", typed], capture_output=True, text=True, check=False, timeout=20)
    assert "Asterisk 22." in result.stdout, result.stderr


@pytest.mark.lab
def test_a_call_that_is_refused_is_told_in_a_line(asterisk: Asterisk) -> None:
    command = [sys.executable, "-m", "lab", "call", "987", "hello", "--sip-port", str(asterisk.sip_port)]
    brief = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    assert brief.returncode == 1
    lines = brief.stdout.splitlines()
    assert re.match("refused, SIP status 404: .* 987", lines[0])
    assert len(lines) == 2
    verbose = subprocess.run([*command, "--verbose"], capture_output=True, text=True, check=False, timeout=30)
    assert "INVITE sip:987@" in verbose.stdout
