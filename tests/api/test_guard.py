"""Who may come in."""

from __future__ import annotations

import base64
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from starlette.routing import BaseRoute, Mount, Route

from app.api.access import OPEN_PATHS, OPEN_PREFIXES
from app.api.parts import Parts
from tests.api.conftest import LOGIN, client_for, make_app

OPEN = {"/healthz", "/readyz", "/api/example/orders/{order_id}", "/static"}


def flat(routes: list[BaseRoute]) -> list[Any]:
    """The routes that answer, without the routers that hold them."""
    found: list[Any] = []
    for route in routes:
        inner = getattr(route, "routes", None)
        found += [route] if isinstance(route, Route | Mount) or not inner else flat(list(inner))
    return found


async def test_every_route_but_the_named_ones_needs_a_login(app: FastAPI, stranger: httpx2.AsyncClient) -> None:
    document = app.openapi()
    paths = [(method, path) for path, item in document["paths"].items() for method in item]
    paths += [("get", path) for path in ("/", "/ui", "/ui/status", "/ui/prompts", "/docs", "/redoc", "/openapi.json")]
    paths += [("get", "/no/such/page")]
    assert len(paths) > 25
    for method, path in paths:
        response = await stranger.request(method, path.replace("{order_id}", "A1042"))
        if path in OPEN:
            assert response.status_code == 200, path
        else:
            assert response.status_code == 401, (method, path)
            assert response.headers["www-authenticate"] == 'Basic realm="asterisk-ai", charset="UTF-8"'


def test_the_open_doors_are_few_and_known() -> None:
    assert {"/healthz", "/readyz"} == OPEN_PATHS
    assert OPEN_PREFIXES == ("/static/", "/api/example/")


@pytest.mark.parametrize("login", [("admin", "wrong"), ("Admin", LOGIN[1]), ("admin", ""), ("", "")])
async def test_a_wrong_login_is_refused_without_saying_which_half_is_wrong(
    app: FastAPI, login: tuple[str, str]
) -> None:
    async with client_for(app, login) as client:
        response = await client.get("/api/status")
    assert response.status_code == 401
    assert response.json()["code"] == "login_wrong"
    assert "User name or password" in response.json()["detail"]


@pytest.mark.parametrize(
    "header", ["Basic", "Basic !!!", "Basic " + base64.b64encode(b"nocolon").decode(), "Basic /w==", "Bearer abc", "x"]
)
async def test_a_malformed_login_is_a_missing_one(stranger: httpx2.AsyncClient, header: str) -> None:
    response = await stranger.get("/api/status", headers={"Authorization": header})
    assert response.status_code == 401
    assert response.json()["code"] == "login_required"


async def test_passwords_may_hold_colons_and_umlauts(app: FastAPI, parts: Parts) -> None:
    parts.credentials = type(parts.credentials)("jürgen", "a:b:ü")
    header = "Basic " + base64.b64encode("jürgen:a:b:ü".encode()).decode()
    async with client_for(app, None) as client:
        assert (await client.get("/api/status", headers={"Authorization": header})).status_code == 200


async def test_guessing_closes_the_door_to_that_address_alone(app: FastAPI) -> None:
    for guess in range(6):
        async with client_for(app, ("admin", f"guess-{guess}"), address="198.51.100.9") as client:
            assert (await client.get("/api/status")).status_code == 401
    async with client_for(app, LOGIN, address="198.51.100.9") as client:
        response = await client.get("/api/status")
        assert response.status_code == 429
        assert int(response.headers["retry-after"]) >= 1
        assert (await client.get("/healthz")).status_code == 200
    async with client_for(app, LOGIN, address="198.51.100.10") as client:
        assert (await client.get("/api/status")).status_code == 200


CREATE = {"name": "night", "content": "We are closed."}


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "http://evil.test"},
        {"Origin": "null"},
        {"Origin": ""},
        {"Origin": "http://[evil"},
        {"Origin": "service.test"},
        {"Origin": "http://service.test@evil.test"},
        {"Origin": "http://service.test.evil.test"},
        {"Origin": "http://service.test:8080"},
        {"Origin": "http://service.test", "Sec-Fetch-Site": "cross-site"},
    ],
)
async def test_a_page_of_another_site_changes_nothing(client: httpx2.AsyncClient, headers: dict[str, str]) -> None:
    response = await client.post("/api/prompts", json=CREATE, headers=headers)
    assert response.status_code == 403
    assert response.json()["code"] == "other_site"
    assert (await client.delete("/api/prompts/1", headers=headers)).status_code == 403
    assert (await client.get("/api/prompts")).json()["total"] == 1


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": "none"},
        {"Origin": "http://service.test"},
        {"Origin": "https://service.test"},
    ],
)
async def test_our_own_pages_and_programs_may_change_things(
    client: httpx2.AsyncClient, headers: dict[str, str]
) -> None:
    assert (await client.post("/api/prompts", json=CREATE, headers=headers)).status_code == 201


@pytest.mark.parametrize(
    "kind", ["application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/plain", ""]
)
async def test_what_a_form_can_send_is_no_body_for_us(client: httpx2.AsyncClient, kind: str) -> None:
    response = await client.post("/api/prompts", content=b'{"name":"x","content":"y"}', headers={"Content-Type": kind})
    assert response.status_code == 415
    assert response.json()["code"] == "json_required"


async def test_before_the_parts_are_there_the_service_says_that_it_starts() -> None:
    async with client_for(make_app()) as client:
        assert (await client.get("/healthz")).status_code == 200
        ready = await client.get("/readyz")
        assert ready.status_code == 503
        assert ready.json() == {"ready": False, "reasons": ["The service is starting."]}
        response = await client.get("/api/status")
        assert response.status_code == 503
        assert response.headers["retry-after"] == "1"


async def test_every_answer_tells_the_browser_to_be_careful(client: httpx2.AsyncClient) -> None:
    for path in ("/ui", "/docs", "/api/status", "/no/such/page", "/static/app.css"):
        headers = (await client.get(path)).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "script-src 'self';" in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "same-origin"
    assert (await client.get("/ui")).headers["cache-control"] == "no-store"
    assert "unsafe-inline" not in (await client.get("/ui")).headers["content-security-policy"]
