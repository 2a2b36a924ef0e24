"""``asterisk-ai prompts``."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from app.cli.entry import cli
from app.core.errors import SettingsError
from app.core.settings import load_settings
from app.db.database import Database
from app.prompts.errors import PromptFileInvalid, PromptNotFound
from app.prompts.store import PromptStore


def prompts(*arguments: str, typed: str | bytes = "") -> Result:
    return CliRunner().invoke(cli, ["prompts", *arguments], input=typed, catch_exceptions=False)


def versions(name: str) -> list[tuple[int, str, str]]:
    async def ask() -> list[tuple[int, str, str]]:
        database = Database(load_settings().database_url)
        try:
            store = PromptStore(database)
            page = await store.versions((await store.find(name)).summary.id)
            return [(each.number, each.created_by, each.note) for each in page.items]
        finally:
            await database.aclose()

    return asyncio.run(ask())


def test_prompts_go_to_a_file_and_back_and_what_is_the_same_stays(tmp_path: Path) -> None:
    file = tmp_path / "prompts.yaml"
    assert prompts("export", "--output", str(file)).exit_code == 0
    text = file.read_text()
    assert prompts("export").stdout == text
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".p")] == []
    assert prompts("import", str(file)).stdout == "receptionist: unchanged\n"
    file.write_text(text + "  - name: night\n    content: You answer at night.\n")
    assert "night: would be created" in prompts("import", str(file), "--dry-run").stdout
    done = prompts("import", "-", "--note", "release 12", typed=file.read_text())
    assert done.stdout == "receptionist: unchanged\nnight: created\n"
    assert versions("night") == [(1, "command line", "release 12")]
    assert prompts("import", str(file)).stdout == "receptionist: unchanged\nnight: unchanged\n"
    assert versions("night") == [(1, "command line", "release 12")]
    assert prompts("export", "NIGHT", "--json").stdout.startswith('{\n  "format": ')


def test_what_cannot_be_is_said(tmp_path: Path) -> None:
    file = tmp_path / "prompts.yaml"
    with pytest.raises(SettingsError, match="cannot be read"):
        prompts("import", str(file))
    with pytest.raises(SettingsError, match="cannot be written"):
        prompts("export", "--output", str(tmp_path / "no" / "file"))
    with pytest.raises(SettingsError, match="not UTF-8"):
        prompts("import", "-", typed=b"\xff\xfe")
    with pytest.raises(PromptNotFound):
        prompts("export", "nobody")
    file.write_text("format: asterisk-ai prompts 1\nprompts:\n  - name: x\n    content: y\n    modell: z\n")
    with pytest.raises(PromptFileInvalid, match="x: modell: There is no field of this name"):
        prompts("import", str(file))
