"""Prompts on all three databases: versions, names, the default, and two editors at once."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.db.database import Database
from app.prompts.draft import PromptDraft, problems_of
from app.prompts.errors import (
    PromptConflict,
    PromptInUse,
    PromptInvalid,
    PromptNameTaken,
    PromptNotFound,
    PromptTemplateError,
)
from app.prompts.prompt import Action
from app.prompts.store import PromptStore

FULL = PromptDraft(
    name="Sales Desk",
    content="Sell things to {{ caller_name }} 🎉",
    metadata={"z": 1, "a": [1.5, None, {"nested": "<script>ü\0"}], "m": True},
    model="openai:some-model",
    temperature=0.3,
    tools=("get_order_status", "other"),
    actions=(Action("hangup", "when done"), Action("transfer", "to a person", ("200", "201"))),
    output_schema={"type": "object", "properties": {"intent": {"type": "string"}}},
    fallback="Sorry 😀",
    timeout=7.5,
    greeting="Grüß Gott",
    note="first",
)


@pytest.fixture
def store(database: Database) -> PromptStore:
    return PromptStore(database)


async def test_everything_that_was_saved_comes_back_as_it_was(store: PromptStore) -> None:
    began = datetime.now(UTC)
    created = await store.create(FULL, by="anna")
    read = await store.get(created.summary.id)
    assert read == created
    for field in ("name", "content", "metadata", "model", "temperature", "tools", "actions", "output_schema"):
        assert getattr(read.prompt, field) == getattr(FULL, field)
    assert (read.prompt.fallback, read.prompt.timeout, read.prompt.greeting) == ("Sorry 😀", 7.5, "Grüß Gott")
    assert list(read.prompt.metadata) == ["z", "a", "m"]  # in the operator's order
    assert (read.note, read.created_by, read.prompt.version) == ("first", "anna", 1)
    assert began - timedelta(seconds=1) <= read.created_at <= datetime.now(UTC)
    assert read.created_at.tzinfo is UTC


async def test_what_was_left_blank_means_the_installations_default(store: PromptStore) -> None:
    draft = PromptDraft("plain", "Be brief.", model=" ", fallback="", greeting="  ")
    prompt = (await store.create(draft, by="anna")).prompt
    assert (prompt.model, prompt.fallback, prompt.greeting) == (None, None, None)
    assert (prompt.tools, prompt.temperature, prompt.timeout, prompt.output_schema) == (None, None, None, None)
    no_tools = await store.create(replace(draft, name="none", tools=()), by="anna")
    assert (await store.get(no_tools.summary.id)).prompt.tools == ()


@pytest.mark.parametrize("size", [1_000_000, 1_048_576])
async def test_a_prompt_of_a_megabyte_is_kept(store: PromptStore, size: int) -> None:
    content = "é" * (size // 2)
    created = await store.create(PromptDraft("long", content), by="anna")
    assert (await store.get(created.summary.id)).prompt.content == content


async def test_every_save_is_a_version_with_its_author(store: PromptStore) -> None:
    created = await store.create(FULL, by="anna")
    prompt_id = created.summary.id
    saved = await store.save(prompt_id, replace(FULL, content="B", note="b"), by="ben", expected_version=1)
    await store.save(prompt_id, replace(FULL, name="sales", note="c"), by="cleo", expected_version=None)
    assert (saved.prompt.version, saved.prompt.content) == (2, "B")
    page = await store.versions(prompt_id, limit=2)
    assert [(v.number, v.note, v.created_by, v.published) for v in page.items] == [
        (3, "c", "cleo", True),
        (2, "b", "ben", False),
    ]
    assert page.total == 3
    assert [v.number for v in (await store.versions(prompt_id, offset=2)).items] == [1]
    assert (await store.version(prompt_id, 1)).prompt.content == FULL.content
    assert (await store.find(" SALES ")).summary.updated_by == "cleo"


async def test_a_draft_is_kept_without_being_used_and_going_back_is_publishing_an_older_version(
    store: PromptStore,
) -> None:
    prompt_id = (await store.create(FULL, by="anna")).summary.id

    async def in_force() -> int | None:
        return next((p.version for p in (await store.published()).prompts if p.id == prompt_id), None)

    draft = await store.save(prompt_id, replace(FULL, content="draft"), by="a", expected_version=1, publish=False)
    assert (draft.summary.latest_version, draft.summary.published_version, await in_force()) == (2, 1, 1)
    await store.publish(prompt_id, 2, by="ben")
    assert await in_force() == 2
    back = await store.publish(prompt_id, 1, by="ben")
    assert (await in_force(), back.prompt.content, back.summary.latest_version) == (1, FULL.content, 2)
    with pytest.raises(PromptNotFound, match="no version 3"):
        await store.publish(prompt_id, 3, by="ben")


async def test_the_second_of_two_editors_is_told_who_was_faster_and_nothing_is_lost(store: PromptStore) -> None:
    prompt_id = (await store.create(FULL, by="anna")).summary.id
    results = await asyncio.gather(
        *(
            store.save(prompt_id, replace(FULL, content=by), by=by, expected_version=1)
            for by in ("ben", "cleo", "dora")
        ),
        return_exceptions=True,
    )
    conflicts = [result for result in results if isinstance(result, PromptConflict)]
    assert len(conflicts) == 2
    winner = await store.get(prompt_id)
    assert (winner.summary.latest_version, conflicts[0].latest) == (2, 2)
    assert f"{winner.created_by} saved Sales Desk as version 2" in str(conflicts[0])


@pytest.mark.parametrize("name", ["sales desk", "SALES DESK", " Sales Desk "])
async def test_a_name_is_given_once_in_any_case(store: PromptStore, name: str) -> None:
    await store.create(FULL, by="anna")
    with pytest.raises(PromptNameTaken, match="Sales Desk already"):
        await store.create(PromptDraft(name, "x"), by="ben")
    other = await store.create(PromptDraft("Sales Désk", "x"), by="ben")
    with pytest.raises(PromptNameTaken):
        await store.save(other.summary.id, PromptDraft(name, "x"), by="ben", expected_version=1)
    own = await store.find("sales desk")
    await store.save(own.summary.id, replace(FULL, name="SALES desk"), by="ben", expected_version=1)


async def test_of_many_who_want_a_name_at_once_one_gets_it(database: Database, second: Database) -> None:
    stores = [PromptStore(database), PromptStore(second)] * 4
    results = await asyncio.gather(
        *(store.create(PromptDraft("wanted", "x"), by="x") for store in stores), return_exceptions=True
    )
    assert sum(isinstance(result, PromptNameTaken) for result in results) == 7


async def test_there_is_always_exactly_one_default(database: Database, second: Database) -> None:
    stores = [PromptStore(database), PromptStore(second)]
    ids = [(await stores[0].create(PromptDraft(f"p{n}", "x"), by="x")).summary.id for n in range(6)]
    await asyncio.gather(*(stores[n % 2].set_default(prompt_id, by="x") for n, prompt_id in enumerate(ids)))
    defaults = [summary for summary in (await stores[0].list()).items if summary.is_default]
    assert len(defaults) == 1
    with pytest.raises(PromptInUse, match="Make another one the default"):
        await stores[0].delete(defaults[0].id)


async def test_the_first_published_prompt_becomes_the_default_and_a_draft_does_not(store: PromptStore) -> None:
    await store.delete((await store.find("receptionist")).summary.id)
    draft = await store.create(PromptDraft("draft", "x"), by="x", publish=False)
    assert not draft.summary.is_default
    with pytest.raises(PromptInUse, match="publish one"):
        await store.set_default(draft.summary.id, by="x")
    assert (await store.create(PromptDraft("first", "x"), by="x")).summary.is_default
    assert not (await store.publish(draft.summary.id, 1, by="x")).summary.is_default


async def test_a_deleted_prompt_is_gone_with_its_versions_and_its_id_is_not_used_again(store: PromptStore) -> None:
    created = await store.create(FULL, by="anna")
    with pytest.raises(PromptConflict):
        await store.delete(created.summary.id, expected_version=9)
    await store.delete(created.summary.id, expected_version=1)
    for missing in (store.get(created.summary.id), store.find("sales desk"), store.delete(created.summary.id)):
        with pytest.raises(PromptNotFound):
            await missing
    again = await store.create(FULL, by="anna")
    # Caches know a version by (id, version): a second prompt with both would answer with the words of the first.
    assert again.summary.id > created.summary.id


async def test_lists_are_paged_sorted_and_searched(store: PromptStore) -> None:
    for name in ("b%1", "B_2", "a", "Ünder"):
        await store.create(PromptDraft(name, "x"), by="x")
    page = await store.list(offset=1, limit=2)
    assert ([item.name for item in page.items], page.total) == (["b%1", "B_2"], 5)
    assert [item.name for item in (await store.list(search="B%")).items] == ["b%1"]
    assert [item.name for item in (await store.list(search="_")).items] == ["B_2"]
    assert [item.name for item in (await store.list(search="üN")).items] == ["Ünder"]
    assert (await store.list(search="\\")).total == 0


async def test_what_is_known_is_not_read_again_but_keeps_up_with_names_and_the_default(store: PromptStore) -> None:
    created = await store.create(FULL, by="anna")
    first = await store.published()
    known = {prompt.key: replace(prompt, content="from memory") for prompt in first.prompts}
    await store.set_default(created.summary.id, by="anna")
    second = await store.published(known)
    assert second.revision == first.revision + 1
    assert {prompt.content for prompt in second.prompts} == {"from memory"}
    assert [prompt.name for prompt in second.prompts if prompt.is_default] == ["Sales Desk"]


DEEP: Any = []
for _ in range(200):
    DEEP = [DEEP]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": " "}, "name"),
        ({"name": "x" * 101}, "name"),
        ({"name": "a,b"}, "name"),
        ({"name": "a\nb"}, "name"),
        ({"content": "  "}, "content"),
        ({"content": "x" * 1_048_577}, "content"),
        ({"content": "a\0b"}, "content"),
        ({"content": "half \ud83d"}, "content"),
        ({"content": "{{ unclosed"}, "content"),
        ({"metadata": {"x": float("nan")}}, "metadata"),
        ({"metadata": {"x": object()}}, "metadata"),
        ({"metadata": {"x": DEEP}}, "metadata"),
        ({"metadata": ["no", "object"]}, "metadata"),
        ({"metadata": {"x": "y" * 1_000_000}}, "metadata"),
        ({"temperature": 3.0}, "temperature"),
        ({"temperature": float("nan")}, "temperature"),
        ({"timeout": 0.0}, "timeout"),
        ({"timeout": float("inf")}, "timeout"),
        ({"model": "m" * 201}, "model"),
        ({"fallback": "f" * 4_001}, "fallback"),
        ({"note": "n" * 501}, "note"),
        ({"actions": (Action(""),)}, "actions.0.name"),
        ({"actions": (Action("a"), Action("a"))}, "actions.1.name"),
        ({"output_schema": {"type": "string"}}, "output_schema"),
        ({"output_schema": {"type": "object", "properties": {}}}, "output_schema"),
        ({"output_schema": {"type": "object", "properties": {"a": {"type": "nonsense"}}}}, "output_schema"),
    ],
)
async def test_what_cannot_be_kept_is_refused_by_its_field(change: dict[str, Any], field: str) -> None:
    database = Database("sqlite://")
    await database.migrate()
    store = PromptStore(database)
    with pytest.raises(PromptInvalid) as caught:
        await store.create(replace(FULL, **change), by="anna")
    assert caught.value.field == field
    assert json.dumps(str(caught.value), ensure_ascii=True)
    assert (await store.list()).total == 1
    await database.aclose()


async def test_a_template_that_does_not_parse_is_its_own_error() -> None:
    database = Database("sqlite://")
    await database.migrate()
    with pytest.raises(PromptTemplateError):
        await PromptStore(database).create(replace(FULL, content="{% if %}"), by="anna")
    await database.aclose()


async def test_checking_a_large_schema_holds_nobody_up(store: PromptStore) -> None:
    properties = {f"field_{number}": {"type": "string"} for number in range(1_500)}
    draft = PromptDraft("large", "x", output_schema={"type": "object", "properties": properties})
    loop = asyncio.get_running_loop()
    start, longest, saving = loop.time(), 0.0, asyncio.create_task(store.create(draft, by="anna"))
    while not saving.done():
        began = loop.time()
        await asyncio.sleep(0.001)
        longest = max(longest, loop.time() - began)
    assert (await saving).prompt.output_schema == draft.output_schema
    assert longest < (loop.time() - start) / 2  # on the event loop it would be nearly all of it


async def test_a_schema_that_no_provider_would_take_is_refused_before_it_is_checked(store: PromptStore) -> None:
    properties = {f"field_{number}": {"type": "string"} for number in range(20_000)}
    with pytest.raises(PromptInvalid, match="at most 64,000") as caught:
        await store.create(PromptDraft("a", "x", output_schema={"type": "object", "properties": properties}), by="a")
    assert caught.value.field == "output_schema"


def test_all_fields_that_are_wrong_are_named_at_once_and_a_template_by_its_line() -> None:
    draft = PromptDraft(
        "a,b",
        "one\n{{ 2 * 2 }}",
        metadata={"x": float("nan")},
        temperature=9,
        timeout=0,
        actions=(Action(""),),
        output_schema={"type": "string"},
    )
    problems = {problem.field: problem for problem in problems_of(draft)}
    assert list(problems) == [
        "name",
        "content",
        "temperature",
        "actions.0.name",
        "output_schema",
        "timeout",
        "metadata",
    ]
    assert problems["content"].line == 2


@pytest.mark.parametrize("number", [0, 2, 2**40])
async def test_a_version_that_cannot_be_is_not_found(store: PromptStore, number: int) -> None:
    record = await store.create(FULL, by="a")
    with pytest.raises(PromptNotFound):
        await store.publish(record.summary.id, number, by="a")
