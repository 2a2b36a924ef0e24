"""The pages of users, over HTTP."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import httpx2
import pytest
from fastapi import FastAPI

from app.accounts.identity import User
from app.accounts.users import UserRecord
from app.api.parts import Parts
from app.core.permissions import Role
from app.models.user import UserRow
from tests.api.conftest import LOGIN, client_for

PASSWORD = "k7mf-2qxv-9hta"
SCRIPT = "<script>alert(1)</script>"
FROM_HERE = {"Origin": "http://service.test"}


@pytest.fixture
async def admin(app: FastAPI) -> AsyncIterator[httpx2.AsyncClient]:
    """The first administrator's browser."""
    async with client_for(app, LOGIN) as client:
        client.headers.update(FROM_HERE)
        yield client


@pytest.fixture
async def ann(parts: Parts) -> UserRecord:
    return await parts.accounts.users.create("ann", PASSWORD, Role.EDITOR, by="test")


def new(**changes: str) -> dict[str, str]:
    return {"name": "bob", "role": "viewer", "password": PASSWORD, "again": PASSWORD} | changes


def error(html: str, field: str) -> str:
    """What stands beside the field."""
    found = re.search(rf'id="f-{field}-error">(.*?)</p>', html)
    return found[1] if found else ""


def value(html: str, field: str) -> str:
    found = re.search(rf'name="{field}"[^>]* value="([^"]*)"', html)
    return found[1] if found else ""


async def test_a_user_is_added_and_can_sign_in(app: FastAPI, admin: httpx2.AsyncClient) -> None:
    assert 'autocomplete="new-password"' in (await admin.get("/ui/users/new")).text
    made = await admin.post("/ui/users/new", data=new())
    assert (made.status_code, made.headers["location"]) == (303, "/ui/users")
    html = (await admin.get("/ui/users")).text
    assert "bob can sign in now." in html
    assert "never" in html
    async with client_for(app, ("bob", PASSWORD)) as client:
        assert (await client.get("/api/me")).json()["role"] == "viewer"


@pytest.mark.parametrize(
    ("changes", "field", "says"),
    [
        ({"name": "  "}, "name", "needed"),
        ({"name": "ANN"}, "name", "already"),
        ({"name": "a:b"}, "name", "colon"),
        ({"name": "x" * 101}, "name", "100"),
        ({"name": LOGIN[0]}, "name", "already"),
        ({"role": "king"}, "role", "Choose"),
        ({"password": "", "again": ""}, "password", "needed"),
        ({"password": "sh0rt", "again": "sh0rt"}, "password", "10 characters"),
        ({"password": "bob-bob-bob", "again": "bob-bob-bob"}, "password", "name"),
        ({"again": "another one"}, "again", "not the same"),
    ],
)
async def test_what_is_wrong_stands_beside_its_field_and_the_rest_stays(
    admin: httpx2.AsyncClient, ann: UserRecord, changes: dict[str, str], field: str, says: str
) -> None:
    typed = new(**changes)
    answer = await admin.post("/ui/users/new", data=typed)
    assert answer.status_code in (409, 422)
    assert says in error(answer.text, field)
    assert value(answer.text, "name") == typed["name"].replace("&", "&amp;")
    assert typed["password"] == "" or typed["password"] not in answer.text.replace(typed["name"], "")
    assert (await admin.get("/api/users")).json()["total"] == 1


async def test_script_in_a_name_is_text(admin: httpx2.AsyncClient, parts: Parts) -> None:
    evil = await parts.accounts.users.create(SCRIPT, PASSWORD, Role.EDITOR, by=SCRIPT)
    await parts.accounts.tokens.create(User(SCRIPT, Role.EDITOR, evil.id), name=SCRIPT, role=Role.VIEWER)
    for path in ("", f"/{evil.id}", f"/{evil.id}/password", f"/{evil.id}/delete", "/tokens"):
        html = (await admin.get(f"/ui/users{path}")).text
        assert SCRIPT not in html
        assert "&lt;script&gt;" in html


async def test_a_role_is_changed_and_somebody_is_disabled(
    app: FastAPI, admin: httpx2.AsyncClient, ann: UserRecord
) -> None:
    page = await admin.get(f"/ui/users/{ann.id}")
    body = {"stamp": value(page.text, "stamp"), "name": "Anne", "role": "viewer", "disabled": "on"}
    saved = await admin.post(f"/ui/users/{ann.id}", data=body)
    assert saved.status_code == 303
    assert "Anne cannot sign in any more" in (await admin.get("/ui/users")).text
    async with client_for(app, ("anne", PASSWORD)) as client:
        assert (await client.get("/api/me")).status_code == 401


async def test_of_two_who_edit_the_second_is_told_and_loses_nothing(
    admin: httpx2.AsyncClient, ann: UserRecord, parts: Parts
) -> None:
    stamp = value((await admin.get(f"/ui/users/{ann.id}")).text, "stamp")
    await parts.accounts.users.change(ann.id, role=Role.ADMINISTRATOR, by="carl")
    body = {"stamp": stamp, "name": "Annabel", "role": "viewer"}
    told = await admin.post(f"/ui/users/{ann.id}", data=body)
    assert told.status_code == 409
    assert "carl changed ann in the meantime" in told.text
    assert "What is there now:</strong> ann, administrator" in told.text
    assert value(told.text, "name") == "Annabel"
    again = await admin.post(f"/ui/users/{ann.id}", data=body | {"stamp": value(told.text, "stamp")})
    assert again.status_code == 303
    assert (await parts.accounts.users.get(ann.id)).name == "Annabel"


