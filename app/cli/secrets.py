"""``asterisk-ai secrets``: what tools sign in with, managed on the machine itself. No command shows a value."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from app.cli.users import ACTOR
from app.core.errors import SettingsError
from app.core.sealing import Sealer, SealError
from app.core.security import load_secret_key, older_keys
from app.core.settings import Settings
from app.db.audit import acting
from app.db.database import Database
from app.main import service_url
from app.tools.vault.errors import SecretNotFound
from app.tools.vault.rules import MAX_VALUE_BYTES, checked_value, value_doubt
from app.tools.vault.store import SecretStore

_STANDARD: Final = "-"
_PAGE: Final = 200
# Scripts and logs have no edge; what is cut there is lost.
_PIPED_WIDTH: Final = 10_000
_MAX_KEY_BYTES: Final = 4_096


async def _with_secrets(
    settings: Settings, work: Callable[[SecretStore], Awaitable[bool]], *, old_keys: Sequence[bytes] = ()
) -> bool:
    key = load_secret_key(settings)
    sealer = await asyncio.to_thread(Sealer, key, older=[*old_keys, *older_keys(settings)])
    database = Database(settings.database_url)
    try:
        await database.migrate(service_url=service_url(settings))
        with acting(ACTOR):
            return await work(SecretStore(database, sealer))
    finally:
        await database.aclose()


async def show(settings: Settings, console: Console) -> bool:
    """List the secrets, without their values."""

    async def work(store: SecretStore) -> bool:
        table = Table("name", "state", "may go to", "value set", "used by", box=None, pad_edge=False)
        offset = 0
        while (page := await store.list(offset=offset, limit=_PAGE)).items:
            users = await store.used_by(page.items)
            for each in page.items:
                tools = ", ".join(tool.name for tool in users.get(each.name, ()))
                state = "cannot be read" if each.problem else "ok"
                # "\n": a line each, so that none is cut where the terminal is narrow.
                servers = "\n".join(each.servers)
                table.add_row(
                    Text(each.name), state, Text(servers), f"{each.value_set_at:%Y-%m-%d %H:%M} UTC", Text(tools)
                )
            offset += len(page.items)
        if not console.is_terminal:
            console.width = _PIPED_WIDTH
        console.print(table if offset else "There is none yet.")
        return True

    return await _with_secrets(settings, work)


async def set_value(
    settings: Settings, console: Console, *, name: str, value: str, servers: Sequence[str], description: str | None
) -> bool:
    """Store a secret, or replace the value of the one of that name; servers and description only where given.

    Raises:
        SecretInvalid: also where a new one comes without a server.
    """

    async def work(store: SecretStore) -> bool:
        try:
            record = await store.change(
                name, value=value, servers=list(servers) or None, description=description, by=ACTOR.name
            )
            done = "has its new value; a running service uses it within a second"
        except SecretNotFound:
            record = await store.create(name, value, servers=servers, description=description or "", by=ACTOR.name)
            done = "is stored"
        console.print(f"{record.name} {done}. It may go to {', '.join(record.servers)}.", markup=False)
        if doubt := value_doubt(checked_value(value)):
            console.print(doubt, markup=False)
        return True

    return await _with_secrets(settings, work)


async def rotate(settings: Settings, console: Console, *, old_key_file: str | None) -> bool:
    """Encrypt every secret with the ``SECRET_KEY`` of today, one at a time. It may be broken off at any moment and run
    again: each is either done or as it was.

    Returns:
        Whether all can be read with that key now.
    """
    old_keys = [] if old_key_file is None else [_read_key(old_key_file)]

    async def work(store: SecretStore) -> bool:
        done = there = 0
        failed: list[str] = []
        for name in [each.name for each in (await store.current()).secrets]:
            there += 1
            try:
                done += await store.reseal(name)
            except SealError as error:
                failed.append(str(error))
        console.print(
            f"{there} secrets: {done} encrypted anew, {there - done - len(failed)} had the key of today already.",
            markup=False,
        )
        if done:
            console.print("Restart a service that still runs with the old key, so that it reads with the new one.")
        for words in failed:
            console.print(words, markup=False)
        if failed:
            console.print(
                f"{len(failed)} cannot be read with any key at hand. Give the key from before in SECRET_KEY_PREVIOUS "
                "or with --old-key-file, or store these again.",
                markup=False,
            )
        return not failed

    return await _with_secrets(settings, work, old_keys=old_keys)


def read_value() -> str:
    """The value from standard input, all of it: a certificate has many lines. Raises SettingsError."""
    data = sys.stdin.buffer.read(MAX_VALUE_BYTES + 3)  # with a line end of two bytes, and one too many
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise SettingsError(
            "The value is no text in UTF-8. A binary file, such as one in .p12, must be turned into PEM first."
        ) from error


def _read_key(source: str) -> bytes:
    try:
        if source == _STANDARD:
            data = sys.stdin.buffer.read(_MAX_KEY_BYTES)
        else:
            with Path(source).open("rb") as file:
                data = file.read(_MAX_KEY_BYTES)
    except OSError as error:
        raise SettingsError(f"{source} cannot be read: {error.strerror or error}") from error
    key = data.strip()
    if not key:
        raise SettingsError("The old key is empty. Write the SECRET_KEY from before there, or name its file.")
    return key
