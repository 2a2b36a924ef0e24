"""What is said on machines that cannot run the lab."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import lab.entry
import lab.requirements
import lab.roots
from lab.entry import Entry, Way, find_entry
from lab.errors import LabMissing
from lab.roots import FORKY, ensure, is_built
from tests.fixtures.lab import need


@pytest.fixture
def powerless(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine where we are not root, sudo asks for a password, and there are no user namespaces."""
    find_entry.cache_clear()
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.setattr(lab.entry, "_works", lambda *command: False)
    yield
    find_entry.cache_clear()


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine where we are root, that has no root folder, and nothing to make one."""
    monkeypatch.setattr(lab.roots, "find_entry", lambda: Entry(Way.ROOT))
    monkeypatch.setenv("ASTERISK_AI_LAB", str(tmp_path))
    monkeypatch.setattr("shutil.which", lambda name: None)


def test_without_any_rights_it_names_the_ways_to_get_them(powerless: None) -> None:
    reason = lab.requirements.missing()
    assert reason is not None
    assert "sudo -v" in reason
    assert "namespaces" in reason


def test_without_mmdebstrap_it_says_what_to_type(bare: None) -> None:
    reason = lab.requirements.missing()
    assert reason is not None
    assert "apt-get install -y mmdebstrap" in reason
    with pytest.raises(LabMissing, match="apt-get install"):
        ensure(FORKY)


def test_everything_that_is_missing_is_named_at_once(
    powerless: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ASTERISK_AI_LAB", str(tmp_path))
    monkeypatch.setattr("shutil.which", lambda name: None)
    with pytest.raises(LabMissing) as missing:
        ensure(FORKY)
    for expected in ("sudo -v", "namespaces", "apt-get install -y mmdebstrap"):
        assert expected in str(missing.value)
    assert lab.requirements.missing() == str(missing.value)


@pytest.mark.parametrize("ci", ["true", "1"])
def test_in_ci_a_missing_lab_fails_and_elsewhere_it_skips(bare: None, monkeypatch: pytest.MonkeyPatch, ci: str) -> None:
    monkeypatch.setenv("CI", ci)
    with pytest.raises(pytest.fail.Exception, match="CI needs the lab"):
        need(FORKY)
    monkeypatch.delenv("CI")
    with pytest.raises(pytest.skip.Exception, match="mmdebstrap"):
        need(FORKY)


def test_a_root_of_another_recipe_or_another_way_is_built_anew(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ASTERISK_AI_LAB", str(tmp_path))
    entry = Entry(Way.NAMESPACE)
    (tmp_path / "forky" / "lab").mkdir(parents=True)
    (tmp_path / "forky" / "etc").mkdir()
    (tmp_path / "forky" / "etc" / "passwd").write_text("root:x:0:0::/root:/bin/sh\n")
    stamp = tmp_path / "forky" / "lab" / "stamp"
    stamp.write_text("of last year")
    assert not is_built(FORKY, entry)
    stamp.write_text(FORKY.stamp)
    monkeypatch.setattr("os.getuid", lambda: 0)
    assert is_built(FORKY, entry)
    monkeypatch.setattr("os.getuid", lambda: 4711)
    assert not is_built(FORKY, entry)
    assert not is_built(FORKY, Entry(Way.ROOT))
