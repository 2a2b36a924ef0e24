"""The secrets that tools sign in with: whether they can be read with the keys at hand."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from app.core.errors import SettingsError
from app.core.sealing import Sealer
from app.core.security import load_secret_key, older_keys, secret_key_file
from app.core.settings import Settings
from app.db.database import Database
from app.db.errors import DatabaseError
from app.db.probe import probe_database
from app.db.urls import async_url, sqlite_path
from app.doctor.check import Subject
from app.doctor.finding import Finding, fail, ok, skip, warn
from app.tools.vault.records import SecretRecord
from app.tools.vault.store import SecretStore

_TITLE = "Secrets"
# Secrets that a line names.
_TOLD = 5
_MOST = 1_000


async def check_secrets(subject: Subject) -> Sequence[Finding]:
    """Opens each, and shows none; makes neither a database nor a key."""
    settings = subject.settings
    try:
        path = sqlite_path(async_url(settings.database_url))
        if path is not None and not path.exists():
            return [ok(_TITLE, "none yet")]
        records = await _records(settings)
    except (DatabaseError, SettingsError):
        return [skip(_TITLE, "the database, or the key, cannot be read")]  # their own checks say why
    if records is None:
        return [skip(_TITLE, "the tables are not at this version")]
    return [_finding(records, settings)]


async def _records(settings: Settings) -> Sequence[SecretRecord] | None:
    """None: the tables are of another version."""
    database = Database(settings.database_url)
    try:
        facts = await probe_database(database)
        if facts.current != facts.newest:
            return None
        if settings.secret_key is None and not secret_key_file(settings.database_url).exists():
            key = b"there is none, and a check makes none"
        else:
            key = load_secret_key(settings)
        sealer = await asyncio.to_thread(Sealer, key, older=older_keys(settings))
        return (await SecretStore(database, sealer).list(limit=_MOST)).items
    finally:
        await database.aclose()


def _finding(records: Sequence[SecretRecord], settings: Settings) -> Finding:
    if not records:
        return ok(_TITLE, "none yet")
    unreadable = [each.name for each in records if each.problem]
    if unreadable:
        more = f" and {len(unreadable) - _TOLD} more" if len(unreadable) > _TOLD else ""
        return fail(
            _TITLE,
            f"{len(unreadable)} of {len(records)} cannot be read, so tools that need them cannot be called: "
            f"{', '.join(unreadable[:_TOLD])}{more}",
            "Set SECRET_KEY to the key they were stored with, or put that one into SECRET_KEY_PREVIOUS and type: "
            "asterisk-ai secrets rotate. Where it is lost: asterisk-ai secrets set NAME, for each.",
        )
    if settings.secret_key_previous is not None:
        return warn(
            _TITLE,
            f"all {len(records)} can be read; SECRET_KEY_PREVIOUS is still set",
            "Type: asterisk-ai secrets rotate. Then take SECRET_KEY_PREVIOUS out of .env.",
        )
    if settings.secret_key is not None and (old := secret_key_file(settings.database_url)).exists():
        return warn(
            _TITLE,
            f"all {len(records)} can be read; the key from before SECRET_KEY was set is still in {old}",
            "Type: asterisk-ai secrets rotate. Then delete that file.",
        )
    return ok(_TITLE, f"{len(records)}, encrypted; all can be read")
