"""What the web interface and its tests have of others' work."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = "app/web/static/vendor"
FOLDERS = [SHIPPED, "tests/web/vendor"]


def check(root: Path) -> subprocess.CompletedProcess[str]:
    """Without a search path: neither npm nor node is found."""
    command = [sys.executable, str(root / "scripts/assets"), "--check"]
    return subprocess.run(command, capture_output=True, text=True, env={"PATH": ""}, check=False)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The script and what it looks after, to be changed by a test."""
    shutil.copytree(ROOT / "scripts", tmp_path / "scripts")
    for folder in FOLDERS:
        shutil.copytree(ROOT / folder, tmp_path / folder)
    return tmp_path


def test_the_vendored_files_are_the_pinned_ones_and_their_licences_are_listed() -> None:
    assert check(ROOT).returncode == 0


@pytest.mark.parametrize("folder", FOLDERS)
def test_nothing_else_lies_among_them(folder: str) -> None:
    vendor = ROOT / folder
    listed = {line.split("  ")[1] for line in (vendor / "SHA256SUMS").read_text().splitlines()}
    own = {"assets.toml", "SHA256SUMS", "LICENSES.md"}
    assert {str(file.relative_to(vendor)) for file in vendor.rglob("*") if file.is_file()} - own == listed


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        (f"{SHIPPED}/codemirror/codemirror.js", "var ", "var  "),
        (f"{SHIPPED}/assets.toml", '"6.7.6"', '"6.7.7"'),
        ("scripts/codemirror.js", "lineNumbers, ", ""),
        ("scripts/codemirror-plain.js", '"prose"', '"text"'),
        ("tests/web/vendor/axe-core/axe.min.js", "axe", "exa"),
    ],
)
def test_what_differs_from_its_pin_or_its_source_is_found(copy: Path, file: str, old: str, new: str) -> None:
    path = copy / file
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    result = check(copy)
    assert result.returncode != 0
    assert "Run scripts/assets" in result.stderr


def test_the_licences_of_everything_in_the_bundle_are_shipped_with_it() -> None:
    texts = (ROOT / SHIPPED / "codemirror/LICENSES.txt").read_text(encoding="utf-8")
    table = (ROOT / SHIPPED / "LICENSES.md").read_text(encoding="utf-8")
    names = ["@codemirror/view", "@lezer/lr", "@marijn/find-cluster-break", "crelt", "style-mod", "w3c-keyname"]
    assert all(f"{name} " in texts and f"[{name}]" in table for name in names)
    assert "Permission is hereby granted" in texts
