"""Tools that name secrets, when they are saved in any way."""

from __future__ import annotations

import pytest

from app.db.database import Database
from app.models.base import utc_now
from app.models.mcp import McpServerRow
from app.tools.errors import ToolInvalid
from app.tools.store import ToolStore
from app.tools.vault.errors import SecretInUse
from app.tools.vault.store import SecretStore
from app.tools.writes import ImportedTool
from tests.tools.vault.conftest import CRM
from tests.tools.vault.test_secret_store import crm_tool


async def refusal(work: object) -> list[str]:
    with pytest.raises(ToolInvalid) as caught:
        await work  # type: ignore[misc]
    return [each.field for each in caught.value.mistakes]


async def test_a_tool_is_saved_only_with_secrets_that_are_there_and_may_go_where_it_sends_them(
    store: SecretStore, database: Database
) -> None:
    tools = ToolStore(database)
    unknown = ["authorisation.token"]
    assert await refusal(tools.create(crm_tool(), by="ann")) == unknown
    draft = ImportedTool(crm_tool(), lambda there: there)
    assert await refusal(tools.bring_in([draft], by="ann", note="", update=False)) == unknown

    await store.create("CRM-token", "x", servers=[CRM], by="ann")  # another name: tools name it exactly
    assert await refusal(tools.create(crm_tool(), by="ann")) == unknown
    await store.delete("CRM-token", by="ann")

    await store.create("crm-token", "x", servers=[CRM], by="ann")
    made = await tools.create(crm_tool(), by="ann")
    elsewhere = crm_tool(request={"method": "GET", "url": "https://crm.example.com.evil.example/customers"})
    save = tools.save(made.definition.id, elsewhere, by="eve", expected_version=None)
    assert await refusal(save) == ["request.url"]
    assert (await tools.get(made.definition.id)).definition.version == 1

    await store.delete("crm-token", by="ann", force=True)
    assert await refusal(tools.duplicate(made.definition.id, "copy", by="ann")) == unknown
    # What needs no secret is saved as ever, and one without its secret can be switched off.
    await tools.set_enabled(made.definition.id, False, by="ann")
    assert (await tools.create(crm_tool(name="open", authorisation=None), by="ann")).definition.version == 1


async def test_the_token_endpoint_must_be_one_of_the_servers_too(store: SecretStore, database: Database) -> None:
    await store.create("client", "x", servers=[CRM], by="ann")
    login = {
        "type": "oauth2",
        "grant": "client_credentials",
        "token_url": "https://login.example.com/token",
        "client_id": "gateway",
        "client_secret": "client",
    }
    create = ToolStore(database).create(crm_tool(authorisation=login), by="ann")
    assert await refusal(create) == ["authorisation.token_url"]
    await store.change("client", servers=[CRM, "https://login.example.com"], by="ann")
    record = await store.get("client")
    await ToolStore(database).create(crm_tool(authorisation=login), by="ann")
    (user,) = (await store.used_by([record]))["client"]
    assert (list(user.fields), user.refused) == (["authorisation.client_secret"], "")


async def test_a_secret_within_the_request_is_held_to_the_same(store: SecretStore, database: Database) -> None:
    tools = ToolStore(database)

    def sending(url: str) -> object:
        request = {"method": "GET", "url": url, "headers": {"X-Key": "{{ secret.crm-token }}"}}
        return tools.create(crm_tool(request=request, authorisation=None), by="ann")

    assert await refusal(sending(CRM)) == ["request.headers.X-Key"]
    record = await store.create("crm-token", "x", servers=[CRM], by="ann")
    assert await refusal(sending("https://evil.example.com/?a=1")) == ["request.headers.X-Key"]
    await sending(f"{CRM}/customers")  # type: ignore[misc]
    (user,) = (await store.used_by([record]))["crm-token"]
    assert (list(user.fields), user.refused) == (["request.headers.X-Key"], "")
    with pytest.raises(SecretInUse):
        await store.delete("crm-token", by="ann")


async def test_mcp_servers_that_name_it_are_told_too(store: SecretStore, database: Database) -> None:
    record = await store.create("crm-token", "x", servers=[CRM], by="ann")
    row = {"name_key": "crm", "name": "CRM", "transport": "http", "enabled": True, "revision": 1}
    settings = {"url": "https://mcp.example.com/mcp", "headers": {"X-Key": "{{ secret.crm-token }}"}}
    who = {"created_at": utc_now(), "updated_at": utc_now(), "created_by": "ann", "updated_by": "ann"}
    async with database.session() as session:
        session.add(McpServerRow(**row, **who, settings=settings))
    (user,) = (await store.used_by([record]))["crm-token"]
    assert (user.kind, user.name, list(user.fields)) == ("mcp_server", "CRM", ["headers.X-Key"])
    assert "https://mcp.example.com:443" in user.refused
    with pytest.raises(SecretInUse, match="CRM"):
        await store.delete("crm-token", by="ann")


async def test_a_program_that_may_not_get_it_any_more_is_told_too(store: SecretStore, database: Database) -> None:
    record = await store.create("stock", "x", servers=[CRM], by="ann")
    row = {"name_key": "stock", "name": "Stock", "transport": "stdio", "enabled": True, "revision": 1}
    settings = {"command": "/bin/stock-mcp", "args": [], "env": {"KEY": "{{ secret.stock }}"}}
    who = {"created_at": utc_now(), "updated_at": utc_now(), "created_by": "ann", "updated_by": "ann"}
    async with database.session() as session:
        session.add(McpServerRow(**row, **who, settings=settings))
    (user,) = (await store.used_by([record]))["stock"]
    assert "may not be sent to program:/bin/stock-mcp" in user.refused
    record = await store.change("stock", servers=[CRM, "program:/bin/stock-mcp"], by="ann")
    (user,) = (await store.used_by([record]))["stock"]
    assert user.refused == ""
