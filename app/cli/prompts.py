"""``asterisk-ai prompts``: prompts to a file and back, so that they can live in git."""

from __future__ import annotations

import os
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from rich.console import Console

from app.api.prompt_files import model_problem
from app.cli.users import ACTOR
from app.core.errors import SettingsError
from app.core.settings import Settings
from app.db.audit import acting
from app.db.database import Database
from app.llm.registry import Models
from app.main import service_url
from app.prompts.portable import Imported, document
from app.prompts.store import PromptStore
from app.schemas.prompt_files import MAX_FILE_CHARS, read_prompt_file, refuse_findings

_STANDARD = "-"


async def _with_prompts(settings: Settings, work: Callable[[PromptStore], Awaitable[None]]) -> bool:
    database = Database(settings.database_url)
    try:
        await database.migrate(service_url=service_url(settings))
        with acting(ACTOR):
            await work(PromptStore(database))
    finally:
        await database.aclose()
    return True


async def export(settings: Settings, console: Console, *, names: Sequence[str], output: str, as_json: bool) -> bool:
    """Write the prompts of those names, or all, to a file or to standard output.

    Raises:
        PromptNotFound, SettingsError: there is no such prompt; the file cannot be written.
    """

    async def work(prompts: PromptStore) -> None:
        records = await prompts.export(names or None)
        text = document(records, as_json=as_json)
        if output == _STANDARD:
            sys.stdout.write(text)
            return
        try:
            _write(Path(output), text)
        except OSError as error:
            raise SettingsError(f"{output} cannot be written: {error.strerror or error}") from error
        console.print(f"{len(records)} prompts are in {output}.", markup=False)

    return await _with_prompts(settings, work)


async def import_(settings: Settings, console: Console, *, source: str, dry_run: bool, note: str) -> bool:
    """Create and change prompts as a file says, all or nothing; a running service follows within a second.

    Raises:
        PromptFileInvalid: it is no file with prompts, or some of them are wrong.
        SettingsError: it cannot be read.
    """
    models = Models(settings)
    file = read_prompt_file(_read(source), lambda model: model_problem(models, model))
    refuse_findings(file)

    async def work(prompts: PromptStore) -> None:
        imported = await prompts.import_all(file.entries, by=ACTOR.name, note=note, dry_run=dry_run)
        for each in imported:
            console.print(_line(each, dry_run), markup=False)

    return await _with_prompts(settings, work)


def _line(imported: Imported, dry_run: bool) -> str:
    would = "would be " if dry_run and imported.outcome != "unchanged" else ""
    what = f": {', '.join(imported.changes)}" if imported.changes else ""
    return f"{imported.name}: {would}{imported.outcome}{what}"


def _read(source: str) -> str:
    try:
        if source == _STANDARD:
            data = sys.stdin.buffer.read(MAX_FILE_CHARS * 4 + 1)
        else:
            with Path(source).open("rb") as file:
                data = file.read(MAX_FILE_CHARS * 4 + 1)
        return data.decode()
    except OSError as error:
        raise SettingsError(f"{source} cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"{source} is not UTF-8, at byte {error.start}") from error


def _write(path: Path, text: str) -> None:
    """Whole or not at all: a file in git must not be half of one."""
    if path.is_symlink() or (path.exists() and not path.is_file()):
        path.write_text(text, encoding="utf-8")  # a pipe or a device; or where the link points
        return
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        beside.write_text(text, encoding="utf-8")
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
