"""The pages of MCP servers: register, look, choose, and what is wrong beside its field."""

from __future__ import annotations

import httpx2

from app.api.parts import Parts
from tests.tools.mcp.conftest import running

ORIGIN = {"Origin": "http://service.test"}


async def test_a_server_is_registered_and_a_tool_chosen_under_another_name(
    client: httpx2.AsyncClient,
    parts: Parts,
) -> None:
    async with running("old") as server:
        made = await client.post(
            "/ui/mcp/new", data={"name": "Shop", "url": server.url, "enabled": "on"}, headers=ORIGIN
        )
        assert (made.status_code, made.headers["location"]) == (303, "/ui/mcp/1/tools")
        page = (await client.get("/ui/mcp/1/tools")).text
        assert "Say where an order is." in page
        chosen = {"tool": "order_status", "name.order_status": "where_is_it"}
        assert (await client.post("/ui/mcp/1/tools", data=chosen, headers=ORIGIN)).status_code == 303
        assert parts.tool_catalog.get("where_is_it").enabled
        assert "In the catalogue" in (await client.get("/ui/mcp/1/tools")).text
        assert "where_is_it" in (await client.get("/ui/mcp")).text
        kept = await client.post("/ui/mcp/1/delete", data={}, headers=ORIGIN)
        assert kept.status_code == 409
        assert "where_is_it" in kept.text
        assert (await client.post("/ui/mcp/1/delete", data={"force": "on"}, headers=ORIGIN)).status_code == 303


async def test_what_is_wrong_stands_beside_its_field_and_nothing_typed_is_lost(client: httpx2.AsyncClient) -> None:
    typed = {"name": "Shop", "url": "ftp://x", "header_name": "X-Api-Key", "header_value": "abcdef1234567"}
    page = await client.post("/ui/mcp/new", data=typed, headers=ORIGIN)
    assert page.status_code == 422
    assert 'value="ftp://x"' in page.text
    assert "The URL begins with http" in page.text
    assert "Store it as a secret" in page.text


async def test_a_server_that_cannot_be_reached_says_why(client: httpx2.AsyncClient) -> None:
    await client.post(
        "/ui/mcp/new", data={"name": "Store", "url": "http://10.20.0.14:8100/mcp", "enabled": "on"}, headers=ORIGIN
    )
    page = await client.get("/ui/mcp/1/tools")
    assert page.status_code == 200
    assert "TOOLS_ALLOWED_HOSTS" in page.text
    assert "Cannot be reached" in (await client.get("/ui/mcp")).text
