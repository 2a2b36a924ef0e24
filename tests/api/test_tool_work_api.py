"""Checking, trying and copying tools, and who uses them: on a real database and against a real server."""

from __future__ import annotations

import asyncio
import base64
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import orjson
import pytest

from app.api import tool_work
from app.api.parts import Parts
from app.history.rows import write
from app.llm.registry import Models
from app.prompts.draft import PromptDraft
from tests.api.conftest import settings_for_tests
from tests.api.test_tools_api import FULL, TYPED
from tests.history.conftest import make_tool, make_turn
from tests.tools.conftest import RawServer, raw_server, response

SECRET = "sk-live-0123456789"


def draft(url: str, **request: Any) -> dict[str, Any]:
    return {
        "name": "look_up",
        "description": "Looks something up.",
        "parameters": {"type": "object", "properties": {"id": {"type": "string", "description": "Its number"}}},
        "request": {"method": "GET", "url": url, **request},
    }


async def tried(client: httpx2.AsyncClient, **body: Any) -> dict[str, Any]:
    answer = await client.post("/api/tools/try", json=body)
    assert answer.status_code == 200, answer.text
    result: dict[str, Any] = answer.json()
    return result


# -- checking


async def test_a_check_says_everything_that_is_wrong(client: httpx2.AsyncClient) -> None:
    body = {"name": "get_order_status", "parameters": "{", "request": {"method": "TRACE", "headers": {"X": 1}}}
    answer = await client.post("/api/tools/check", json=body)
    assert answer.status_code == 200, answer.text
    assert {each["field"] for each in answer.json()["problems"]} == {
        "name",
        "description",
        "parameters",
        "request.method",
        "request.url",
        "request.headers.X",
    }
    assert answer.json()["warnings"] == []


async def test_a_check_knows_the_name_of_the_tool_that_is_edited(client: httpx2.AsyncClient) -> None:
    body = draft("http://h/{{ id }}") | {"name": "get_order_status"}
    assert (await client.post("/api/tools/check", json=body)).json()["problems"][0]["field"] == "name"
    assert (await client.post("/api/tools/check", json=body | {"tool_id": 1})).json()["problems"] == []
    assert (await client.post("/api/tools/check", json=body | {"tool_id": 99})).status_code == 404


async def test_parameters_are_taken_as_text_and_a_mistake_in_it_has_its_line(client: httpx2.AsyncClient) -> None:
    body = draft("http://h/{{ id }}") | {"parameters": '{"properties": {"id": {"type": "string", "description": "d"}}}'}
    assert (await client.post("/api/tools/check", json=body)).json() == {"problems": [], "warnings": []}
    body["parameters"] = '{\n  "properties": {,}}'
    (problem,) = (await client.post("/api/tools/check", json=body)).json()["problems"]
    assert problem["field"] == "parameters"
    assert "line 2" in problem["message"]


async def test_only_providers_that_are_configured_warn(
    client: httpx2.AsyncClient, parts: Parts, tmp_path: Path
) -> None:
    parameters = {"properties": {"floor": {"enum": [1, 2], "description": "d"}, "id": {"description": "d"}}}
    body = draft("http://h/{{ id }}") | {"parameters": parameters}
    assert (await client.post("/api/tools/check", json=body)).json()["warnings"] == []
    parts.models = Models(settings_for_tests(tmp_path, gemini_api_key="k"))
    warnings = (await client.post("/api/tools/check", json=body)).json()["warnings"]
    assert [(each["provider"], each["field"]) for each in warnings] == [("gemini", "parameters.properties.floor")]
    saved = (await client.post("/api/tools", json=body)).json()
    assert saved["warnings"] == warnings
    put = await client.put(f"/api/tools/{saved['id']}", json=body, headers={"If-Match": '"1"'})
    assert put.json()["warnings"] == warnings
    await parts.models.aclose()


async def test_a_create_tells_all_mistakes_that_only_the_room_sees(client: httpx2.AsyncClient) -> None:
    body = draft("ftp://h/x", headers={"X": "{{ who }}", "Host": "h"})
    answer = await client.post("/api/tools", json=body)
    assert answer.status_code == 422
    assert [each["field"] for each in answer.json()["errors"]] == ["request.url", "request.headers.Host"]


# -- trying


