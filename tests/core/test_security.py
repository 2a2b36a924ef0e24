"""The installation's own secrets."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from app.core.errors import SettingsError
from app.core.security import (
    Credentials,
    credentials_from,
    load_secret_key,
    older_keys,
    readable_password,
    secret_key_file,
)
from app.core.settings import Settings

ROOT = Path(__file__).resolve().parents[2]


def settings_for(folder: Path, **values: object) -> Settings:
    return Settings(_env_file=None, database_url=f"sqlite:///{folder}/main.db", **values)  # type: ignore[arg-type]


def test_credentials_match_only_when_name_and_password_are_right() -> None:
    credentials = Credentials("admin", "s3cret-ü")
    assert credentials.match("admin", "s3cret-ü")
    assert not credentials.match("admin", "s3cret-u")
    assert not credentials.match("Admin", "s3cret-ü")
    assert not credentials.match("", "")


def test_a_password_never_shows_in_a_repr() -> None:
    assert "s3cret" not in repr(Credentials("admin", "s3cret"))


def test_the_set_password_is_used_as_it_is(tmp_path: Path) -> None:
    credentials = credentials_from(settings_for(tmp_path, web_ui_username="ops", web_ui_password="correct horse"))
    assert credentials == Credentials("ops", "correct horse", generated=False)


def test_without_a_password_each_start_makes_another_readable_one(tmp_path: Path) -> None:
    first, second = credentials_from(settings_for(tmp_path)), credentials_from(settings_for(tmp_path))
    assert first.generated
    assert first.password != second.password
    assert not set(readable_password()) & set("0o1li")
    assert len(first.password) == 19


def test_the_set_secret_key_leaves_no_file_behind(tmp_path: Path) -> None:
    assert load_secret_key(settings_for(tmp_path, secret_key="a long key of my own")) == b"a long key of my own"
    assert list(tmp_path.iterdir()) == []


def test_the_made_key_stays_the_same_and_only_its_owner_may_read_it(tmp_path: Path) -> None:
    first = load_secret_key(settings_for(tmp_path))
    assert len(first) >= 43
    assert load_secret_key(settings_for(tmp_path)) == first
    file = tmp_path / "main.secret"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [file]


STARTER = """
import sys, time
from pathlib import Path
from app.core.security import load_secret_key
from app.core.settings import Settings
folder = Path(sys.argv[1])
print("ready", flush=True)
while not (folder / "go").exists():
    time.sleep(0.001)
print(load_secret_key(Settings(_env_file=None, database_url=f"sqlite:///{folder}/main.db")).decode())
"""


def test_processes_that_start_together_agree_on_one_key(tmp_path: Path) -> None:
    command = [sys.executable, "-c", STARTER, str(tmp_path)]
    starters = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) for _ in range(4)]
    for starter in starters:
        assert starter.stdout is not None
        assert starter.stdout.readline() == "ready\n"
    (tmp_path / "go").touch()
    # The last line: the one that made the key logs it, too.
    keys = {starter.communicate(timeout=30)[0].splitlines()[-1] for starter in starters}
    assert len(keys) == 1
    assert {file.name for file in tmp_path.iterdir()} == {"go", "main.secret"}


def test_the_loser_of_the_race_takes_the_winners_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "main.secret"
    link = os.link

    def another_was_faster(source: Path, target: Path) -> None:
        target.write_text("w" * 43)
        target.chmod(0o600)
        link(source, target)

    monkeypatch.setattr(os, "link", another_was_faster)
    assert load_secret_key(settings_for(tmp_path)) == b"w" * 43
    assert list(tmp_path.iterdir()) == [file]


def test_a_key_that_others_can_read_is_closed_to_them(tmp_path: Path) -> None:
    key = load_secret_key(settings_for(tmp_path))
    file = tmp_path / "main.secret"
    file.chmod(0o644)
    assert load_secret_key(settings_for(tmp_path)) == key
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_readable_key_of_another_user_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    load_secret_key(settings_for(tmp_path))
    (tmp_path / "main.secret").chmod(0o644)

    def not_yours(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "fchmod", not_yours)
    with pytest.raises(SettingsError, match="chmod 600"):
        load_secret_key(settings_for(tmp_path))


@pytest.mark.parametrize("content", ["", "short\n"])
def test_an_empty_or_cut_key_is_refused_and_kept(tmp_path: Path, content: str) -> None:
    file = tmp_path / "main.secret"
    file.write_text(content)
    file.chmod(0o600)
    with pytest.raises(SettingsError, match="holds no key"):
        load_secret_key(settings_for(tmp_path))
    assert file.read_text() == content


def test_a_directory_in_the_files_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "main.secret").mkdir()
    with pytest.raises(SettingsError, match=r"main\.secret"):
        load_secret_key(settings_for(tmp_path))


def test_a_place_that_cannot_be_written_names_the_way_out(tmp_path: Path) -> None:
    (tmp_path / "wall").write_text("a file where a directory should be")
    with pytest.raises(SettingsError, match="set SECRET_KEY"):
        load_secret_key(settings_for(tmp_path / "wall"))


@pytest.mark.parametrize(
    ("url", "file"),
    [
        ("sqlite:///./asterisk-ai.db", "asterisk-ai.secret"),
        ("sqlite+aiosqlite:///data/calls.sqlite?timeout=5", "data/calls.secret"),
        ("sqlite:////var/lib/asterisk-ai/main.db", "/var/lib/asterisk-ai/main.secret"),
        ("sqlite:///file:data/main.db?mode=rwc&uri=true", "data/main.secret"),
        ("sqlite://", "asterisk-ai.secret"),
        ("sqlite:///:memory:", "asterisk-ai.secret"),
        ("postgresql://ai:pw@db/ai", "asterisk-ai.secret"),
    ],
)
def test_the_key_lies_beside_the_database(url: str, file: str) -> None:
    assert secret_key_file(url) == Path(file)


def test_the_keys_before_are_the_previous_one_and_that_of_the_file_which_was_replaced(tmp_path: Path) -> None:
    assert older_keys(settings_for(tmp_path)) == []
    made = load_secret_key(settings_for(tmp_path))
    assert older_keys(settings_for(tmp_path)) == []  # it is the one in force
    now = settings_for(tmp_path, secret_key="a long key of my own", secret_key_previous="the one before that")
    assert older_keys(now) == [b"the one before that", made]


def test_an_old_key_file_that_is_none_does_not_keep_the_service_from_starting(tmp_path: Path) -> None:
    (tmp_path / "main.secret").write_text("short")
    assert older_keys(settings_for(tmp_path, secret_key="a long key of my own")) == []
