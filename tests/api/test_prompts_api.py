"""``/api/prompts``, on a real database."""

from __future__ import annotations

import re
from typing import Any

import httpx2
import pytest

from app.api.parts import Parts

FULL: dict[str, Any] = {
    "name": "Nachtdienst",
    "content": "You answer at night. The caller's number is {{ caller_number }}.",
    "metadata": {"team": "night", "note": "<script>alert(1)</script>", "deep": [{"ä": None}]},
    "model": "demo",
    "temperature": 0.5,
    "tools": ["get_order_status"],
    "actions": [
        {
            "name": "transfer",
            "description": "A person is wanted.",
            "targets": ["sales", "support"],
            "via": "dialplan",
            "place": "",
            "caller_id": "",
        }
    ],
    "output_schema": {"type": "object", "properties": {"intent": {"type": "string"}}},
    "fallback": "Please call again.",
    "timeout": 8.5,
    "greeting": "Good evening.",
    "note": "first",
}


async def create(client: httpx2.AsyncClient, **changes: Any) -> dict[str, Any]:
    response = await client.post("/api/prompts", json=FULL | changes)
    assert response.status_code == 201, response.text
    body: dict[str, Any] = response.json()
    return body


async def test_what_is_stored_comes_back_as_it_was(client: httpx2.AsyncClient, parts: Parts) -> None:
    response = await client.post("/api/prompts", json=FULL)
    assert response.status_code == 201
    assert response.headers["etag"] == '"1"'
    read = await client.get(response.headers["location"])
    assert read.json() == response.json()
    assert FULL.items() <= read.json().items()
    assert read.json()["created_by"] == "admin"
    assert parts.prompt_catalog.get("nachtdienst").content == FULL["content"]


async def test_the_list_is_paged_and_searched(client: httpx2.AsyncClient) -> None:
    for number in range(5):
        await create(client, name=f"line {number}")
    page = (await client.get("/api/prompts", params={"offset": 1, "limit": 2, "search": "LINE"})).json()
    assert [item["name"] for item in page["items"]] == ["line 1", "line 2"]
    assert (page["total"], page["offset"], page["limit"]) == (5, 1, 2)
    assert (await client.get("/api/prompts", params={"search": "100%"})).json()["total"] == 0


@pytest.mark.parametrize("query", [{"limit": 0}, {"limit": 201}, {"offset": -1}, {"search": "a\x00b"}, {"limit": "x"}])
async def test_a_page_that_cannot_be_is_refused(client: httpx2.AsyncClient, query: dict[str, Any]) -> None:
    assert (await client.get("/api/prompts", params=query)).status_code == 422


async def test_of_two_editors_the_second_is_told_and_nothing_is_lost(client: httpx2.AsyncClient) -> None:
    prompt = await create(client)
    address = f"/api/prompts/{prompt['id']}"
    first = await client.put(address, json=FULL | {"content": "one"}, headers={"If-Match": '"1"'})
    assert first.status_code == 200
    assert first.headers["etag"] == '"2"'
    by_header = await client.put(address, json=FULL | {"content": "two"}, headers={"If-Match": '"1"'})
    assert by_header.status_code == 412
    by_body = await client.put(address, json=FULL | {"content": "two", "expected_version": 1})
    assert by_body.status_code == 409
    assert by_header.json()["code"] == by_body.json()["code"] == "prompt_conflict"
    assert (await client.get(address)).json()["content"] == "one"
    assert (await client.delete(address, headers={"If-Match": '"1"'})).status_code == 412


async def test_saving_without_saying_from_which_version_is_refused(client: httpx2.AsyncClient) -> None:
    prompt = await create(client)
    address = f"/api/prompts/{prompt['id']}"
    refused = await client.put(address, json=FULL)
    assert refused.status_code == 428
    assert "the ETag of your last GET" in refused.json()["detail"]
    assert not re.search(r"\d", refused.json()["detail"]), "a number would be taken for the version"
    assert (await client.put(address, json=FULL, headers={"If-Match": "three"})).status_code == 400
    assert (await client.put(address, json=FULL, headers={"If-Match": "*"})).status_code == 200