async def test_a_tool_that_needs_confirmation_is_tried_only_when_that_is_said(client: httpx2.AsyncClient) -> None:
    async with raw_server(response(b"{}")) as server:
        tool = draft(server.url) | {"behaviour": {"needs_confirmation": True}}
        result = await tried(client, tool=tool)
        assert server.requests == []
        assert (result["error"]["code"], result["request"], result["attempts"]) == ("not_confirmed", None, [])
        assert "ask the caller" in result["for_model"]
        result = await tried(client, tool=tool, confirmed=True)
    assert result["error"] is None
    assert len(result["attempts"]) == 1


async def test_what_is_bound_is_filled_from_the_variables_and_not_from_the_arguments(
    client: httpx2.AsyncClient,
) -> None:
    async with raw_server(response(b"{}")) as server:
        tool = draft(f"{server.url}/{{{{ id }}}}") | {"bound": {"id": "{{ call.customer }}"}}
        result = await tried(client, tool=tool, arguments={"id": "other"}, variables={"customer": "204417"})
    assert result["error"] is None
    assert server.request_line.startswith("GET /204417")


async def test_a_draft_is_tried_over_the_wire(client: httpx2.AsyncClient) -> None:
    async with raw_server(response(b'{"status": "shipped"}')) as server:
        tool = draft(f"{server.url}/orders/{{{{ id }}}}", query={"line": "{{ call.line }}"})
        result = await tried(client, tool=tool, arguments={"id": "A 1"}, variables={"line": "7"})
    assert server.request_line == "GET /orders/A%201?line=7 HTTP/1.1"
    assert result["request"]["url"] == f"{server.url}/orders/A%201?line=7"
    assert result["request"]["method"] == "GET"
    assert result["request"]["body"] is None
    assert result["response"]["status"] == 200
    assert result["response"]["body"] == '{"status": "shipped"}'
    assert result["response"]["headers"]["Content-Type"] == "application/json"
    assert result["response"]["truncated"] is False
    assert result["for_model"] == '{"status":"shipped"}'
    assert result["error"] is None
    assert result["elapsed_ms"] > 0


async def test_a_saved_tool_is_tried_as_it_is_also_where_calls_would_be_refused(client: httpx2.AsyncClient) -> None:
    async with raw_server(response(b"{}", status="503 Dead", extra="Cache-Control: max-age=60\r\n")) as server:
        behaviour = {"breaker_failures": 1, "breaker_seconds": 60, "per_minute": 1, "cache_seconds": 60}
        typed = draft(f"{server.url}/{{{{ id }}}}") | {"behaviour": behaviour}
        saved = (await client.post("/api/tools", json=typed)).json()
        for _ in range(3):
            result = await tried(client, tool_id=saved["id"], arguments={"id": "1"})
            assert result["error"]["code"] == "tool_status"
        server.answer = response(b'{"n": 1}')
        assert (await tried(client, tool_id=saved["id"], arguments={"id": "1"}))["for_model"] == '{"n":1}'
        server.answer = response(b'{"n": 2}')
        assert (await tried(client, tool_id=saved["id"], arguments={"id": "1"}))["for_model"] == '{"n":2}'
    assert len(server.requests) == 5
    assert (await client.get("/api/status")).json()["tools"] == []


async def test_secrets_are_masked_wherever_they_come_back(client: httpx2.AsyncClient) -> None:
    def echo(request: bytes) -> bytes:
        return response(request + b'{"again": "' + SECRET.encode() + b'"}', "text/plain", extra=f"X-Echo: {SECRET}\r\n")

    async with raw_server(echo) as server:
        tool = draft(
            f"{server.url}/x?api_key={SECRET}-url&id={{{{ id }}}}",
            method="POST",
            headers={"Authorization": f"Bearer {SECRET}", "X-Api-Key": "abcd/efgh", "X-Plain": "seen"},
            query={"token": "tok en"},
            json_body={"password": "p\u00e4ss", "id": "{{ id }}", "copy": "abcd/efgh"},
        )
        result = await tried(client, tool=tool, arguments={"id": "1"})
    sent = server.requests[0].decode()
    assert f"Authorization: Bearer {SECRET}" in sent
    assert "token=tok%20en" in sent
    assert '"password":"p\u00e4ss"' in sent
    text = str(result)
    for secret in (SECRET, "abcd/efgh", "abcd%2Fefgh", "tok en", "tok%20en", "p\u00e4ss"):
        assert secret not in text, secret
    assert result["request"]["headers"]["Authorization"] == "***"
    assert result["request"]["headers"]["X-Plain"] == "seen"
    assert "api_key=***" in result["request"]["url"]
    assert '"id":"1"' in result["request"]["body"]
    assert "***" in result["for_model"]


