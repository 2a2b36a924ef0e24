"""Every role tries every route, and gets exactly what it may. A new route without an entry here fails."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Final

import httpx2
import pytest
from fastapi import FastAPI

from app.api.access import needs
from app.api.install import install
from app.api.parts import Parts
from app.core.permissions import PERMISSIONS, Permission, Role
from tests.api.conftest import LOGIN, client_for

V, E, A, OPEN = "viewer", "editor", "administrator", "everybody"

# Method and address: the least role that may.
TABLE: Final = {
    "GET /": V,
    "GET /ui": V,
    "GET /ui/status/live": V,
    "GET /ui/charts": V,
    "GET /ui/settings": A,
    "GET /ui/settings/doctor": A,
    "POST /ui/settings/doctor": A,
    "GET /ui/start": A,
    "GET /ui/start/live": A,
    "POST /ui/start/check": A,
    "POST /ui/start/prompt": E,
    "GET /ui/prompts": V,
    "GET /ui/prompts/{prompt_id}/versions": V,
    "GET /ui/prompts/{prompt_id}/versions/{number}": V,
    "GET /ui/prompts/{prompt_id}/compare": V,
    "GET /ui/prompts/new": E,
    "POST /ui/prompts/new": E,
    "GET /ui/prompts/{prompt_id}": V,
    "POST /ui/prompts/{prompt_id}": E,
    "GET /ui/prompts/{prompt_id}/publish": E,
    "POST /ui/prompts/{prompt_id}/publish": E,
    "POST /ui/prompts/{prompt_id}/default": E,
    "GET /ui/prompts/{prompt_id}/duplicate": E,
    "POST /ui/prompts/{prompt_id}/duplicate": E,
    "GET /ui/prompts/{prompt_id}/delete": E,
    "POST /ui/prompts/{prompt_id}/delete": E,
    "GET /ui/prompts/import": E,
    "POST /ui/prompts/import": E,
    "GET /api/mcp/servers": V,
    "POST /api/mcp/servers": E,
    "GET /api/mcp/servers/{server_id}": V,
    "PUT /api/mcp/servers/{server_id}": E,
    "DELETE /api/mcp/servers/{server_id}": E,
    "POST /api/mcp/servers/{server_id}/check": E,
    "GET /api/mcp/servers/{server_id}/tools": E,
    "POST /api/mcp/servers/{server_id}/tools": E,
    "GET /ui/mcp": V,
    "GET /ui/mcp/new": E,
    "POST /ui/mcp/new": E,
    "GET /ui/mcp/{server_id}": E,
    "POST /ui/mcp/{server_id}": E,
    "GET /ui/mcp/{server_id}/tools": E,
    "POST /ui/mcp/{server_id}/tools": E,
    "GET /ui/mcp/{server_id}/delete": E,
    "POST /ui/mcp/{server_id}/delete": E,
    "GET /ui/tools": V,
    "GET /ui/tools/new": E,
    "POST /ui/tools/new": E,
    "GET /ui/tools/python": V,
    "POST /ui/tools/check": E,
    "POST /ui/tools/try": E,
    "GET /ui/tools/import": E,
    "POST /ui/tools/import": E,
    "GET /ui/tools/{tool_id}": V,
    "POST /ui/tools/{tool_id}": E,
    "POST /ui/tools/{tool_id}/enabled": E,
    "GET /ui/tools/{tool_id}/duplicate": E,
    "POST /ui/tools/{tool_id}/duplicate": E,
    "GET /ui/tools/{tool_id}/delete": E,
    "POST /ui/tools/{tool_id}/delete": E,
    "GET /ui/tools/{tool_id}/versions": V,
    "GET /ui/tools/{tool_id}/versions/{number}": V,
    "GET /ui/tools/{tool_id}/compare": V,
    "GET /ui/playground": E,
    "GET /ui/replay": E,
    "GET /docs": V,
    "GET /redoc": V,
    "GET /openapi.json": V,
    "GET /metrics": V,
    "GET /healthz": OPEN,
    "GET /readyz": OPEN,
    "GET /static": OPEN,
    "GET /api/example/orders/{order_id}": OPEN,
    "GET /api/status": V,
    "GET /api/status/live": V,
    "GET /api/dialplan": V,
    "GET /api/dialplan.conf": V,
    "GET /api/settings": A,
    "GET /api/doctor": A,
    "POST /api/doctor": A,
    "GET /api/setup": A,
    "GET /api/calls": V,
    "GET /api/calls/{conversation_id}": V,
    "GET /api/calls/turns": V,
    "GET /api/calls/turns/{turn_id}": V,
    "GET /api/calls/export.json": V,
    "GET /api/calls/export.csv": V,
    "GET /api/calls/stats": V,
    "GET /api/calls/live": V,
    "GET /api/calls/now": V,
    "GET /api/calls/{conversation_id}/export.json": V,
    "POST /api/playground/turns": E,
    "POST /api/replay": E,
    "GET /api/prompts": V,
    "POST /api/prompts": E,
    "GET /api/prompts/{prompt_id}": V,
    "PUT /api/prompts/{prompt_id}": E,
    "DELETE /api/prompts/{prompt_id}": E,
    "GET /api/prompts/{prompt_id}/versions": V,
    "GET /api/prompts/{prompt_id}/versions/{number}": V,
    "POST /api/prompts/{prompt_id}/publish": E,
    "POST /api/prompts/{prompt_id}/default": E,
    "POST /api/prompts/{prompt_id}/duplicate": E,
    "GET /api/prompts/{prompt_id}/usage": V,
    "GET /api/prompts/{prompt_id}/compare": V,
    "POST /api/prompts/check": E,
    "GET /api/prompts/export": V,
    "POST /api/prompts/import": E,
    "GET /api/tools": V,
    "GET /api/tools/python": V,
    "POST /api/tools": E,
    "GET /api/tools/{tool_id}": V,
    "PUT /api/tools/{tool_id}": E,
    "DELETE /api/tools/{tool_id}": E,
    "POST /api/tools/{tool_id}/enabled": E,
    "POST /api/tools/check": E,
    "POST /api/tools/try": E,
    "POST /api/tools/import/openapi": E,
    "POST /api/tools/{tool_id}/duplicate": E,
    "GET /api/tools/{tool_id}/usage": V,
    "GET /api/tools/{tool_id}/versions": V,
    "GET /api/tools/{tool_id}/versions/{number}": V,
    "GET /api/me": V,
    "PUT /api/me/password": V,
    "GET /api/tokens": V,
    "POST /api/tokens": V,
    "DELETE /api/tokens/{token_id}": V,
    "GET /api/secrets": E,
    "POST /api/secrets": A,
    "GET /api/secrets/{name}": E,
    "PUT /api/secrets/{name}": A,
    "PATCH /api/secrets/{name}": A,
    "DELETE /api/secrets/{name}": A,
    "GET /api/users": A,
    "POST /api/users": A,
    "GET /api/users/{user_id}": A,
    "PATCH /api/users/{user_id}": A,
    "DELETE /api/users/{user_id}": A,
    "GET /api/audit": A,
    "GET /api/audit/{entry_id}": A,
    "GET /ui/calls": V,
    "GET /ui/calls/live": V,
    "GET /ui/calls/turns/{turn_id}": V,
    "GET /ui/calls/{conversation_id}": V,
    "GET /ui/account": V,
    "GET /ui/account/password": V,
    "POST /ui/account/password": V,
    "GET /ui/account/tokens/new": V,
    "POST /ui/account/tokens/new": V,
    "GET /ui/account/tokens/{token_id}/revoke": V,
    "POST /ui/account/tokens/{token_id}/revoke": V,
    "POST /ui/account/sign-out": V,
    "GET /ui/secrets": A,
    "GET /ui/secrets/new": A,
    "POST /ui/secrets/new": A,
    "GET /ui/secrets/{secret_id}": A,
    "POST /ui/secrets/{secret_id}": A,
    "GET /ui/secrets/{secret_id}/value": A,
    "POST /ui/secrets/{secret_id}/value": A,
    "GET /ui/secrets/{secret_id}/delete": A,
    "POST /ui/secrets/{secret_id}/delete": A,
    "GET /ui/users": A,
    "GET /ui/users/new": A,
    "POST /ui/users/new": A,
    "GET /ui/users/tokens": A,
    "GET /ui/users/{user_id}": A,
    "POST /ui/users/{user_id}": A,
    "GET /ui/users/{user_id}/password": A,
    "POST /ui/users/{user_id}/password": A,
    "GET /ui/users/{user_id}/delete": A,
    "POST /ui/users/{user_id}/delete": A,
    "GET /ui/audit": A,
    "GET /ui/audit/{entry_id}": A,
}

PASSWORD: Final = "a long password"


def routes_of(routes: Any, prefix: str = "") -> set[str]:
    """Method and address of all routes, with those of included routers and of mounts."""
    found: set[str] = set()
    for route in routes:
        candidates = route.effective_candidates() if hasattr(route, "effective_candidates") else None
        if candidates is not None:
            found |= routes_of(candidates, prefix)
        elif getattr(route, "methods", None):
            found |= {f"{method} {prefix}{route.path}" for method in route.methods if method not in ("HEAD", "OPTIONS")}
        else:
            found.add(f"GET {prefix}{route.path}")
    return found


@pytest.fixture
async def people(parts: Parts) -> dict[Role, tuple[str, str]]:
    """A login of each role."""
    for role in Role:
        await parts.accounts.users.create(f"the {role}", PASSWORD, role, by="test")
    return {role: (f"the {role}", PASSWORD) for role in Role}


def test_every_route_is_in_the_table_and_nothing_else(app: FastAPI) -> None:
    assert routes_of(app.routes) == set(TABLE)


@pytest.mark.parametrize("role", list(Role))
async def test_every_role_gets_exactly_what_it_may(
    app: FastAPI, people: dict[Role, tuple[str, str]], role: Role
) -> None:
    ranks = [OPEN, *Role]
    for watched in (app.state.parts.live, app.state.parts.samples.watchers):
        watched.close()  # an open live view would never end
    async with client_for(app, people[role]) as client:
        for route, least in TABLE.items():
            method, path = route.split()
            # Things that are not there: who may is told so, and nothing changes.
            for name in (
                "{prompt_id}",
                "{tool_id}",
                "{user_id}",
                "{token_id}",
                "{number}",
                "{entry_id}",
                "{secret_id}",
            ):
                path = path.replace(name, "99999")
            # Pages take forms from our own pages alone, and a browser says where they come from.
            headers = {"Origin": str(client.base_url).rstrip("/")}
            response = await client.request(method, path.replace("{order_id}", "A1042"), headers=headers)
            refused = response.status_code == 403
            assert refused is (ranks.index(role) < ranks.index(least)), (route, role, response.status_code)
            if refused and not path.startswith("/ui"):
                assert response.json()["code"] == "forbidden"
                assert response.headers["content-type"] == "application/problem+json"
            assert response.status_code != 500, route


async def test_a_route_that_declares_nothing_is_closed_to_everybody(parts: Parts) -> None:
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    install(app)
    app.state.parts = parts

    @app.get("/forgotten")
    async def forgotten() -> str:
        return "secret"

    @app.get("/declared")
    @needs(Permission.MANAGE_SECRETS)
    async def declared() -> str:
        return "secret"

    async with client_for(app) as client:
        assert (await client.get("/forgotten")).json()["code"] == "forbidden"
        assert (await client.get("/declared")).json() == "secret"


def test_each_role_may_what_the_one_before_it_may_and_more() -> None:
    assert PERMISSIONS[Role.VIEWER] < PERMISSIONS[Role.EDITOR] < PERMISSIONS[Role.ADMINISTRATOR] == set(Permission)


@pytest.fixture
async def admin(app: FastAPI) -> AsyncIterator[httpx2.AsyncClient]:
    async with client_for(app, LOGIN) as client:
        yield client


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def test_a_user_is_added_changed_and_removed(app: FastAPI, admin: httpx2.AsyncClient) -> None:
    ann = {"name": "Ann", "password": PASSWORD, "role": "viewer"}
    made = await admin.post("/api/users", json=ann)
    assert made.status_code == 201
    address = made.headers["location"]
    assert (await admin.get(address)).json() == made.json()
    assert "password" not in made.text
    assert (await admin.post("/api/users", json=ann | {"name": "ANN"})).json()["code"] == "user_name_taken"
    short = await admin.post("/api/users", json=ann | {"name": "bob", "password": "hunter2"})
    assert (short.status_code, short.json()["errors"][0]["field"]) == (422, "password")
    assert "hunter2" not in short.text
    async with client_for(app, ("ann", PASSWORD)) as client:
        assert (await client.get("/api/me")).json()["permissions"] == ["read", "own_account"]
        assert (await client.put("/api/me/password", json={"password": "the next password"})).status_code == 204
        assert (await client.get("/api/me")).json()["code"] == "login_wrong"
    assert (await admin.patch(address, json={"role": "editor", "disabled": True})).json()["disabled"] is True
    async with client_for(app, ("ann", "the next password")) as client:
        assert (await client.get("/api/me")).json()["code"] == "login_wrong"
    assert (await admin.delete(address)).status_code == 204
    assert (await admin.get(address)).json()["code"] == "user_not_found"
    mine = await admin.put("/api/me/password", json={"password": PASSWORD})
    assert mine.json()["code"] == "first_administrator"
    log = (await admin.get("/api/audit", params={"kind": "user", "sort": "at"})).json()
    assert [(e["actor"], e["action"]) for e in log["items"]] == [
        ("admin", "create"),
        ("Ann", "password"),
        ("admin", "save"),
        ("admin", "delete"),
    ]
    assert {e["address"] for e in log["items"]} == {"192.0.2.7"}
    assert PASSWORD not in str(log)


async def test_a_token_is_shown_once_and_needs_no_check_of_its_site(
    admin: httpx2.AsyncClient, stranger: httpx2.AsyncClient
) -> None:
    made = await admin.post("/api/tokens", json={"name": "deploy", "role": "editor"})
    token = made.json()["token"]
    assert token not in (await admin.get("/api/tokens")).text
    headers = bearer(token) | {"Origin": "https://elsewhere.test", "Sec-Fetch-Site": "cross-site"}
    saved = await stranger.post("/api/prompts", json={"name": "by token", "content": "x"}, headers=headers)
    assert saved.status_code == 201
    form = await stranger.post("/api/prompts", content=b"x", headers=headers | {"Content-Type": "text/plain"})
    assert form.status_code == 415
    entry = (await admin.get("/api/audit", params={"search": "BY TOKEN"})).json()["items"][0]
    assert (entry["actor"], entry["token"], entry["action"]) == ("admin", "deploy", "create")
    assert (await stranger.get("/api/users", headers=headers)).json()["code"] == "forbidden"
    assert (await stranger.get("/api/tokens?everybody=true", headers=headers)).status_code == 403
    for refused in (
        await stranger.post("/api/tokens", json={"name": "more", "role": "viewer"}, headers=headers),
        await stranger.put("/api/me/password", json={"password": PASSWORD}, headers=headers),
        await stranger.delete(made.headers["location"], headers=headers),
    ):
        assert refused.json()["code"] == "password_required"
    assert (await admin.delete(made.headers["location"])).status_code == 204
    gone = await stranger.get("/api/me", headers=headers)
    assert (gone.status_code, gone.json()["code"]) == (401, "token_wrong")
    assert gone.headers["www-authenticate"].startswith("Bearer ")


async def test_a_token_of_nobody_else_is_seen_or_revoked(
    app: FastAPI, admin: httpx2.AsyncClient, people: dict[Role, tuple[str, str]]
) -> None:
    async with client_for(app, people[Role.EDITOR]) as client:
        too_much = await client.post("/api/tokens", json={"name": "x", "role": "administrator"})
        assert too_much.json()["errors"][0]["field"] == "role"
        made = await client.post("/api/tokens", json={"name": "mine", "role": "viewer"})
    async with client_for(app, people[Role.VIEWER]) as client:
        assert (await client.get("/api/tokens")).json()["total"] == 0
        assert (await client.get("/api/tokens?everybody=true")).status_code == 403
        assert (await client.delete(made.headers["location"])).json()["code"] == "token_not_found"
    listed = (await admin.get("/api/tokens?everybody=true")).json()["items"]
    assert [(t["owner"], t["name"]) for t in listed] == [("the editor", "mine")]
    assert (await admin.delete(made.headers["location"])).status_code == 204


async def test_a_save_that_began_before_a_rollback_is_told(admin: httpx2.AsyncClient) -> None:
    one = {"name": "night", "content": "One."}
    made = await admin.post("/api/prompts", json=one)
    address = made.headers["location"]
    seen = (
        await admin.put(address, json=one | {"content": "Two."}, headers={"If-Match": made.headers["etag"]})
    ).headers
    rolled_back = await admin.post(f"{address}/publish", json={"version": 1})
    assert (seen["etag"], rolled_back.headers["etag"]) == ('"2"', '"2.1"')
    late = await admin.put(address, json=one | {"content": "Three."}, headers={"If-Match": seen["etag"]})
    assert (late.status_code, late.json()["code"]) == (412, "prompt_conflict")
    assert "put version 1 of night in force" in late.json()["detail"]
    assert (await admin.delete(address, headers={"If-Match": seen["etag"]})).status_code == 412
    now = (await admin.get(address)).headers["etag"]
    saved = await admin.put(address, json=one | {"content": "Three."}, headers={"If-Match": now})
    assert saved.headers["etag"] == '"3"'
    draft = await admin.post("/api/prompts", json=one | {"name": "draft", "publish": False})
    assert draft.headers["etag"] == '"1.0"'


async def test_without_a_database_the_first_administrator_still_gets_in(
    parts: Parts, admin: httpx2.AsyncClient, app: FastAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    from app.db.errors import DatabaseUnavailable

    def gone() -> Any:
        raise DatabaseUnavailable("it is gone")

    monkeypatch.setattr(parts.database, "session", gone)
    assert (await admin.get("/api/me")).status_code == 200
    async with client_for(app, ("ann", PASSWORD)) as client:
        answer = await client.get("/api/me")
    assert (answer.status_code, answer.json()["code"]) == (503, "database_unavailable")
    assert answer.headers["retry-after"] == "5"
