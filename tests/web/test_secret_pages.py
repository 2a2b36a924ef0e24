"""The pages of secrets, over HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx2
import pytest
from fastapi import FastAPI
from sqlalchemy import update

from app.api.parts import Parts
from app.core.permissions import Role
from app.core.sealing import Sealer
from app.models.secret import SecretRow
from app.tools.validation import parse_definition
from app.tools.vault.records import SecretRecord
from tests.api.conftest import LOGIN, client_for
from tests.api.test_secrets_api import TOOL
from tests.web.test_user_pages import FROM_HERE, error, value

VALUE = "s3cr3t-value-that-nobody-sees"
CRM = "https://crm.example.com"


@pytest.fixture
async def admin(app: FastAPI) -> AsyncIterator[httpx2.AsyncClient]:
    async with client_for(app, LOGIN) as client:
        client.headers.update(FROM_HERE)
        yield client


@pytest.fixture
async def secret(parts: Parts) -> SecretRecord:
    return await parts.secrets.create("crm-token", VALUE, servers=[CRM], description="Customers", by="test")


@pytest.fixture
async def tool_id(parts: Parts, secret: SecretRecord) -> int:
    return (await parts.tools.create(parse_definition(TOOL), by="test")).definition.id


def new(**changes: str) -> dict[str, str]:
    typed = {"name": "erp.key", "value": VALUE, "servers": f"{CRM}/v2?x=1\r\nhttp://10.0.0.5:8080", "description": ""}
    return typed | changes


async def test_a_secret_is_stored_and_listed_without_its_value(admin: httpx2.AsyncClient, parts: Parts) -> None:
    assert "none yet" in (await admin.get("/ui/secrets")).text
    made = await admin.post("/ui/secrets/new", data=new())
    assert (made.status_code, made.headers["location"]) == (303, "/ui/secrets")
    html = (await admin.get("/ui/secrets")).text
    assert "erp.key is stored." in html
    assert "<code>https://crm.example.com</code>" in html
    assert "<code>http://10.0.0.5:8080</code>" in html
    assert VALUE not in html
    assert parts.secret_catalog.current()["erp.key"].value == VALUE


async def test_a_certificate_keeps_its_lines(admin: httpx2.AsyncClient, parts: Parts) -> None:
    pem = "-----BEGIN CERTIFICATE-----\r\nMIIB\r\nAAAA\r\n-----END CERTIFICATE-----\r\n"
    await admin.post("/ui/secrets/new", data=new(value=pem))
    assert parts.secret_catalog.current()["erp.key"].value == pem.replace("\r\n", "\n").strip()


@pytest.mark.parametrize(
    ("changes", "field", "says"),
    [
        ({"name": "  "}, "name", "tools name"),
        ({"name": "a b"}, "name", "letters, digits"),
        ({"name": "CRM-token"}, "name", "already"),
        ({"value": " "}, "value", "empty"),
        ({"value": "x" * 65_537}, "value", "65,537 bytes"),
        ({"servers": " \r\n"}, "servers", "at least one"),
        ({"servers": "crm.example.com"}, "servers", "https://"),
        ({"description": "x" * 501}, "description", "500"),
    ],
)
async def test_what_is_wrong_stands_beside_its_field_and_all_but_the_value_stays(
    admin: httpx2.AsyncClient, secret: SecretRecord, changes: dict[str, str], field: str, says: str
) -> None:
    typed = new(description="Kept words") | changes
    answer = await admin.post("/ui/secrets/new", data=typed)
    assert answer.status_code in (409, 422)
    assert says in error(answer.text, field)
    assert VALUE not in answer.text
    assert "x" * 600 not in answer.text
    if "value" not in changes:
        assert "Type the value again" in error(answer.text, "value")
    if "description" not in changes:
        assert value(answer.text, "description") == "Kept words"


async def test_a_value_is_replaced_and_the_page_never_shows_one(
    admin: httpx2.AsyncClient, parts: Parts, secret: SecretRecord, tool_id: int
) -> None:
    address = f"/ui/secrets/{secret.id}/value"
    html = (await admin.get(address)).text
    assert "find_customer" in html
    done = await admin.post(address, data={"value": "another value", "stamp": value(html, "stamp")})
    assert done.status_code == 303
    assert parts.secret_catalog.current()["crm-token"].value == "another value"
    stale = await admin.post(address, data={"value": VALUE, "stamp": value(html, "stamp")})
    assert stale.status_code == 409
    assert "admin changed crm-token" in stale.text
    assert VALUE not in stale.text
    for page in (address, f"/ui/secrets/{secret.id}", "/ui/secrets", "/ui/audit"):
        html = (await admin.get(page)).text
        assert "another value" not in html
        assert VALUE not in html


async def test_who_takes_a_server_away_is_told_which_tools_fail_then(
    admin: httpx2.AsyncClient, secret: SecretRecord, tool_id: int
) -> None:
    address = f"/ui/secrets/{secret.id}"
    html = (await admin.get(address)).text
    assert "https://crm.example.com</textarea>" in html
    saved = await admin.post(
        address, data={"servers": "https://other.example.com", "stamp": value(html, "stamp"), "description": "New"}
    )
    assert (saved.status_code, saved.headers["location"]) == (303, address)
    html = (await admin.get(address)).text
    assert "may not send crm-token where they go any more: find_customer" in html
    assert "Not sent" in html
    clash = await admin.post(address, data={"servers": CRM, "stamp": "old", "description": "Mine"})
    assert clash.status_code == 409
    assert "What is there now" in clash.text
    assert value(clash.text, "description") == "Mine"


async def test_one_in_use_is_deleted_only_with_the_box_ticked(
    admin: httpx2.AsyncClient, secret: SecretRecord, tool_id: int
) -> None:
    address = f"/ui/secrets/{secret.id}/delete"
    html = (await admin.get(address)).text
    assert "find_customer" in html
    refused = await admin.post(address, data={"stamp": value(html, "stamp")})
    assert refused.status_code == 409
    assert (await admin.post(address, data={"stamp": value(html, "stamp"), "force": "on"})).status_code == 303
    assert (await admin.get(address)).status_code == 404


async def test_one_that_cannot_be_read_is_said_in_words(
    admin: httpx2.AsyncClient, parts: Parts, secret: SecretRecord
) -> None:
    sealed = Sealer(b"the key of another installation").seal(VALUE, name="secret:crm-token")
    async with parts.database.session() as session:
        await session.execute(update(SecretRow).values(sealed=sealed))
    html = (await admin.get("/ui/secrets")).text
    assert "One secret cannot be read." in html
    assert "SECRET_KEY_PREVIOUS" in html
    assert "cannot be read with this SECRET_KEY" in (await admin.get(f"/ui/secrets/{secret.id}")).text


async def test_only_administrators_find_it_in_the_menu(
    app: FastAPI, parts: Parts, admin: httpx2.AsyncClient, secret: SecretRecord
) -> None:
    assert 'href="/ui/secrets"' in (await admin.get("/ui/audit")).text
    assert f'href="/ui/secrets/{secret.id}"' in (await admin.get("/ui/audit?kind=secret")).text
    await parts.accounts.users.create("ann", "k7mf-2qxv-9hta", Role.EDITOR, by="test")
    async with client_for(app, ("ann", "k7mf-2qxv-9hta")) as editor:
        assert 'href="/ui/secrets"' not in (await editor.get("/ui/account")).text
        assert (await editor.get(f"/ui/secrets/{secret.id}")).status_code == 403
        assert [each["name"] for each in (await editor.get("/api/secrets")).json()["items"]] == ["crm-token"]


async def test_everything_that_is_wrong_is_said_at_once(admin: httpx2.AsyncClient) -> None:
    html = (await admin.post("/ui/secrets/new", data=new(name="a b", value="", servers="crm"))).text
    assert all(error(html, field) for field in ("name", "value", "servers"))


async def test_who_stores_a_short_value_is_told_that_models_may_read_it(
    admin: httpx2.AsyncClient, secret: SecretRecord
) -> None:
    assert (await admin.post("/ui/secrets/new", data=new(value="h7x-2"))).status_code == 303
    html = (await admin.get("/ui/secrets")).text
    assert "fewer than 6 characters" in html
    assert "h7x-2" not in html
    await admin.post(f"/ui/secrets/{secret.id}/value", data={"value": "pin-12", "stamp": secret.stamp})
    assert "fewer than 6" not in (await admin.get(f"/ui/secrets/{secret.id}")).text
