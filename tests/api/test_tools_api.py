"""``/api/tools``, on a real database."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest

from app.api.parts import Parts

FULL: dict[str, Any] = {
    "name": "get_weather",
    "description": "Says what the weather is at a place. Use it when the caller asks for the weather.",
    "parameters": {
        "type": "object",
        "properties": {"place": {"type": "string"}, "line": {"type": "string"}},
        "required": ["place"],
    },
    "request": {
        "kind": "http",
        "method": "POST",
        "url": "https://weather.example.com/at/{{ place }}",
        "headers": {"Accept": "application/json"},
        "query": {"line": "{{ call.line }}"},
        "json_body": {"where": ["{{ place }}"]},
        "body": None,
        "timeout": 3.5,
        "max_response_bytes": 50_000,
    },
    "bound": {"line": "{{ call.line }}"},
    "result": {"select": "now", "template": "{{ result }}", "max_bytes": 900, "statuses": {"404": "No such place."}},
    "behaviour": {
        "retries": 2,
        "repeatable": True,
        "idempotency_header": "Idempotency-Key",
        "breaker_failures": 3,
        "breaker_seconds": 12.5,
        "max_concurrent": 4,
        "per_minute": 60,
        "cache_seconds": 0.0,
        "filler": "One moment.",
        "filler_after": 1.5,
        "needs_confirmation": True,
        "commit_on_interrupt": True,
    },
    "authorisation": {
        "type": "oauth2",
        "grant": "client_credentials",
        "token_url": "https://login.example.com/token",
        "client_id": "pbx",
        "client_secret": "weather-secret",
        "refresh_token": None,
        "scope": "read",
        "extra": {"audience": "weather"},
        "client_auth": "body",
        "timeout": 3.0,
        "client_certificate": {"certificate": "cert", "key": "cert-key", "password": None, "authority": None},
    },
    "enabled": True,
    "note": "first",
}


@pytest.fixture(autouse=True)
async def _named(parts: Parts) -> None:
    """The secrets that the tools here name."""
    servers = ["https://weather.example.com", "https://login.example.com"]
    for name in ("weather-secret", "cert", "cert-key", "a-name"):
        await parts.secrets.create(name, "the value of it", servers=servers, by="admin")
    await parts.secret_catalog.refresh()


async def test_what_is_stored_comes_back_as_it_was(client: httpx2.AsyncClient, parts: Parts) -> None:
    response = await client.post("/api/tools", json=FULL)
    assert response.status_code == 201, response.text
    read = (await client.get(response.headers["location"])).json()
    assert read == response.json()
    assert {name: read[name] for name in FULL} == FULL
    assert parts.tool_catalog.get("get_weather").request.timeout == 3.5


async def test_saving_needs_the_version_and_makes_one(client: httpx2.AsyncClient) -> None:
    assert (await client.put("/api/tools/1", json=FULL)).status_code == 428
    saved = await client.put("/api/tools/1", json=FULL, headers={"If-Match": '"1"'})
    assert saved.status_code == 200, saved.text
    assert saved.json()["latest_version"] == 2
    assert (await client.put("/api/tools/1", json=FULL, headers={"If-Match": '"1"'})).status_code == 412
    assert (await client.put("/api/tools/1", json=FULL | {"expected_version": 1})).status_code == 409
    versions = (await client.get("/api/tools/1/versions")).json()["items"]
    assert [version["number"] for version in versions] == [2, 1]
    assert (await client.get("/api/tools/1/versions/1")).json()["request"]["method"] == "GET"


async def test_what_is_left_out_of_a_save_gets_its_default(client: httpx2.AsyncClient) -> None:
    created = (await client.post("/api/tools", json=FULL)).json()
    short = {name: FULL[name] for name in ("name", "description", "parameters")}
    short["request"] = {"method": "PROPFIND", "url": "https://weather.example.com/"}
    saved = await client.put(f"/api/tools/{created['id']}", json=short, headers={"If-Match": '"1"'})
    assert saved.status_code == 200, saved.text
    tool = saved.json()
    assert tool["request"]["kind"] == "http"
    assert tool["bound"] == {}
    assert tool["behaviour"]["retries"] == 0
    assert tool["result"] == {"select": "", "template": "", "max_bytes": 8_000, "statuses": {}}
    assert tool["authorisation"] == {"type": "none", "client_certificate": None}


@pytest.mark.parametrize(
    ("request_part", "target"),
    [
        ({"kind": "mcp", "server": 3, "tool": "find"}, "find of MCP server 3"),
        ({"kind": "python", "entry": "opening_hours"}, "Python function opening_hours"),
    ],
)
async def test_tools_of_other_kinds_are_kept_and_say_what_they_are(
    client: httpx2.AsyncClient, request_part: dict[str, Any], target: str
) -> None:
    tool = {**FULL, "request": request_part}
    created = await client.post("/api/tools", json=tool)
    assert created.status_code == 201, created.text
    assert created.json()["request"] == {**request_part, "timeout": 5.0, "max_response_bytes": 1_000_000}
    (line,) = (await client.get("/api/tools", params={"search": "get_weather"})).json()["items"]
    assert (line["kind"], line["method"], line["url"], line["target"]) == (request_part["kind"], "", "", target)
    copy = await client.post(f"/api/tools/{created.json()['id']}/duplicate", json={"name": "copy"})
    assert copy.json()["request"] == created.json()["request"]
    assert copy.json()["authorisation"] == FULL["authorisation"]


@pytest.mark.parametrize(
    "login",
    [
        {"type": "basic", "username": "pbx", "password": "a-name"},
        {"type": "bearer", "token": "a-name"},
        {"type": "api_key", "place": "header", "name": "X-Key", "key": "a-name", "prefix": "Key "},
    ],
)
async def test_each_login_comes_back_as_it_was(client: httpx2.AsyncClient, login: dict[str, Any]) -> None:
    created = await client.post("/api/tools", json=FULL | {"authorisation": login})
    assert created.status_code == 201, created.text
    assert created.json()["authorisation"] == login | {"client_certificate": None}


async def test_a_disabled_tool_is_not_offered(client: httpx2.AsyncClient, parts: Parts) -> None:
    assert [tool.name for tool in parts.tool_catalog.select(None)] == ["get_order_status"]
    response = await client.post("/api/tools/1/enabled", json={"enabled": False})
    assert response.json()["enabled"] is False
    assert parts.tool_catalog.select(None) == ()
    assert (await client.get("/api/tools", params={"enabled": True})).json()["total"] == 0


async def test_a_deleted_tool_is_gone(client: httpx2.AsyncClient) -> None:
    assert (await client.delete("/api/tools/1")).status_code == 204
    assert (await client.delete("/api/tools/1")).status_code == 404


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": "two words"}, "name"),
        ({"parameters": {"type": "nonsense"}}, "parameters"),
        ({"request": {"method": "GET", "url": "ftp://example.com"}}, "request.url"),
        ({"request": {"method": "CONNECT", "url": "https://example.com"}}, "request.method"),
        ({"request": {"kind": "carrier pigeon"}}, "request.kind"),
        ({"request": {"kind": "mcp", "server": 1}}, "request.tool"),
        ({"bound": {"no_such": 1}}, "bound.no_such"),
        ({"behaviour": {"retries": 17}}, "behaviour.retries"),
        ({"result": {"statuses": {"777": "what"}}}, "result.statuses"),
        ({"authorisation": {"type": "magic"}}, "authorisation.type"),
        ({"authorisation": {"type": "basic", "username": "a:b", "password": "x"}}, "authorisation.username"),
        ({"request": {"method": "GET", "url": "https://example.com", "timeout": 0}}, "request.timeout"),
    ],
)
async def test_what_is_wrong_is_said_by_field(client: httpx2.AsyncClient, changes: dict[str, Any], field: str) -> None:
    response = await client.post("/api/tools", json=FULL | changes)
    assert response.status_code == 422, response.text
    assert [error["field"] for error in response.json()["errors"]] == [field]


async def test_a_name_is_taken_once(client: httpx2.AsyncClient) -> None:
    response = await client.post("/api/tools", json=FULL | {"name": "get_order_status"})
    assert response.status_code == 409


async def test_a_save_that_does_not_speak_of_it_leaves_a_tool_disabled(client: httpx2.AsyncClient) -> None:
    made = (await client.post("/api/tools", json=FULL | {"name": "off"})).json()
    address = f"/api/tools/{made['id']}"
    await client.post(f"{address}/enabled", json={"enabled": False})
    body = {name: value for name, value in FULL.items() if name != "enabled"} | {"name": "off"}
    saved = await client.put(address, json=body, headers={"If-Match": '"1"'})
    assert (saved.status_code, saved.json()["enabled"]) == (200, False)
    saved = await client.put(address, json=body | {"enabled": True}, headers={"If-Match": '"2"'})
    assert saved.json()["enabled"] is True


SECRET = "hunter22-hunter22"
# The header Authorization is typed here, so no login may set it.
TYPED = {name: value for name, value in FULL.items() if name not in ("authorisation", "bound")}


async def test_secrets_are_shown_to_nobody_and_kept_by_a_save(client: httpx2.AsyncClient, parts: Parts) -> None:
    request = FULL["request"] | {
        "url": f"https://weather.example.com/at?api_key={SECRET}",
        "headers": {"Authorization": f"Bearer {SECRET}", "X-Line": "7"},
        "query": {"token": SECRET},
        "json_body": {"password": SECRET},
    }
    made = await client.post("/api/tools", json=TYPED | {"request": request})
    body = made.json()
    assert body["request"]["headers"] == {"Authorization": "***", "X-Line": "7"}
    assert body["secrets"] == [
        "request.url",
        "request.headers.Authorization",
        "request.query.token",
        "request.json_body.password",
    ]
    again = TYPED | {"request": body["request"] | {"timeout": 9}}
    address = f"/api/tools/{body['id']}"
    saved = await client.put(address, json=again, headers={"If-Match": '"1"'})
    assert saved.status_code == 200, saved.text
    kept = parts.tool_catalog.get("get_weather").http
    assert kept.headers["Authorization"] == f"Bearer {SECRET}"
    assert kept.query == {"token": SECRET}
    assert kept.json_body == {"password": SECRET}
    assert kept.url.endswith(SECRET)
    changed = again["request"] | {"headers": {"Authorization": "Bearer another-one"}}
    assert (await client.put(address, json=again | {"request": changed}, headers={"If-Match": '"2"'})).is_success
    await client.delete(address)
    seen = [made, saved]
    for path in ("/api/tools", "/api/audit"):
        seen.append(await client.get(path))
    text = "".join(each.text for each in seen)
    assert SECRET not in text
    assert "another-one" not in text


async def test_a_mask_is_no_secret(client: httpx2.AsyncClient) -> None:
    request = FULL["request"] | {"headers": {"Authorization": "***"}}
    answer = await client.post("/api/tools", json=TYPED | {"request": request})
    assert answer.status_code == 422
    assert [each["field"] for each in answer.json()["errors"]] == ["request.headers.Authorization"]


async def test_a_version_shows_no_secret_either(client: httpx2.AsyncClient) -> None:
    request = FULL["request"] | {"headers": {"Authorization": f"Bearer {SECRET}"}}
    made = (await client.post("/api/tools", json=TYPED | {"request": request})).json()
    for path in (f"/api/tools/{made['id']}", f"/api/tools/{made['id']}/versions/1"):
        assert SECRET not in (await client.get(path)).text


async def test_the_list_says_what_each_tool_does_and_shows_no_secret(client: httpx2.AsyncClient) -> None:
    url = f"https://weather.example.com/at?api_key={SECRET}"
    body = TYPED | {"request": FULL["request"] | {"url": url}, "enabled": False}
    await client.post("/api/tools", json=body | {"parameters": {"properties": {"place": {"type": "string"}}}})
    page = (await client.get("/api/tools", params={"sort": "-updated_at", "enabled": False})).json()
    (line,) = page["items"]
    assert (line["name"], line["method"]) == ("get_weather", "POST")
    assert line["url"] == "https://weather.example.com/at?api_key=***"
    assert line["description"].startswith("Says what the weather is")