async def test_a_draft_is_published_and_rolled_back(client: httpx2.AsyncClient, parts: Parts) -> None:
    prompt = await create(client)
    address = f"/api/prompts/{prompt['id']}"
    draft = FULL | {"content": "draft", "publish": False, "expected_version": 1, "note": "try"}
    body = (await client.put(address, json=draft)).json()
    assert (body["latest_version"], body["published_version"]) == (2, 1)
    assert parts.prompt_catalog.get("Nachtdienst").version == 1
    assert (await client.post(f"{address}/publish", json={"version": 2})).json()["published_version"] == 2
    assert parts.prompt_catalog.get("Nachtdienst").content == "draft"
    assert (await client.post(f"{address}/publish", json={"version": 1})).json()["published_version"] == 1
    versions = (await client.get(f"{address}/versions")).json()
    assert [(v["number"], v["note"], v["published"]) for v in versions["items"]] == [
        (2, "try", False),
        (1, "first", True),
    ]
    assert (await client.get(f"{address}/versions/2")).json()["content"] == "draft"
    assert (await client.post(f"{address}/publish", json={"version": 9})).status_code == 404


async def test_the_default_moves_and_is_not_deleted_under_calls(client: httpx2.AsyncClient) -> None:
    prompt = await create(client)
    assert (await client.delete("/api/prompts/1")).json()["code"] == "prompt_in_use"
    assert (await client.post(f"/api/prompts/{prompt['id']}/default")).json()["is_default"] is True
    assert (await client.delete("/api/prompts/1")).status_code == 204
    assert (await client.get("/api/prompts/1")).status_code == 404


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"content": "{% for %}"}, "content"),
        ({"content": "   "}, "content"),
        ({"content": "\ud800"}, "content"),
        ({"name": "a,b"}, "name"),
        ({"model": "nobody:knows"}, "model"),
        ({"output_schema": {"type": "string"}}, "output_schema"),
        ({"temperature": -1}, "temperature"),
        ({"content": "x" * 1_000_001}, "content"),
        ({"publsh": True}, "publsh"),
    ],
)
async def test_what_is_wrong_is_said_by_field(client: httpx2.AsyncClient, changes: dict[str, Any], field: str) -> None:
    import json

    response = await client.post(
        "/api/prompts", content=json.dumps(FULL | changes), headers={"Content-Type": "application/json"}
    )
    assert response.status_code == 422, response.text[:300]
    assert [error["field"] for error in response.json()["errors"]] == [field]


async def test_a_megabyte_is_a_prompt(client: httpx2.AsyncClient) -> None:
    prompt = await create(client, content="x" * 1_000_000)
    assert len((await client.get(f"/api/prompts/{prompt['id']}")).json()["content"]) == 1_000_000


async def test_all_wrong_actions_are_told_at_once(client: httpx2.AsyncClient) -> None:
    wrong = [{"name": "end_call"}, {"name": "hangup"}, {"name": "leave", "targets": ["701@"]}]
    response = await client.post("/api/prompts", json=FULL | {"actions": wrong})
    assert response.status_code == 422
    errors = response.json()["errors"]
    assert [each["field"] for each in errors] == ["actions.0.name", "actions.2.targets"]
    assert response.json()["detail"] == errors[0]["message"]


async def test_a_name_is_taken_in_any_case(client: httpx2.AsyncClient) -> None:
    await create(client)
    response = await client.post("/api/prompts", json=FULL | {"name": "NACHTDIENST"})
    assert response.status_code == 409
    assert response.json()["code"] == "prompt_name_taken"


async def test_metadata_nested_without_end_is_refused(client: httpx2.AsyncClient) -> None:
    nested: dict[str, Any] = {}
    for _ in range(300):
        nested = {"a": nested}
    response = await client.post("/api/prompts", json=FULL | {"metadata": nested})
    assert response.status_code == 422


async def test_lists_are_sorted_as_asked(client: httpx2.AsyncClient) -> None:
    for name in ("zulu", "alpha"):
        await client.post("/api/prompts", json={"name": name, "content": "x"})
    for sort, names in (
        ("-name", ["zulu", "receptionist", "alpha"]),
        ("updated_at", ["receptionist", "zulu", "alpha"]),
        ("-updated_at", ["alpha", "zulu", "receptionist"]),
    ):
        for kind, expected in (("prompts", names), ("tools", ["get_order_status"])):
            items = (await client.get(f"/api/{kind}", params={"sort": sort})).json()["items"]
            assert [item["name"] for item in items] == expected
    assert (await client.get("/api/prompts", params={"sort": "content"})).status_code == 422


async def test_the_etag_that_a_compressing_proxy_made_weak_is_still_ours(client: httpx2.AsyncClient) -> None:
    body = {"name": "receptionist", "content": "x"}
    assert (await client.put("/api/prompts/1", json=body, headers={"If-Match": 'W/"1"'})).status_code == 200
    assert (await client.put("/api/prompts/1", json=body, headers={"If-Match": 'W/"1"'})).status_code == 412
