"""Imports on every database that operators use: the same file again changes nothing, and a dry run writes nothing."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from app.db import audit
from app.db.database import Database
from app.prompts.draft import PromptDraft
from app.prompts.errors import PromptInvalid
from app.prompts.portable import Entry, differences, document
from app.prompts.prompt import Action
from app.prompts.store import PromptStore
from app.schemas.prompt_fields import read_fields
from app.schemas.prompt_files import read_prompt_file

FULL = PromptDraft(
    name="Empfang Süd 🎉",
    content="Line one. \n\tLine two: {{ caller_number }} 🎉\n\n" + "ä" * 100_000,
    metadata={"z": 1, "a": [1, 2.5, None, True, {"ö": "🎉", "b": 1e100}], "big": 2**53 + 1},
    model="demo",
    temperature=0.7,
    tools=("get_weather", "zzz"),
    actions=(Action("transfer", "The caller asks for a person.", ("sales", "+4930")), Action("hangup")),
    output_schema={"type": "object", "properties": {"z": {"type": "string"}, "a": {"type": "integer"}}},
    fallback="Es tut mir leid.",
    timeout=7.3,
    greeting="Grüß Gott 🎉",
)


async def test_a_file_goes_into_any_database_and_comes_back_as_it_was(database: Database) -> None:
    store = PromptStore(database)
    await store.create(FULL, by="a")
    await store.create(PromptDraft("only a draft", "Not yet.", temperature=0.1, timeout=0.3), by="a", publish=False)
    text = document(await store.export())
    file = read_prompt_file(text)
    assert not file.findings
    again = await store.import_all(file.entries, by="b")
    assert [(each.outcome, each.changes) for each in again] == [("unchanged", ())] * 3
    for each in again:
        assert each.prompt_id is not None
        if not (await store.summary(each.prompt_id)).is_default:
            await store.delete(each.prompt_id)
    tried = await store.import_all(file.entries, by="b", dry_run=True)
    assert sorted(each.outcome for each in tried) == ["created", "created", "unchanged"]
    assert (await store.list()).total == 1
    done = await store.import_all(file.entries, by="b")
    assert [each.outcome for each in done] == [each.outcome for each in tried]
    assert document(await store.export()) == text


async def test_the_default_mark_moves_with_a_file(database: Database) -> None:
    store = PromptStore(database)
    text = (
        "format: asterisk-ai prompts 1\nprompts:\n"
        "- {name: day, content: Hello., default: true}\n- {name: night, content: Good evening., published: false}\n"
    )
    entries = read_prompt_file(text).entries
    done = await store.import_all(entries, by="b")
    assert [(each.outcome, each.changes) for each in done] == [("created", ("default",)), ("created", ())]
    assert (await store.find("day")).summary.is_default
    assert (await store.find("night")).summary.published_version is None
    again = await store.import_all(entries, by="b")
    assert {each.outcome for each in again} == {"unchanged"}


async def test_what_takes_long_is_done_in_threads_and_nothing_is_checked_twice(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_the_loop = threading.current_thread()
    compared: list[bool] = []
    masked: list[bool] = []

    def compare(*sides: Any) -> Any:
        compared.append(threading.current_thread() is on_the_loop)
        return differences(*sides)

    def mask(*facts: Any) -> Any:
        masked.append(threading.current_thread() is on_the_loop)
        return row(*facts)

    row = audit._row
    monkeypatch.setattr("app.prompts.importing.differences", compare)
    monkeypatch.setattr(audit, "_row", mask)
    monkeypatch.setattr("app.prompts.store.validate", lambda draft: pytest.fail("it was checked when it was read"))
    store = PromptStore(database)
    text = "format: asterisk-ai prompts 1\nprompts:\n- {name: day, content: "
    for content in ("Hello", "Good day"):
        await store.import_all(read_prompt_file(f"{text}{content}}}\n").entries, by="b")
    assert compared == [False]
    assert masked == [False, False]


async def test_a_note_that_no_database_keeps_is_refused(database: Database) -> None:
    store = PromptStore(database)
    for note in ("a\0b", "ä" * 300):
        with pytest.raises(PromptInvalid) as refused:
            await store.import_all([Entry(PromptDraft("day", "Hello"))], by="b", note=note)
        assert refused.value.field == "note"


def test_ten_thousands_of_keys_are_looked_through_once() -> None:
    keys = ",".join(f'"k{number}":1' for number in range(100_000))
    begun = time.monotonic()
    with pytest.raises(PromptInvalid, match="The key z is there twice"):
        read_prompt_file(f'{{"a":{{{keys},"z":1,"z":1}}}}')
    assert time.monotonic() - begun < 20  # it would be minutes


def test_a_number_that_python_does_not_read_is_told() -> None:
    number = "1" * 5_000
    with pytest.raises(PromptInvalid, match="too many digits"):
        read_prompt_file(f'{{"format": {number}}}')
    _, found = read_fields({"name": "a", "content": "b", "metadata": f'{{"a": {number}}}'})
    assert [(each.field, each.type) for each in found] == [("metadata", "json_invalid")]
