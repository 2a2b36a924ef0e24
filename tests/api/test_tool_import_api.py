"""Importing tools from OpenAPI documents over HTTP."""

from __future__ import annotations

import json
from typing import Any

import httpx2
import pytest

from app.api import tool_import
from app.api.parts import Parts
from tests.tools.openapi.documents import PET_STORE, minimal

ADDRESS = "/api/tools/import/openapi"
CHOSEN = ["getPetById", "updatePet"]


async def imported(client: httpx2.AsyncClient, **body: Any) -> Any:
    answer = await client.post(ADDRESS, json={"document": PET_STORE, **body})
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_a_look_saves_nothing(client: httpx2.AsyncClient) -> None:
    shown = await imported(client)
    assert shown["imported"] is None
    assert shown["server"] == "https://eu.petstore.example/api/v3"
    states = {each["id"]: each["state"] for each in shown["operations"]}
    assert states["getPetById"] == "new"
    assert states["uploadImage"] == "impossible"
    assert shown["operations"][0]["tool"]["request"]["url"].endswith("/pet/{{ petId }}")
    assert (await client.get("/api/tools")).json()["total"] == 1


async def test_chosen_operations_become_tools_and_a_second_import_changes_nothing(
    client: httpx2.AsyncClient, parts: Parts
) -> None:
    first = await imported(client, operations=CHOSEN)
    assert [each["outcome"] for each in first["imported"]] == ["created", "created"]
    assert parts.tool_catalog.get("updatePet").http.method == "PUT"
    again = await client.post(ADDRESS, json={"document": PET_STORE, "operations": CHOSEN})
    assert again.status_code == 409
    second = await imported(client, operations=CHOSEN, update=True)
    assert [each["outcome"] for each in second["imported"]] == ["unchanged", "unchanged"]
    assert [each["tool_id"] for each in second["imported"]] == [each["tool_id"] for each in first["imported"]]
    assert parts.tool_catalog.get("updatePet").version == 1
    states = {each["id"]: (each["exists"], each["state"]) for each in (await imported(client))["operations"]}
    assert states["updatePet"] == (True, "unchanged")


async def test_an_update_keeps_what_the_operator_added(client: httpx2.AsyncClient, parts: Parts) -> None:
    made = (await imported(client, operations=["updatePet"], headers={"X-Api-Key": "first-key"}))["imported"][0]
    tool = (await client.get(f"/api/tools/{made['tool_id']}")).json()
    assert tool["request"]["headers"]["X-Api-Key"] == "***"
    request = tool["request"] | {"timeout": 9, "query": {"token": "a-token"}}
    fields = {name: tool[name] for name in ("name", "description", "parameters")}
    saved = await client.put(
        f"/api/tools/{made['tool_id']}",
        json=fields | {"request": request, "enabled": False},
        headers={"If-Match": '"1"'},
    )
    assert saved.status_code == 200, saved.text
    newer = PET_STORE.replace("Update a pet", "Change a pet")
    result = await imported(client, document=newer, operations=["updatePet"], update=True)
    assert result["imported"][0]["outcome"] == "updated"
    kept = parts.tool_catalog.get("updatePet")
    assert kept.version == 3
    assert kept.description == "Change a pet"
    assert kept.enabled is False
    assert kept.request.timeout == 9
    assert kept.http.headers == {"X-Api-Key": "first-key"}
    assert kept.http.query == {"token": "a-token"}


async def test_an_update_that_leads_to_another_server_does_not_take_the_key_along(
    client: httpx2.AsyncClient, parts: Parts
) -> None:
    await imported(client, operations=["updatePet"], headers={"X-Api-Key": "first-key", "X-Line": "7"})
    await imported(client, operations=["updatePet"], update=True, base_url="https://other.example")
    assert parts.tool_catalog.get("updatePet").http.headers == {"X-Line": "7"}


