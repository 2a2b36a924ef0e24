"""The pages of one's own account, over HTTP."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import httpx2
import pytest
from fastapi import FastAPI

from app.api.parts import Parts
from app.core.permissions import Permission, Role
from app.web import roles
from tests.api.conftest import LOGIN, client_for

PASSWORD = "k7mf-2qxv-9hta"
FROM_HERE = {"Origin": "http://service.test"}


@pytest.fixture
async def ann(app: FastAPI, parts: Parts) -> AsyncIterator[httpx2.AsyncClient]:
    """The browser of an editor."""
    await parts.accounts.users.create("ann", PASSWORD, Role.EDITOR, by="test")
    async with client_for(app, ("ann", PASSWORD)) as client:
        client.headers.update(FROM_HERE)
        yield client


def error(html: str, field: str) -> str:
    found = re.search(rf'id="f-{field}-error">(.*?)</p>', html)
    return found[1] if found else ""


def test_every_permission_and_role_has_words() -> None:
    assert set(roles._PERMISSION_WORDS) == set(Permission)
    assert set(roles.ROLE_WORDS) == set(Role)


async def test_it_says_who_one_is_and_what_one_may(ann: httpx2.AsyncClient) -> None:
    html = (await ann.get("/ui/account")).text
    may, may_not = html.split("Not with this role")
    assert "Write, publish and delete prompts" in may
    assert "Add, change and delete users" in may_not
    assert "Sign out" in html


async def test_the_own_password_is_changed_with_the_present_one(app: FastAPI, ann: httpx2.AsyncClient) -> None:
    page = (await ann.get("/ui/account/password")).text
    assert 'autocomplete="current-password"' in page
    assert page.count('autocomplete="new-password"') == 2
    other = PASSWORD + "-next"
    body = {"current": PASSWORD, "password": other, "again": other}
    wrong = await ann.post("/ui/account/password", data=body | {"current": "not this one"})
    assert "not your present password" in error(wrong.text, "current")
    assert other not in wrong.text
    short = await ann.post("/ui/account/password", data=body | {"password": "x", "again": "x"})
    assert "10 characters" in error(short.text, "password")
    typo = await ann.post("/ui/account/password", data=body | {"again": "y"})
    assert "not the same" in error(typo.text, "again")
    done = await ann.post("/ui/account/password", data=body)
    assert (done.status_code, "is changed" in done.text) == (200, True)
    assert (await ann.get("/ui/account")).status_code == 401
    async with client_for(app, ("ann", other)) as client:
        assert (await client.get("/ui/account")).status_code == 200


async def test_the_first_administrator_is_told_where_the_password_is(client: httpx2.AsyncClient) -> None:
    page = (await client.get("/ui/account/password")).text
    assert "WEB_UI_PASSWORD" in page
    assert "<form" not in page
    body = {"current": LOGIN[1], "password": PASSWORD, "again": PASSWORD}
    refused = await client.post("/ui/account/password", data=body, headers=FROM_HERE)
    assert refused.status_code == 409
    assert "WEB_UI_PASSWORD in the settings" in refused.text


async def test_a_token_is_shown_once_with_a_line_to_try_it(app: FastAPI, ann: httpx2.AsyncClient) -> None:
    form = (await ann.get("/ui/account/tokens/new")).text
    assert 'value="editor"' in form
    assert 'value="administrator"' not in form
    day = (datetime.now(UTC) + timedelta(days=30)).date().isoformat()
    made = await ann.post("/ui/account/tokens/new", data={"name": "deploy", "role": "viewer", "until": day})
    assert made.status_code == 200
    assert made.headers["cache-control"] == "no-store"
    (secret,) = set(re.findall(r"aai_[\w-]{20,}", made.text))
    assert f'data-copy="{secret}"' in made.text
    assert "http://service.test/api/me" in made.text
    async with client_for(app, None) as stranger:
        me = await stranger.get("/api/me", headers={"Authorization": f"Bearer {secret}"})
        assert (me.json()["role"], me.json()["token"]) == ("viewer", "deploy")
    listed = (await ann.get("/ui/account")).text
    assert secret not in listed
    assert secret[:8] in listed
    assert day in listed


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "x" * 101}, "name"),
        ({"role": "administrator"}, "role"),
        ({"role": "king"}, "role"),
        ({"until": "tomorrow"}, "until"),
        ({"until": "2020-01-01"}, "until"),
        ({"until": "9999-12-31"}, "until"),
    ],
)
async def test_what_is_wrong_with_a_token_stands_beside_its_field(
    ann: httpx2.AsyncClient, changes: dict[str, str], field: str
) -> None:
    typed = {"name": "deploy", "role": "viewer", "until": ""} | changes
    answer = await ann.post("/ui/account/tokens/new", data=typed)
    assert answer.status_code == 422
    assert error(answer.text, field)
    assert f'value="{typed["until"]}"' in answer.text
    assert (await ann.get("/api/tokens")).json()["total"] == 0


async def test_a_token_is_revoked_after_a_question(ann: httpx2.AsyncClient, parts: Parts) -> None:
    made = await ann.post("/api/tokens", json={"name": "deploy", "role": "viewer"})
    address = f"/ui/account/tokens/{made.json()['id']}/revoke"
    assert "Revoke deploy?" in (await ann.get(address)).text
    assert (await ann.get("/api/tokens")).json()["total"] == 1
    done = await ann.post(address)
    assert (done.status_code, done.headers["location"]) == (303, "/ui/account")
    assert "deploy of ann is worth nothing now" in (await ann.get("/ui/account")).text
    assert (await ann.get(address)).status_code == 404


async def test_tokens_of_others_are_an_administrators_matter(
    ann: httpx2.AsyncClient, client: httpx2.AsyncClient
) -> None:
    mine = (await client.post("/api/tokens", json={"name": "mine", "role": "viewer"})).json()["id"]
    hers = (await ann.post("/api/tokens", json={"name": "hers", "role": "viewer"})).json()["id"]
    assert (await ann.get(f"/ui/account/tokens/{mine}/revoke")).status_code == 404
    assert (await ann.post(f"/ui/account/tokens/{mine}/revoke")).status_code == 404
    assert "hers" in (await client.get("/ui/users/tokens?search=HER")).text
    done = await client.post(f"/ui/account/tokens/{hers}/revoke", headers=FROM_HERE)
    assert done.headers["location"] == "/ui/users/tokens"


async def test_signing_out_has_the_browser_forget_the_login(ann: httpx2.AsyncClient) -> None:
    answer = await ann.post("/ui/account/sign-out")
    assert answer.status_code == 401
    # With a challenge it would ask for the next one, over this page.
    assert "www-authenticate" not in answer.headers
    assert answer.headers["clear-site-data"] == '"cookies"'
    assert "Signed out" in answer.text
    assert "/ui/account" not in answer.text
    foreign = await ann.post("/ui/account/sign-out", headers={"Origin": "https://elsewhere.test"})
    assert foreign.status_code == 403


async def test_a_token_changes_nothing_here(app: FastAPI, ann: httpx2.AsyncClient) -> None:
    made = await ann.post("/api/tokens", json={"name": "x", "role": "editor"})
    async with client_for(app, None) as client:
        client.headers.update(FROM_HERE | {"Authorization": f"Bearer {made.json()['token']}"})
        assert "with the API token x" in (await client.get("/ui/account")).text
        for path in ("password", "tokens/new", f"tokens/{made.json()['id']}/revoke"):
            assert (await client.post(f"/ui/account/{path}", data={})).status_code == 403
