"""What the web interface ships of others' work."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
VENDOR = ROOT / "app/web/static/vendor"


def test_the_vendored_files_are_the_pinned_ones_and_their_licences_are_listed() -> None:
    subprocess.run([sys.executable, ROOT / "scripts/assets", "--check"], check=True)


def test_nothing_else_lies_among_them() -> None:
    listed = {line.split("  ")[1] for line in (VENDOR / "SHA256SUMS").read_text().splitlines()}
    own = {"assets.toml", "SHA256SUMS", "LICENSES.md"}
    assert {str(file.relative_to(VENDOR)) for file in VENDOR.rglob("*") if file.is_file()} - own == listed
