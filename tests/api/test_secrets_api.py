"""``/api/secrets``."""

from __future__ import annotations

from typing import Any

import httpx2

from app.api.parts import Parts

VALUE = "s3cr3t-value-that-nobody-sees"
NEW = {"name": "crm-token", "value": VALUE, "servers": ["https://crm.example.com/v2"], "description": "Customers"}
TOOL: dict[str, Any] = {
    "name": "find_customer",
    "description": "Finds a customer by number.",
    "parameters": {"type": "object", "properties": {}},
    "request": {"method": "GET", "url": "https://crm.example.com/customers"},
    "authorisation": {"type": "bearer", "token": "crm-token"},
}


async def test_a_secret_is_stored_changed_and_deleted_and_its_value_never_comes_out(
    client: httpx2.AsyncClient, parts: Parts
) -> None:
    made = await client.post("/api/secrets", json=NEW)
    assert made.status_code == 201
    assert made.headers["Location"] == "/api/secrets/crm-token"
    assert made.json()["servers"] == ["https://crm.example.com:443"]
    assert parts.secret_catalog.current()["crm-token"].value == VALUE

    etag = made.headers["ETag"]
    changed = await client.patch("/api/secrets/crm-token", json={"description": "x"}, headers={"If-Match": etag})
    assert changed.status_code == 200
    stale = await client.put("/api/secrets/crm-token", json={"value": "other"}, headers={"If-Match": etag})
    assert (stale.status_code, stale.json()["code"]) == (412, "secret_conflict")
    replaced = await client.put("/api/secrets/CRM-TOKEN", json={"value": VALUE + "2"})
    assert parts.secret_catalog.current()["crm-token"].value == VALUE + "2"

    listed = await client.get("/api/secrets")
    assert [each["name"] for each in listed.json()["items"]] == ["crm-token"]
    shown = await client.get("/api/secrets/crm-token")
    audit = await client.get("/api/audit")
    for answer in (made, changed, stale, replaced, listed, shown, audit):
        assert VALUE not in answer.text
        assert "v1." not in answer.text
    assert (await client.delete("/api/secrets/crm-token")).status_code == 204
    assert (await client.get("/api/secrets/crm-token")).status_code == 404


async def test_what_is_wrong_is_said_by_field_and_the_value_is_not_repeated(client: httpx2.AsyncClient) -> None:
    for change, field in (
        ({"name": "sk live/1"}, "name"),
        ({"servers": []}, "servers"),
        ({"servers": ["crm.example.com"]}, "servers"),
        ({"value": "\n"}, "value"),
        ({"value": VALUE * 4_000}, "value"),
        ({"value": [VALUE]}, "value"),
        ({"value": VALUE, "valeu": VALUE}, "valeu"),
    ):
        answer = await client.post("/api/secrets", json=NEW | change)
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, field)
        assert VALUE not in answer.text
    await client.post("/api/secrets", json=NEW)
    taken = await client.post("/api/secrets", json=NEW)
    assert (taken.status_code, taken.json()["errors"][0]["field"]) == (409, "name")


async def test_a_tool_names_its_secret_and_the_secret_its_tools(client: httpx2.AsyncClient) -> None:
    check = (await client.post("/api/tools/check", json=TOOL)).json()
    assert [each["field"] for each in check["problems"]] == ["authorisation.token"]
    refused = await client.post("/api/tools", json=TOOL)
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "authorisation.token")

    await client.post("/api/secrets", json=NEW)
    assert (await client.post("/api/tools/check", json=TOOL)).json()["problems"] == []
    made = await client.post("/api/tools", json=TOOL)
    assert made.status_code == 201
    (user,) = (await client.get("/api/secrets/crm-token")).json()["used_by"]
    assert (user["name"], user["fields"], user["refused"]) == ("find_customer", ["authorisation.token"], "")

    in_use = await client.delete("/api/secrets/crm-token")
    assert (in_use.status_code, in_use.json()["code"]) == (409, "secret_in_use")
    moved = await client.patch("/api/secrets/crm-token", json={"servers": ["https://other.example.com"]})
    assert "crm.example.com" in moved.json()["used_by"][0]["refused"]
    check = (await client.post("/api/tools/check", json=TOOL | {"tool_id": made.json()["id"]})).json()
    assert [each["field"] for each in check["problems"]] == ["request.url"]
    assert (await client.delete("/api/secrets/crm-token?force=true")).status_code == 204
