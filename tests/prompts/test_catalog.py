"""Prompts in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from sqlalchemy import event

from app.db.database import Database
from app.prompts.catalog import PromptCatalog
from app.prompts.draft import PromptDraft
from app.prompts.errors import PromptNotFound
from app.prompts.store import PromptStore


@pytest.fixture
def store(database: Database) -> PromptStore:
    return PromptStore(database)


@pytest_asyncio.fixture
async def catalog(store: PromptStore) -> AsyncIterator[PromptCatalog]:
    made = PromptCatalog(store, interval=0.02)
    await made.start()
    yield made
    await made.aclose()


async def test_a_name_is_found_in_any_case_and_none_means_the_default(catalog: PromptCatalog) -> None:
    assert catalog.get("Receptionist").name == "receptionist"
    assert catalog.get(None) is catalog.get(" RECEPTIONIST ") is catalog.get("")


async def test_what_is_saved_here_is_in_force_when_the_save_returns(store: PromptStore, catalog: PromptCatalog) -> None:
    created = await store.create(PromptDraft("Sales", "one"), by="x")
    assert catalog.get("sales").content == "one"
    await store.save(created.summary.id, PromptDraft("Sales", "two"), by="x", expected_version=1)
    assert (catalog.get("sales").content, catalog.get("sales").version) == ("two", 2)
    await store.save(created.summary.id, PromptDraft("Sales", "draft"), by="x", expected_version=2, publish=False)
    assert catalog.get("sales").content == "two"
    await store.set_default(created.summary.id, by="x")
    assert catalog.get(None).name == "Sales"
    await store.delete(catalog.get("receptionist").id)
    assert [prompt.name for prompt in catalog.all()] == ["Sales"]


async def test_what_another_instance_saves_is_in_force_after_a_moment(second: Database, catalog: PromptCatalog) -> None:
    await PromptStore(second).create(PromptDraft("Elsewhere", "x"), by="x")
    async with asyncio.timeout(5):
        while True:
            try:
                catalog.get("elsewhere")
                break
            except PromptNotFound:
                await asyncio.sleep(0.01)


async def test_a_name_that_is_not_there_is_answered_with_those_that_are(
    store: PromptStore, catalog: PromptCatalog
) -> None:
    with pytest.raises(
        PromptNotFound, match=r"named recepsionist\. Did you mean receptionist\? There are: receptionist\."
    ):
        catalog.get("recepsionist")
    for number in range(12):
        await store.create(PromptDraft(f"p{number:02}", "x"), by="x")
    with pytest.raises(PromptNotFound, match=r"p09 and 3 more\.$"):
        catalog.get("zzz")


async def test_without_a_default_the_operator_is_told_to_mark_one(store: PromptStore, catalog: PromptCatalog) -> None:
    await store.delete(catalog.get(None).id)
    with pytest.raises(PromptNotFound, match="No prompt is marked as default"):
        catalog.get(None)


async def test_reading_asks_the_database_nothing(database: Database, store: PromptStore) -> None:
    catalog = PromptCatalog(store, interval=60)
    await catalog.start()
    statements: list[str] = []

    def note(*arguments: object) -> None:
        statements.append(str(arguments[2]))

    event.listen(database.engine.sync_engine, "before_cursor_execute", note)
    for _ in range(100):
        catalog.get(None)
        catalog.all()
    assert statements == []
    await catalog.refresh()
    assert not any("prompt_versions" in statement for statement in statements)  # nothing has changed
    await catalog.aclose()
