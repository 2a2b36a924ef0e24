"""``asterisk-ai secrets``."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from app.cli.entry import cli
from app.core.errors import SettingsError
from app.core.sealing import Sealer
from app.core.security import load_secret_key
from app.core.settings import load_settings
from app.db.database import Database
from app.tools.vault.errors import SecretInvalid
from app.tools.vault.store import SecretStore

OLD, NEW = "the key from before, long", "the key of today, also long"
VALUE = "s3cr3t-value-that-nobody-sees"


def secrets(*arguments: str, typed: str = "") -> Result:
    return CliRunner().invoke(cli, ["secrets", *arguments], input=typed, catch_exceptions=False)


def stored(name: str, key: str | None = None) -> str | None:
    """The value as a service with that key alone would read it."""

    async def ask() -> str | None:
        settings = load_settings()
        database = Database(settings.database_url)
        sealer = Sealer(load_secret_key(settings) if key is None else key.encode())
        try:
            found = await SecretStore(database, sealer).latest(name)
            return None if found is None else found.value
        finally:
            await database.aclose()

    return asyncio.run(ask())


def test_a_secret_is_stored_replaced_and_listed_and_never_shown() -> None:
    assert "none yet" in secrets("list").stdout
    made = secrets("set", "crm-token", "--server", "https://crm.example.com/v2", typed=f"{VALUE}\n")
    assert "crm-token is stored. It may go to https://crm.example.com:443." in made.stdout
    assert stored("crm-token") == VALUE
    pem = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----"
    replaced = secrets("set", "CRM-token", typed=f"{pem}\n")
    assert "crm-token has its new value" in replaced.stdout
    assert stored("crm-token") == pem
    listed = secrets("list").stdout
    assert "https://crm.example.com:443" in listed
    assert listed.splitlines()[1].split()[:2] == ["crm-token", "ok"]
    assert "fewer than 6 characters" not in made.stdout + replaced.stdout
    assert "fewer than 6 characters" in secrets("set", "crm-pin", "--server", "https://crm.lan", typed="1234\n").stdout
    for shown in (made.stdout, replaced.stdout, listed):
        assert VALUE not in shown
        assert "MIIB" not in shown


def test_a_new_one_needs_a_server_and_a_value() -> None:
    with pytest.raises(SecretInvalid, match="at least one server"):
        secrets("set", "crm-token", typed=VALUE)
    with pytest.raises(SecretInvalid, match="empty"):
        secrets("set", "crm-token", "--server", "https://crm.example.com", typed="\n")
    with pytest.raises(SecretInvalid, match="65,536"):
        secrets("set", "crm-token", "--server", "https://crm.example.com", typed="x" * 70_000)


@pytest.fixture
def two(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two secrets of a service whose key was changed since."""
    monkeypatch.setenv("SECRET_KEY", OLD)
    for name in ("crm-token", "erp-key"):
        secrets("set", name, "--server", "https://crm.example.com", typed=VALUE)
    monkeypatch.setenv("SECRET_KEY", NEW)


@pytest.mark.usefixtures("two")
def test_the_key_is_changed_with_the_previous_one_in_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    assert secrets("list").stdout.count("cannot be read") == 2
    monkeypatch.setenv("SECRET_KEY_PREVIOUS", OLD)
    assert "cannot be read" not in secrets("list").stdout
    done = secrets("rotate")
    assert done.exit_code == 0
    assert "2 secrets: 2 encrypted anew, 0 had" in done.stdout
    assert "Restart a service that still runs with the old key" in " ".join(done.stdout.split())
    assert "0 encrypted anew, 2 had" in secrets("rotate").stdout
    assert stored("crm-token", NEW) == VALUE
    assert OLD not in done.stdout


@pytest.mark.usefixtures("two")
def test_the_old_key_may_come_from_a_file_or_a_pipe(tmp_path: Path) -> None:
    file = tmp_path / "old.key"
    file.write_text(f"{OLD}\n")
    assert secrets("rotate", "--old-key-file", str(file)).exit_code == 0
    assert stored("erp-key", NEW) == VALUE
    assert secrets("rotate", "--old-key-file", "-", typed=OLD).exit_code == 0
    with pytest.raises(SettingsError, match="cannot be read"):
        secrets("rotate", "--old-key-file", str(tmp_path / "none"))


@pytest.mark.usefixtures("two")
def test_without_the_old_key_nothing_is_lost_and_it_says_what_to_do() -> None:
    failed = secrets("rotate")
    assert failed.exit_code == 1
    assert "2 cannot be read with any key at hand" in failed.stdout
    assert "SECRET_KEY_PREVIOUS" in failed.stdout
    assert stored("crm-token", OLD) == VALUE


def test_a_key_that_was_made_is_replaced_by_one_of_ones_own_without_a_word(monkeypatch: pytest.MonkeyPatch) -> None:
    secrets("set", "crm-token", "--server", "https://crm.example.com", typed=VALUE)
    monkeypatch.setenv("SECRET_KEY", NEW)
    assert "1 encrypted anew" in secrets("rotate").stdout
    assert stored("crm-token", NEW) == VALUE


def test_nothing_of_a_list_is_cut_where_it_is_piped() -> None:
    server = f"https://{'crm.' * 40}example.com:443"
    secrets("set", "crm-token", "--server", server, typed=f"{VALUE}\n")
    assert server in secrets("list").stdout
