"""Imports on every database that operators use: the same file again changes nothing, and a dry run writes nothing."""

from __future__ import annotations

from app.db.database import Database
from app.prompts.draft import PromptDraft
from app.prompts.portable import document
from app.prompts.prompt import Action
from app.prompts.store import PromptStore
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
