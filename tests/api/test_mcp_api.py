"""MCP servers over HTTP: registering, trying, choosing tools one by one, and what becomes of them."""

from __future__ import annotations

import json
import sys
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from app.api.parts import Parts
from app.core.permissions import Role
from app.tools.definition import McpCall
from tests.api.conftest import client_for
from tests.tools.conftest import context
from tests.tools.mcp.conftest import running

ADDRESS = "/api/mcp/servers"


async def registered(client: httpx2.AsyncClient, **fields: Any) -> dict[str, Any]:
    answer = await client.post(ADDRESS, json={"name": "shop", **fields})
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def test_a_server_is_registered_tried_and_its_tools_are_chosen_one_by_one(
    client: httpx2.AsyncClient, parts: Parts
) -> None:
    async with running("old") as server:
        shop = await registered(client, url=server.url)
        at = f"{ADDRESS}/{shop['id']}"
        assert shop["session"]["state"] == "idle"
        tried = (await client.post(f"{at}/check")).json()
        assert (tried["state"], tried["server"], tried["reason"]) == ("connected", "shop 7", "")
        offered = {each["tool"]: each for each in (await client.get(f"{at}/tools")).json()["tools"]}
        assert offered["order_status"]["state"] == "new"
        assert offered["cancel_order"]["needs_confirmation"]
        taken = await client.post(f"{at}/tools", json={"tools": [{"tool": "order_status"}, {"tool": "cancel_order"}]})
        assert [each["outcome"] for each in taken.json()["tools"]] == ["created", "created"]
        tool = parts.tool_catalog.get("order_status")
        assert tool.request == McpCall(server=shop["id"], tool="order_status")
        assert parts.tool_catalog.get("cancel_order").behaviour.needs_confirmation
        result = await parts.executor.run(tool, {"number": 7}, context())
        assert json.loads(result.text)["state"] == "on its way"
        states = {each["tool"]: each["state"] for each in (await client.get(f"{at}/tools")).json()["tools"]}
        assert (states["order_status"], states["counts"]) == ("added", "new")
        in_use = await client.delete(at)
        assert in_use.status_code == 409
        assert "cancel_order, order_status" in in_use.json()["detail"]
        assert (await client.delete(at, params={"force": True})).status_code == 204
        assert (await client.get(at)).status_code == 404


async def test_what_changed_at_the_server_is_shown_and_taken_over(client: httpx2.AsyncClient, parts: Parts) -> None:
    async with running("new") as server:
        at = f"{ADDRESS}/{(await registered(client, url=server.url))['id']}"
        made = (await client.post(f"{at}/tools", json={"tools": [{"tool": "slow", "name": "wait"}]})).json()["tools"][0]
        kept = (await client.get(f"/api/tools/{made['tool_id']}")).json()
        fields = {name: kept[name] for name in ("name", "request")} | {"description": "Mine.", "expected_version": 1}
        old = {"type": "object", "properties": {"minutes": {"type": "integer"}}}
        saved = await client.put(f"/api/tools/{made['tool_id']}", json=fields | {"parameters": old})
        assert saved.status_code == 200, saved.text
        found = {each["tool"]: each for each in (await client.get(f"{at}/tools")).json()["tools"]}["slow"]
        assert (found["state"], found["name"]) == ("changed", "wait")
        assert "seconds" in found["parameters"]["properties"]
        taken = (await client.post(f"{at}/tools", json={"tools": [{"tool": "slow"}]})).json()["tools"]
        assert taken[0]["outcome"] == "updated"
        tool = parts.tool_catalog.get("wait")
        assert (tool.version, tool.description, list(tool.parameters["properties"])) == (3, "Mine.", ["seconds"])


async def test_a_name_that_is_taken_gets_the_servers_before_it(client: httpx2.AsyncClient) -> None:
    async with running("new") as server:
        for name in ("shop", "Other shop"):
            at = f"{ADDRESS}/{(await registered(client, name=name, url=server.url))['id']}"
            answer = await client.post(f"{at}/tools", json={"tools": [{"tool": "counts"}]})
            assert answer.status_code == 200, answer.text
            taken = answer.json()["tools"]
        assert taken[0]["name"] == "Other_shop_counts"
        clash = await client.post(f"{at}/tools", json={"tools": [{"tool": "big", "name": "counts"}]})
        assert clash.status_code == 409
        unknown = await client.post(f"{at}/tools", json={"tools": [{"tool": "nothing"}]})
        assert unknown.json()["errors"][0]["field"] == "tools.0"


async def test_a_server_that_is_not_there_is_registered_all_the_same_and_says_why(client: httpx2.AsyncClient) -> None:
    at = f"{ADDRESS}/{(await registered(client, url='http://127.0.0.1:1/mcp'))['id']}"
    tried = (await client.post(f"{at}/check")).json()
    assert tried["state"] == "error"
    assert "127.0.0.1" in tried["reason"]
    assert (await client.get(f"{at}/tools")).status_code == 502
    assert (await client.get(ADDRESS)).json()["items"][0]["session"]["state"] == "error"


async def test_the_guard_holds_for_servers(client: httpx2.AsyncClient) -> None:
    at = f"{ADDRESS}/{(await registered(client, url='http://169.254.169.254/mcp'))['id']}"
    assert "metadata service" in (await client.post(f"{at}/check")).json()["reason"]
    refused = await client.get(f"{at}/tools")
    assert (refused.status_code, refused.json()["code"]) == (502, "tool_refused")