@pytest.mark.parametrize(
    ("answer", "code", "words"),
    [
        (response(b'{"no": 1}', status="404 Not Found"), "tool_status", "found nothing"),
        (response(b"x" * 2_000, "text/plain"), "tool_response_too_large", "more than can be read"),
        (None, "tool_timeout", "did not answer in time"),
    ],
)
async def test_a_failure_is_shown_with_what_came_back(
    client: httpx2.AsyncClient, answer: bytes | None, code: str, words: str
) -> None:
    async with raw_server(answer) as server:
        tool = draft(f"{server.url}/{{{{ id }}}}", timeout=0.3, max_response_bytes=1_000)
        result = await tried(client, tool=tool, arguments={"id": "1"})
    assert result["error"]["code"] == code
    assert words in result["for_model"]
    assert result["request"]["method"] == "GET"
    assert (result["response"] is None) == (answer is None)
    if code == "tool_response_too_large":
        assert result["response"]["truncated"] is True
        assert result["response"]["body"].startswith("xxx")


async def test_arguments_that_do_not_fit_are_told_as_a_model_is_told(client: httpx2.AsyncClient) -> None:
    result = await tried(client, tool_id=1, arguments={"order_id": 7})
    assert result["request"] is None
    assert result["response"] is None
    assert result["error"]["code"] == "tool_arguments_invalid"
    assert "order_id: 7 is not of type 'string'" in result["for_model"]


async def test_a_draft_that_is_wrong_is_refused_by_field(client: httpx2.AsyncClient) -> None:
    answer = await client.post("/api/tools/try", json={"tool": draft("nonsense")})
    assert answer.status_code == 422
    assert [each["field"] for each in answer.json()["errors"]] == ["tool.request.url"]
    assert (await client.post("/api/tools/try", json={})).status_code == 422
    assert (await client.post("/api/tools/try", json={"tool_id": 99})).status_code == 404


async def test_a_draft_keeps_the_stored_secret_but_sends_it_to_no_other_server(client: httpx2.AsyncClient) -> None:
    async with raw_server(response(b"{}")) as server, raw_server(response(b"{}")) as other:
        saved = (await client.post("/api/tools", json=draft(server.url, headers={"X-Api-Key": SECRET}))).json()
        typed = draft(f"{server.url}/new", headers={"X-Api-Key": "***"})
        await tried(client, tool=typed, tool_id=saved["id"])
        assert SECRET in server.requests[0].decode()
        typed["request"]["url"] = other.url
        answer = await client.post("/api/tools/try", json={"tool": typed, "tool_id": saved["id"]})
        assert [each["field"] for each in answer.json()["errors"]] == ["tool.request.headers.X-Api-Key"]
        assert other.requests == []


async def test_who_goes_away_cancels_the_request(parts: Parts, client: httpx2.AsyncClient) -> None:
    async with raw_server(None) as server:
        await _leave(client, server)
        await server.closed_by_peer.wait()
    assert tool_work._tries.running == 0


async def _leave(client: httpx2.AsyncClient, server: RawServer) -> None:
    """Speaks ASGI by hand: the client of the tests cannot hang up."""

    body = orjson.dumps({"tool": draft(server.url)})
    messages: list[dict[str, Any]] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> dict[str, Any]:
        if messages:
            return messages.pop(0)
        await server.asked.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        """Nobody reads it."""

    app = client._transport.app  # type: ignore[attr-defined]
    request = client.build_request("POST", "/api/tools/try", headers={"Content-Type": "application/json"}, content=body)
    headers = [(name.lower().encode(), value.encode()) for name, value in request.headers.items()]

    headers.append((b"authorization", b"Basic " + base64.b64encode(b"admin:right-password")))
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": "/api/tools/try",
        "raw_path": b"/api/tools/try",
        "root_path": "",
        "query_string": b"",
        "headers": headers,
        "client": ("192.0.2.7", 1),
        "server": ("service.test", 80),
    }
    async with asyncio.timeout(5):
        await app(scope, receive, send)


