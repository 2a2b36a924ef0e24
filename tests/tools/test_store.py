"""Tools on all three databases: versions, names, and two editors at once."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any, cast

import pytest
from sqlalchemy import update

from app.db.database import Database
from app.db.page import Sort
from app.models.tool import ToolVersionRow
from app.tools.definition import RequestSpec, ToolDefinition
from app.tools.errors import ToolConflict, ToolInvalid, ToolNameTaken, ToolNotFound, ToolUnreadable
from app.tools.store import ToolStore

TOOL = ToolDefinition(
    id=0,
    version=0,
    name="Book_Table",
    description="Books a table für Gäste 🎉",
    parameters={"type": "object", "properties": {"z": {"type": "integer"}, "a": {"type": "string"}}},
    request=RequestSpec(
        "POST",
        "https://api.example/tables/{{ a }}",
        headers={"X-Key": "k"},
        query={"n": "{{ z }}"},
        json_body={"who": ["{{ call.caller_number }}"]},
        timeout=2.5,
        max_response_bytes=5_000,
    ),
)


@pytest.fixture
def store(database: Database) -> ToolStore:
    return ToolStore(database)


async def test_everything_that_was_saved_comes_back_as_it_was(store: ToolStore) -> None:
    created = await store.create(TOOL, by="anna", note="first")
    read = await store.get(created.summary.id)
    assert read == created
    assert read.definition == replace(TOOL, id=created.summary.id, version=1)
    assert list(read.definition.parameters["properties"]) == ["z", "a"]
    assert (read.note, read.created_by) == ("first", "anna")


async def test_every_save_is_a_version_and_switching_is_none(store: ToolStore) -> None:
    tool_id = (await store.create(TOOL, by="anna")).summary.id
    saved = await store.save(tool_id, replace(TOOL, description="b"), by="ben", expected_version=1, note="b")
    off = await store.set_enabled(tool_id, False, by="cleo")
    assert (saved.definition.version, off.definition.version, off.definition.enabled) == (2, 2, False)
    assert [(v.number, v.created_by, v.note) for v in (await store.versions(tool_id)).items] == [
        (2, "ben", "b"),
        (1, "anna", ""),
    ]
    assert (await store.version(tool_id, 1)).definition.description == TOOL.description
    with pytest.raises(ToolNotFound, match="no version 3"):
        await store.version(tool_id, 3)


async def test_the_second_of_two_editors_is_told_who_was_faster(store: ToolStore) -> None:
    tool_id = (await store.create(TOOL, by="anna")).summary.id
    results = await asyncio.gather(
        *(store.save(tool_id, TOOL, by=by, expected_version=1) for by in ("ben", "cleo")), return_exceptions=True
    )
    conflicts = [result for result in results if isinstance(result, ToolConflict)]
    assert len(conflicts) == 1
    assert conflicts[0].latest == 2
    with pytest.raises(ToolConflict):
        await store.delete(tool_id, expected_version=1)


async def test_a_name_is_given_once_in_any_case(store: ToolStore) -> None:
    await store.create(TOOL, by="anna")
    with pytest.raises(ToolNameTaken, match="Book_Table already"):
        await store.create(replace(TOOL, name="book_table"), by="ben")
    example = (await store.find("GET_ORDER_STATUS")).summary
    with pytest.raises(ToolNameTaken):
        await store.save(example.id, TOOL, by="ben", expected_version=None)


async def test_a_deleted_tool_is_gone_and_its_id_is_not_used_again(store: ToolStore) -> None:
    created = await store.create(TOOL, by="anna")
    await store.delete(created.summary.id)
    for missing in (store.get(created.summary.id), store.find("book_table"), store.versions(created.summary.id)):
        with pytest.raises(ToolNotFound):
            await missing
    assert (await store.create(TOOL, by="anna")).summary.id > created.summary.id


async def test_lists_are_paged_searched_and_filtered(store: ToolStore) -> None:
    tool_id = (await store.create(TOOL, by="anna")).summary.id
    await store.set_enabled(tool_id, False, by="anna")
    assert [item.name for item in (await store.list(limit=1)).items] == ["Book_Table"]
    assert [item.name for item in (await store.list(enabled=True)).items] == ["get_order_status"]
    assert (await store.list(enabled=False, search="ORDER")).total == 0


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"description": "nul \0"}, "description"),
        ({"description": "half \ud83d"}, "description"),
        ({"parameters": {"type": "object", "properties": {"a": {"default": float("inf")}}}}, "parameters"),
        ({"request": replace(TOOL.http, json_body={"a": float("nan")})}, "request"),
        ({"request": replace(TOOL.http, json_body="x" * 1_000_000)}, "request"),
    ],
)
async def test_what_the_databases_could_not_keep_is_refused_by_its_field(change: dict[str, Any], field: str) -> None:
    database = Database("sqlite://")
    await database.migrate()
    with pytest.raises(ToolInvalid) as caught:
        await ToolStore(database).create(replace(TOOL, **change), by="anna")
    assert caught.value.field == field
    await database.aclose()


async def test_a_save_does_not_switch_a_tool_on_that_somebody_switched_off_meanwhile(store: ToolStore) -> None:
    tool_id = (await store.create(TOOL, by="anna")).summary.id
    await store.set_enabled(tool_id, False, by="ben")
    saved = await store.save(tool_id, TOOL, by="anna", expected_version=1, keep_enabled=True)
    assert not saved.definition.enabled
    assert (await store.save(tool_id, TOOL, by="anna", expected_version=2)).definition.enabled


async def test_lists_are_sorted_by_name_or_change_either_way(store: ToolStore) -> None:
    for name in ("beta", "alpha", "gamma"):
        await store.create(replace(TOOL, name=name), by="anna")
    for sort, names in (
        ("name", ["alpha", "beta", "gamma", "get_order_status"]),
        ("-name", ["get_order_status", "gamma", "beta", "alpha"]),
        ("updated_at", ["get_order_status", "beta", "alpha", "gamma"]),
        ("-updated_at", ["gamma", "alpha", "beta", "get_order_status"]),
    ):
        assert [tool.name for tool in (await store.list(sort=cast(Sort, sort))).items] == names


@pytest.mark.parametrize(
    ("request_", "options"),
    [
        ({"kind": "carrier-pigeon"}, {}),
        ({"kind": "mcp"}, {}),
        ({"method": "GET", "url": "http://h/"}, {"authorisation": {"type": "palm-reading"}}),
    ],
)
async def test_a_tool_that_a_later_version_wrote_takes_no_other_one_away(
    store: ToolStore, database: Database, request_: dict[str, Any], options: dict[str, Any]
) -> None:
    kept = await store.create(TOOL, by="anna")
    later = await store.create(replace(TOOL, name="later"), by="anna")
    async with database.session() as session:
        await session.execute(
            update(ToolVersionRow)
            .where(ToolVersionRow.tool_id == later.summary.id)
            .values(request=request_, options=options)
        )
    names = {tool.name for tool in (await store.current()).tools}
    assert kept.summary.name in names
    assert "later" not in names
    with pytest.raises(ToolUnreadable):
        await store.get(later.summary.id)