async def test_a_password_is_set_by_typing_it_twice(app: FastAPI, admin: httpx2.AsyncClient, ann: UserRecord) -> None:
    address = f"/ui/users/{ann.id}/password"
    assert "not the same" in error((await admin.post(address, data={"password": PASSWORD})).text, "again")
    easy = await admin.post(address, data={"password": "ann" * 4, "again": "ann" * 4})
    assert "little more than the name" in error(easy.text, "password")
    done = await admin.post(address, data={"password": PASSWORD + "x", "again": PASSWORD + "x"})
    assert (done.status_code, done.headers["location"]) == (303, f"/ui/users/{ann.id}")
    async with client_for(app, ("ann", PASSWORD + "x")) as client:
        assert (await client.get("/api/me")).status_code == 200


async def test_deleting_names_the_tokens_that_end_with_it(
    admin: httpx2.AsyncClient, ann: UserRecord, parts: Parts
) -> None:
    for name in ("deploy prompts", "nightly report"):
        await parts.accounts.tokens.create(User("ann", Role.EDITOR, ann.id), name=name, role=Role.EDITOR)
    page = await admin.get(f"/ui/users/{ann.id}/delete")
    assert "These 2 API tokens end" in page.text
    assert "deploy prompts" in page.text
    assert (await admin.get("/api/users")).json()["total"] == 1
    stamp = value(page.text, "stamp")
    await parts.accounts.users.change(ann.id, disabled=True, by="carl")
    told = await admin.post(f"/ui/users/{ann.id}/delete", data={"stamp": stamp})
    assert (told.status_code, "carl changed ann" in told.text) == (409, True)
    done = await admin.post(f"/ui/users/{ann.id}/delete", data={"stamp": value(told.text, "stamp")})
    assert done.status_code == 303
    assert "ann is deleted" in (await admin.get("/ui/users")).text
    gone = await admin.get(f"/ui/users/{ann.id}")
    assert (gone.status_code, "Traceback" in gone.text) == (404, False)


async def test_nobody_locks_themselves_out(app: FastAPI, parts: Parts) -> None:
    boss = await parts.accounts.users.create("boss", PASSWORD, Role.ADMINISTRATOR, by="test")
    async with client_for(app, ("boss", PASSWORD)) as client:
        client.headers.update(FROM_HERE)
        html = (await client.get(f"/ui/users/{boss.id}")).text
        assert 'name="role"' not in html
        assert 'name="disabled"' not in html
        assert (await client.post(f"/ui/users/{boss.id}/delete")).status_code == 409
        # What is not offered is not done either.
        sent = {"name": "boss", "role": "viewer", "disabled": "on"}
        assert (await client.post(f"/ui/users/{boss.id}", data=sent)).status_code == 303
    now = await parts.accounts.users.get(boss.id)
    assert (now.role, now.disabled) == (Role.ADMINISTRATOR, False)


async def test_the_list_is_filtered_sorted_and_paged(admin: httpx2.AsyncClient, parts: Parts) -> None:
    first = await parts.accounts.users.create("user 00", PASSWORD, Role.VIEWER, by="test")
    async with parts.database.session() as session:
        row = await session.get_one(UserRow, first.id)
        kept = {name: getattr(row, name) for name in ("role", "password_hash", "disabled", "created_at", "updated_at")}
        session.add_all(
            UserRow(name=f"user {n:02}", name_key=f"user {n:02}", updated_by="test", **kept) for n in range(1, 51)
        )
    await parts.accounts.users.change(1, disabled=True, by="test")
    assert "1 to 50 of 51" in (await admin.get("/ui/users")).text
    assert "user 50" in (await admin.get("/ui/users?page=2")).text
    only = (await admin.get("/ui/users?which=disabled")).text
    assert "user 00" in only
    assert "user 01" not in only
    backwards = (await admin.get("/ui/users?sort=-name&search=USER")).text
    assert backwards.index("user 50") < backwards.index("user 49")
    assert "Nobody is found" in (await admin.get("/ui/users?search=zebra")).text
    assert (await admin.get("/ui/users?sort=nonsense")).status_code == 200
    assert (await admin.get("/ui/users?page=0")).status_code == 422


async def test_a_form_of_another_site_or_of_no_browser_is_refused(
    admin: httpx2.AsyncClient, app: FastAPI, ann: UserRecord
) -> None:
    foreign = {"Origin": "https://elsewhere.test"}
    assert (await admin.post("/ui/users/new", data=new(), headers=foreign)).status_code == 403
    async with client_for(app) as client:
        assert (await client.post(f"/ui/users/{ann.id}/delete", data={})).status_code == 403


@pytest.mark.parametrize("role", [Role.VIEWER, Role.EDITOR])
async def test_others_are_not_offered_these_pages_and_do_not_get_them(app: FastAPI, parts: Parts, role: Role) -> None:
    await parts.accounts.users.create("bob", PASSWORD, role, by="test")
    async with client_for(app, ("bob", PASSWORD)) as client:
        client.headers.update(FROM_HERE)
        assert "/ui/users" not in (await client.get("/ui/account")).text
        for path in ("", "/new", "/1", "/1/password", "/1/delete", "/tokens"):
            assert (await client.get(f"/ui/users{path}")).status_code == 403
        assert (await client.post("/ui/users/1", data={"name": "x", "role": "administrator"})).status_code == 403


async def test_an_administrators_token_manages_nobody(app: FastAPI, admin: httpx2.AsyncClient, ann: UserRecord) -> None:
    made = await admin.post("/api/tokens", json={"name": "x", "role": "administrator"})
    async with client_for(app, None) as client:
        client.headers.update(FROM_HERE | {"Authorization": f"Bearer {made.json()['token']}"})
        for path, body in (("new", new()), (str(ann.id), {"name": "x"}), (f"{ann.id}/delete", {})):
            assert (await client.post(f"/ui/users/{path}", data=body)).status_code == 403