async def test_what_is_wrong_stands_beside_its_field(client: httpx2.AsyncClient) -> None:
    wrong = {
        "name": "x",
        "url": "ftp://shop",
        "headers": {"Authorization": "Bearer abcdef123456", "Host": "x", "X-Key": "{{ secret.missing }}"},
    }
    answer = await client.post(ADDRESS, json=wrong)
    assert answer.status_code == 422
    fields = {each["field"] for each in answer.json()["errors"]}
    assert fields == {"url", "headers.Authorization", "headers.Host", "headers"}
    assert "abcdef123456" not in answer.text


async def test_a_program_is_for_administrators_and_must_be_allowed(
    client: httpx2.AsyncClient, app: FastAPI, parts: Parts
) -> None:
    await parts.accounts.users.create("edith", "a-long-password-1", Role.EDITOR, by="admin")
    program = {"name": "program", "transport": "stdio", "command": sys.executable, "args": ["-m", "x"]}
    async with client_for(app, ("edith", "a-long-password-1")) as editor:
        assert (await editor.post(ADDRESS, json=program)).status_code == 403
        made = await registered(client, **program)
        changed = {**program, "enabled": False}
        assert (await editor.put(f"{ADDRESS}/{made['id']}", json=changed)).status_code == 403
        assert (await editor.delete(f"{ADDRESS}/{made['id']}")).status_code == 403
    refused = await client.post(ADDRESS, json={**program, "name": "other", "command": "/bin/sh"})
    assert refused.json()["errors"][0]["field"] == "command"


async def test_a_server_that_somebody_else_changed_is_not_overwritten(client: httpx2.AsyncClient) -> None:
    made = await registered(client, url="http://127.0.0.1:1/mcp")
    fields = {"name": "shop", "url": "http://127.0.0.1:2/mcp", "expected_revision": made["revision"]}
    at = f"{ADDRESS}/{made['id']}"
    assert (await client.put(at, json=fields)).status_code == 200
    assert (await client.put(at, json=fields)).status_code == 409
    assert (await client.post(ADDRESS, json={"name": "SHOP", "url": "http://127.0.0.1:2/mcp"})).status_code == 409


async def test_changes_are_in_the_audit_log(client: httpx2.AsyncClient) -> None:
    made = await registered(client, url="http://127.0.0.1:1/mcp")
    await client.put(
        f"{ADDRESS}/{made['id']}", json={"name": "shop", "url": "http://127.0.0.1:1/mcp", "enabled": False}
    )
    entries = (await client.get("/api/audit")).json()["items"]
    assert [entry["action"] for entry in entries if entry["kind"] == "mcp_server"] == ["save", "create"]


async def test_a_secret_that_may_not_go_to_the_server_is_refused_when_it_is_saved(client: httpx2.AsyncClient) -> None:
    stored = {"name": "crm-key", "value": "s3cret-of-the-crm", "servers": ["https://crm.example.com"]}
    assert (await client.post("/api/secrets", json=stored)).status_code == 201
    wrong = {
        "name": "x",
        "url": "https://elsewhere.example.com/mcp",
        "headers": {"X-Key": "{{ secret.crm-key }}"},
        "authorisation": {"type": "bearer", "token": "crm-key"},
    }
    answer = await client.post(ADDRESS, json=wrong)
    assert answer.status_code == 422
    assert {each["field"] for each in answer.json()["errors"]} == {"url", "headers.X-Key"}
    assert "may not be sent to https://elsewhere.example.com:443" in answer.text
    assert (await client.post(ADDRESS, json={**wrong, "url": "https://crm.example.com/mcp"})).status_code == 201


async def test_a_secret_goes_to_no_program_that_does_not_stand_with_it(client: httpx2.AsyncClient) -> None:
    stored = {"name": "crm-key", "value": "s3cret-of-the-crm", "servers": ["http://127.0.0.1:19101"]}
    assert (await client.post("/api/secrets", json=stored)).status_code == 201
    env = {"KEY": "{{ secret.crm-key }}"}
    program = {"name": "program", "transport": "stdio", "command": sys.executable, "env": env}
    answer = await client.post(ADDRESS, json=program)
    assert answer.status_code == 422
    (mistake,) = answer.json()["errors"]
    assert mistake["field"] == "env.KEY"
    assert f"may not be sent to program:{sys.executable}" in mistake["message"]
    await client.patch("/api/secrets/crm-key", json={"servers": [f"program:{sys.executable}"]})
    assert (await client.post(ADDRESS, json=program)).status_code == 201


@pytest.mark.parametrize("name", ["LD_PRELOAD", "LD_BIND_NOW", "NODE_OPTIONS", "PYTHONSTARTUP", "BASH_ENV", "PATH"])
async def test_the_environment_of_a_program_does_not_make_another_program_of_it(
    client: httpx2.AsyncClient, name: str
) -> None:
    program = {"name": "program", "transport": "stdio", "command": sys.executable, "env": {name: "/tmp/x"}}
    answer = await client.post(ADDRESS, json=program)
    assert [each["field"] for each in answer.json()["errors"]] == [f"env.{name}"]
