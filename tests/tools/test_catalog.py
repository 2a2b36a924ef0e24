"""Tools in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
import pytest_asyncio
from structlog.testing import capture_logs

from app.db.database import Database
from app.tools.catalog import ToolCatalog
from app.tools.errors import ToolNotFound
from app.tools.store import ToolStore


@pytest.fixture
def store(database: Database) -> ToolStore:
    return ToolStore(database)


@pytest_asyncio.fixture
async def catalog(store: ToolStore) -> AsyncIterator[ToolCatalog]:
    example = (await store.find("get_order_status")).definition
    for name in ("Zeta", "alpha"):
        await store.create(replace(example, name=name), by="x")
    made = ToolCatalog(store, interval=60)
    await made.start()
    yield made
    await made.aclose()


def names(catalog: ToolCatalog, wanted: tuple[str, ...] | None) -> list[str]:
    return [tool.name for tool in catalog.select(wanted)]


async def test_none_means_all_that_are_enabled_and_an_empty_choice_means_none(catalog: ToolCatalog) -> None:
    assert names(catalog, None) == ["alpha", "get_order_status", "Zeta"]
    assert names(catalog, ()) == []


async def test_a_choice_has_one_order_in_any_case_and_passes_over_what_is_gone(catalog: ToolCatalog) -> None:
    assert names(catalog, ("ZETA", "gone", "Alpha")) == names(catalog, ("alpha", "zeta")) == ["alpha", "Zeta"]


async def test_a_tool_that_is_switched_off_is_not_offered_but_still_known(
    store: ToolStore, catalog: ToolCatalog
) -> None:
    await store.set_enabled(catalog.get("zeta").id, False, by="x")
    assert names(catalog, None) == ["alpha", "get_order_status"]
    assert names(catalog, ("zeta",)) == []
    assert not catalog.get("ZETA").enabled
    assert len(catalog.all()) == 3
    await store.set_enabled(catalog.get("zeta").id, True, by="x")
    assert names(catalog, ("zeta",)) == ["Zeta"]


async def test_what_is_saved_here_is_in_force_when_the_save_returns(store: ToolStore, catalog: ToolCatalog) -> None:
    before = catalog.get("alpha")
    await store.save(before.id, replace(before, name="Beta", description="new"), by="x", expected_version=1)
    assert catalog.get("beta").key == (before.id, 2)
    assert catalog.get("beta").description == "new"
    with pytest.raises(ToolNotFound):
        catalog.get("alpha")


async def test_a_tool_that_is_named_and_not_offered_is_logged_once(store: ToolStore, catalog: ToolCatalog) -> None:
    await store.set_enabled(catalog.get("zeta").id, False, by="x")
    with capture_logs() as lines:
        for _ in range(3):
            assert names(catalog, ("Zeta", "gone", "alpha")) == ["alpha"]
    said = [(line["tool"], line["reason"]) for line in lines if line["event"] == "tools.named_but_not_offered"]
    assert said == [("Zeta", "disabled"), ("gone", "deleted")]
    await store.delete(catalog.get("alpha").id)
    with capture_logs() as lines:
        assert names(catalog, ("alpha",)) == []
    assert [line["reason"] for line in lines if line["event"] == "tools.named_but_not_offered"] == ["deleted"]
