"""Removing what the lab built."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lab.clean import builder, clean
from lab.entry import Way
from lab.errors import LabFailed, LabMissing

CHECKOUT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A lab's folder with two roots, what lies beside them, and a link to what is not the lab's."""
    (tmp_path / "machine").mkdir()
    (tmp_path / "machine" / "precious").touch()
    folder = tmp_path / "lab"
    for name in ("forky", "forky.building", "bullseye"):
        (folder / name / "lab").mkdir(parents=True)
        (folder / name / "lab" / "stamp").touch()
        (folder / name / "run").symlink_to(tmp_path / "machine")
    for name in ("forky.lock", "forky.log", "forky.running.1.json"):
        (folder / name).touch()
    (folder / "demo" / "4194399").mkdir(parents=True)
    monkeypatch.setenv("ASTERISK_AI_LAB", str(folder))
    return folder


def test_everything_that_the_lab_made_is_removed_and_nothing_else(folder: Path) -> None:
    assert clean() == [folder / "forky", folder / "forky.building", folder / "bullseye"]
    assert not folder.exists()
    assert (folder.parent / "machine" / "precious").exists()
    assert clean() == []


def test_what_is_not_the_labs_stays_in_a_folder_that_was_given(folder: Path) -> None:
    (folder / "letters").touch()
    clean()
    assert list(folder.iterdir()) == [folder / "letters"]


@pytest.mark.parametrize("place", ["forky/lab/asterisk-{pid}-1", "bullseye/lab/caller-{pid}-12", "demo/{pid}"])
def test_nothing_is_removed_while_a_process_uses_it(folder: Path, place: str) -> None:
    (folder / place.format(pid=os.getpid())).mkdir()
    with pytest.raises(LabFailed, match=f"in use by process {os.getpid()}"):
        clean()
    assert (folder / "forky" / "lab" / "stamp").exists()
    assert (folder / "forky.log").exists()


def test_what_a_process_left_that_is_dead_does_not_keep_it(folder: Path) -> None:
    with subprocess.Popen(["true"]) as process:
        pass
    (folder / f"forky/lab/asterisk-{process.pid}-1").mkdir()
    clean()
    assert not folder.exists()


def test_nothing_is_removed_while_a_root_is_built(folder: Path) -> None:
    with (folder / "forky.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(LabFailed, match="building"):
            clean()
    assert (folder / "forky").exists()


@pytest.mark.parametrize(
    ("user", "sudo", "way"),
    [("root", False, Way.ROOT), ("owner", False, Way.NAMESPACE), ("owner", True, Way.NAMESPACE)],
)
def test_a_root_is_removed_in_the_way_it_was_built(
    folder: Path, monkeypatch: pytest.MonkeyPatch, user: str, sudo: bool, way: Way
) -> None:
    owner = 0 if user == "root" else 4711
    monkeypatch.setattr("os.geteuid", lambda: owner)
    monkeypatch.setattr("lab.clean._owner", lambda root: owner)
    monkeypatch.setattr("shutil.which", lambda name: "/usr/bin/sudo" if sudo else None)
    assert builder(folder / "forky").way is way


def test_a_root_of_the_superuser_needs_sudo(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 4711)
    monkeypatch.setattr("lab.clean._owner", lambda root: 0)
    monkeypatch.setattr("shutil.which", lambda name: "/usr/bin/sudo")
    assert builder(folder / "forky").way is Way.SUDO
    monkeypatch.setattr("shutil.which", lambda name: None)
    with pytest.raises(LabMissing, match="Type as root: rm -rf --one-file-system"):
        clean()
    assert (folder / "bullseye").exists()


def test_it_needs_nothing_but_python(folder: Path) -> None:
    bare = [
        sys.executable,
        "-I",
        "-S",
        "-c",
        f"import sys; sys.path.insert(0, {str(CHECKOUT)!r}); import lab.clean as c; c.main()",
    ]
    result = subprocess.run(bare, capture_output=True, text=True, check=False, timeout=20)
    assert result.stdout.splitlines()[0] == f"lab: removed {folder / 'forky'}", result.stderr


@pytest.mark.parametrize("python", [sys.executable, None], ids=["with an environment", "with a broken one"])
def test_make_clean_keeps_the_environment_when_the_lab_cannot_be_removed(
    folder: Path, tmp_path: Path, python: str | None
) -> None:
    checkout = tmp_path / "checkout"
    (checkout / ".venv" / "bin").mkdir(parents=True)
    (checkout / "Makefile").write_text((CHECKOUT / "Makefile").read_text())
    shutil.copytree(CHECKOUT / "lab", checkout / "lab")
    (checkout / ".venv" / "bin" / "python").symlink_to(python or "/nowhere/python")
    user = folder / "forky" / "lab" / f"asterisk-{os.getpid()}-1"
    user.mkdir()
    make = ["make", "clean", f"PYTHON={sys.executable}"]
    refused = subprocess.run(make, cwd=checkout, capture_output=True, text=True, check=False, timeout=20)
    assert refused.returncode != 0
    assert "in use by process" in refused.stderr
    assert (checkout / ".venv").exists()
    user.rmdir()
    done = subprocess.run(make, cwd=checkout, capture_output=True, text=True, check=False, timeout=20)
    assert done.returncode == 0, done.stderr
    assert not (checkout / ".venv").exists()
    assert not folder.exists()