# -- copying


async def test_a_copy_has_all_but_the_name_and_is_disabled(client: httpx2.AsyncClient, parts: Parts) -> None:
    secret = TYPED | {"request": FULL["request"] | {"headers": {"Authorization": f"Bearer {SECRET}"}}}
    made = (await client.post("/api/tools", json=secret)).json()
    answer = await client.post(f"/api/tools/{made['id']}/duplicate", json={"name": "weather_2"})
    assert answer.status_code == 201, answer.text
    copy = answer.json()
    assert (copy["name"], copy["enabled"], copy["version"]) == ("weather_2", False, 1)
    assert copy["request"] == made["request"]
    assert "get_weather" in copy["note"]
    assert parts.tool_catalog.get("weather_2").http.headers["Authorization"] == f"Bearer {SECRET}"
    again = await client.post(f"/api/tools/{made['id']}/duplicate", json={"name": "Weather_2"})
    assert again.status_code == 409
    reserved = await client.post(f"/api/tools/{made['id']}/duplicate", json={"name": "end_call"})
    assert reserved.status_code == 422
    assert (await client.post("/api/tools/99/duplicate", json={"name": "x"})).status_code == 404


# -- usage


async def test_usage_names_prompts_and_counts_turns(client: httpx2.AsyncClient, parts: Parts) -> None:
    await parts.prompts.create(PromptDraft(name="all", content="x"), by="x", publish=True)
    named_here = PromptDraft(name="named", content="x", tools=("GET_order_status",))
    await parts.prompts.create(named_here, by="x", publish=True)
    later = await parts.prompts.create(PromptDraft(name="draft", content="x", tools=()), by="x", publish=True)
    changed = PromptDraft(name="draft", content="x", tools=("get_order_status",))
    await parts.prompts.save(later.prompt.id, changed, by="x", expected_version=1, publish=False)
    usage = (await client.get("/api/tools/1/usage")).json()
    named = {each["name"]: (each["published"], each["latest"]) for each in usage["prompts"]}
    assert named == {"named": (True, True), "draft": (False, True)}
    assert usage["with_all_tools"] >= 1
    assert (usage["turns"], usage["failed"], usage["last_used"]) == (0, 0, None)
    assert (await client.get("/api/tools/99/usage")).status_code == 404


async def test_usage_counts_the_turns_of_the_last_month_only(client: httpx2.AsyncClient, parts: Parts) -> None:
    now = datetime.now(UTC)
    turns = [
        replace(make_turn(number, tools=(make_tool(),)), started_at=now - timedelta(days=days))
        for number, days in ((1, 40), (2, 3), (3, 1))
    ]
    async with parts.database.session() as session:
        await write(session, turns)
    usage = (await client.get("/api/tools/1/usage")).json()
    assert usage["turns"] == 2
    assert datetime.fromisoformat(usage["last_used"]) == turns[2].started_at


async def test_a_misspelt_selection_is_told_with_the_names_that_there_are(client: httpx2.AsyncClient) -> None:
    async with raw_server(response(b'{"status": "shipped"}')) as server:
        result = await tried(client, tool=draft(server.url) | {"result": {"select": "statuz"}}, arguments={"id": "1"})
    assert "no data" not in result["for_model"]
    assert result["note"] == "The selection matched nothing in this response. At its top it has the names status."


async def test_the_key_of_a_call_and_who_sends_it_are_shown(client: httpx2.AsyncClient) -> None:
    async with raw_server(response(b"{}")) as server:
        tool = draft(server.url) | {"behaviour": {"idempotency_header": "Idempotency-Key"}}
        result = await tried(client, tool=tool, arguments={"id": "1"})
    headers = result["attempts"][0]["request"]["headers"]
    assert len(headers["Idempotency-Key"]) == 32
    assert headers["User-Agent"].startswith("asterisk-ai")


async def test_an_unknown_secret_of_the_login_is_told_beside_other_mistakes(client: httpx2.AsyncClient) -> None:
    login = {"type": "bearer", "token": "nobody"}
    for url in ("http://h/x", "nonsense"):
        tool = draft(url) | {"authorisation": login}
        answer = await client.post("/api/tools/check", json=tool)
        fields = [each["field"] for each in answer.json()["problems"]]
        assert "authorisation.token" in fields
        assert ("request.url" in fields) == (url == "nonsense")
