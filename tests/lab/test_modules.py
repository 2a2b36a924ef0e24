"""Where Asterisk's modules lie, which differs by release and by architecture."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.asterisk import modules_folder
from lab.errors import LabFailed


@pytest.mark.parametrize(
    "folder",
    [
        "usr/lib/aarch64-linux-gnu/asterisk/modules",
        "usr/lib/x86_64-linux-gnu/asterisk/modules",
        "usr/lib/asterisk/modules",
    ],
)
def test_the_modules_are_found_on_every_architecture(tmp_path: Path, folder: str) -> None:
    (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "usr/lib/aarch64-linux-gnu/other").mkdir(parents=True)
    assert modules_folder(tmp_path) == Path(folder)


def test_a_root_without_modules_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(LabFailed, match="-m lab clean"):
        modules_folder(tmp_path)
