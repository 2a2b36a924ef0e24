"""The check of the secrets that tools sign in with."""

from __future__ import annotations

from pathlib import Path

from app.core.sealing import Sealer
from app.core.settings import Settings
from app.db.database import Database
from app.doctor.check import Subject
from app.doctor.finding import Finding, Level
from app.doctor.secrets import check_secrets
from app.tools.vault.store import SecretStore

KEY = "the key of these tests, long enough"


def settings_for(folder: Path, **values: str) -> Settings:
    return Settings(_env_file=None, database_url=f"sqlite:///{folder}/main.db", **values)  # type: ignore[arg-type]


async def finding(settings: Settings) -> Finding:
    (found,) = await check_secrets(Subject(settings))
    return found


async def test_secrets_are_read_with_the_keys_at_hand_and_nothing_is_made(tmp_path: Path) -> None:
    assert (await finding(settings_for(tmp_path))).level == Level.OK
    assert not (tmp_path / "main.db").exists()

    database = Database(settings_for(tmp_path).database_url)
    await database.migrate()
    store = SecretStore(database, Sealer(KEY.encode()))
    await store.create("crm-token", "value", servers=["https://crm.example.com"], by="test")
    await database.aclose()

    good = await finding(settings_for(tmp_path, secret_key=KEY))
    assert (good.level, good.detail) == (Level.OK, "1, encrypted; all can be read")
    changed = await finding(settings_for(tmp_path, secret_key="another key, long enough"))
    assert changed.level == Level.FAIL
    assert "crm-token" in changed.detail
    assert "SECRET_KEY_PREVIOUS" in changed.remedy
    between = await finding(settings_for(tmp_path, secret_key="another key, long enough", secret_key_previous=KEY))
    assert between.level == Level.WARN
    assert "secrets rotate" in between.remedy
    assert (await finding(settings_for(tmp_path))).level == Level.FAIL  # the key is gone altogether
    assert not (tmp_path / "main.secret").exists()
    (tmp_path / "main.secret").write_text("the key from before")
    left = await finding(settings_for(tmp_path, secret_key=KEY))
    assert left.level == Level.WARN
    assert str(tmp_path / "main.secret") in left.detail


async def test_tables_of_an_older_version_are_left_to_their_own_check(tmp_path: Path) -> None:
    (tmp_path / "main.db").touch()
    assert (await finding(settings_for(tmp_path))).level == Level.SKIP