async def test_all_are_imported_or_none(client: httpx2.AsyncClient) -> None:
    taken = await imported(client, operations=["updatePet"])
    answer = await client.post(ADDRESS, json={"document": PET_STORE, "operations": CHOSEN})
    assert answer.status_code == 409
    wrong = await client.post(
        ADDRESS, json={"document": PET_STORE, "operations": ["getPetById", "nothing", "uploadImage"]}
    )
    assert wrong.status_code == 422
    assert [each["field"] for each in wrong.json()["errors"]] == ["operations.1", "operations.2"]
    assert "nothing but files" in wrong.json()["errors"][1]["message"]
    assert (await client.get("/api/tools")).json()["total"] == 1 + len(taken["imported"])


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"document": "swagger: '2.0'"}, "document"),
        ({"document": ""}, "document"),
        ({"document": minimal(servers=[])}, "base_url"),
        ({"document": minimal(), "base_url": "x"}, "base_url"),
        ({"document": minimal(), "headers": {"A": 1}}, "headers.A"),
    ],
)
async def test_what_is_wrong_is_said_by_field(client: httpx2.AsyncClient, body: dict[str, Any], field: str) -> None:
    answer = await client.post(ADDRESS, json=body)
    assert answer.status_code == 422, answer.text
    assert [error["field"] for error in answer.json()["errors"]] == [field]


async def test_a_header_that_cannot_be_sent_is_said_of_each_operation(client: httpx2.AsyncClient) -> None:
    shown = await imported(client, document=minimal(), headers={"X": "a\nb"})
    assert "line breaks" in shown["operations"][0]["problems"][0]
    assert shown["operations"][0]["state"] == "impossible"


async def test_only_so_many_documents_are_read_at_a_time(
    client: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tool_import._reading, "now", tool_import.MAX_READING)
    answer = await client.post(ADDRESS, json={"document": PET_STORE})
    assert (answer.status_code, answer.json()["code"]) == (503, "busy")


async def test_the_answer_holds_no_key(client: httpx2.AsyncClient) -> None:
    shown = await imported(client, headers={"Authorization": "Bearer abcdefgh"}, operations=CHOSEN)
    assert "abcdefgh" not in json.dumps(shown)


KEY = "Zx81-secret-key"


@pytest.mark.parametrize("reference", ["#/servers/foo", "#/info/title/x", "#/openapi/1/2", "#/paths/~1pets/get/tags/x"])
async def test_a_reference_into_nowhere_is_a_note(client: httpx2.AsyncClient, reference: str) -> None:
    body = {"content": {"application/json": {"schema": {"$ref": reference}}}}
    paths = {"/pets": {"post": {"operationId": "a", "requestBody": body}}, "/other": {"$ref": reference}}
    shown = await imported(client, document=minimal(paths=paths))
    assert "leads to nothing" in str(shown["operations"][0]["problems"])


async def test_a_limit_that_is_no_number_is_left_out(client: httpx2.AsyncClient) -> None:
    document = """# YAML, since JSON does not know it
        {openapi: 3.0.0, info: {title: T, version: "1"}, servers: [{url: "http://h"}], paths: {/a: {get: {
        operationId: a, parameters: [{name: q, in: query, schema: {type: number, maximum: 1e999}}]}}}}"""
    shown = await imported(client, document=document, operations=["a"])
    assert shown["imported"][0]["outcome"] == "created"


async def test_a_title_that_no_note_can_hold_is_cut(client: httpx2.AsyncClient, parts: Parts) -> None:
    paths = {"/a": {"get": {"operationId": "a", "summary": "What\0ever"}}}
    document = minimal(paths=paths, info={"title": "\0" + "€" * 190, "version": "1"})
    shown = await imported(client, document=document, operations=["a"])
    record = await parts.tools.get(shown["imported"][0]["tool_id"])
    assert record.note.startswith("From €€")


async def test_a_key_in_an_address_of_the_document_is_shown_nowhere(client: httpx2.AsyncClient) -> None:
    servers = [{"url": f"https://h.example?api_key={KEY}"}]
    paths = {f"/a?api_key={KEY}": {"get": {}}, "/b": {"get": {"operationId": "b", "servers": servers}}}
    body = {"document": minimal(paths=paths, servers=servers)}
    refused = await client.post(ADDRESS, json=body)
    assert refused.status_code == 422
    assert KEY not in refused.text
    assert "without it" in refused.json()["detail"]
    answer = await client.post(ADDRESS, json={**body, "base_url": "https://h.example"})
    assert KEY not in answer.text
    assert [each["state"] for each in answer.json()["operations"]] == ["impossible", "new"]
