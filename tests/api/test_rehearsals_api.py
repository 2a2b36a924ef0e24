"""The playground and replays over HTTP; streams over a real socket."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest
import uvicorn
from fastapi import FastAPI

from app.api import sse
from app.api.parts import Parts
from app.core.any_json import any_json
from app.core.permissions import Role
from lab.providers.answer import Answer, StubToolCall
from lab.providers.server import StubProviders
from tests.api.conftest import LOGIN, client_for

DRAFT = {"name": "reception", "content": "You serve {{ who }}."}
Events = list[tuple[str, Any]]


@pytest.fixture(autouse=True)
async def stub(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[StubProviders]:
    async with StubProviders() as server:
        monkeypatch.setenv("OPENAI_API_KEY", "sk-test-0123456789abcdef")
        monkeypatch.setenv("OPENAI_BASE_URL", server.openai_url)
        monkeypatch.setenv("DEFAULT_AI_MODEL", "openai")
        yield server


@asynccontextmanager
async def served(app: FastAPI) -> AsyncIterator[httpx2.AsyncClient]:
    """The application behind a real socket."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, lifespan="off", log_config=None, timeout_graceful_shutdown=1))
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", auth=LOGIN) as client:
        yield client
    server.should_exit = True
    await serving


def read(text: str) -> Events:
    events = []
    for block in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        if "event" in fields:
            events.append((fields["event"], json.loads(fields["data"])))
    return events


async def test_a_turn_comes_as_named_events_while_the_model_writes(app: FastAPI, stub: StubProviders) -> None:
    stub.script([Answer(text="One two three.", piece=4, gap=0.1)])
    loop = asyncio.get_running_loop()
    times: list[float] = []
    text = ""
    async with served(app) as client:
        body = {"text": "hello", "prompt": {"draft": DRAFT}, "variables": {"who": "Ann"}}
        async with client.stream("POST", "/api/playground/turns", json=body) as response:
            assert response.status_code == 200
            assert response.headers["content-type"].startswith("text/event-stream")
            assert response.headers["cache-control"] == "no-store"
            async for piece in response.aiter_text():
                times.append(loop.time())
                text += piece
    events = read(text)
    names = [name for name, _ in events]
    assert (names[0], set(names[1:-1]), names[-1]) == ("started", {"text"}, "done")
    assert "".join(data["text"] for name, data in events if name == "text") == "One two three."
    assert times[-1] - times[0] > 0.2
    assert events[0][1]["instructions"] == "You serve Ann."
    assert events[0][1]["version"] is None
    result = events[-1][1]
    assert result["heard"] == "One two three."
    assert result["variables"]["AI_PROMPT_VERSION"] == "reception:draft"
    assert (result["input_tokens"], len(result["steps"])) == (25, 1)


async def test_going_away_cancels_the_model_call_however_the_answer_was_wanted(
    app: FastAPI, stub: StubProviders
) -> None:
    stub.default = Answer(text="word " * 500, gap=0.05)
    body = {"text": "hello", "prompt": {"draft": DRAFT}}
    async with served(app) as client:
        async with client.stream("POST", "/api/playground/turns", json=body) as response:
            async for piece in response.aiter_text():
                if "event: text" in piece:
                    break
        await asyncio.wait_for(stub.requests[0].closed.wait(), 2)
        with pytest.raises(httpx2.TimeoutException):
            await client.post("/api/playground/turns", params={"stream": False}, json=body, timeout=0.5)
        await asyncio.wait_for(stub.requests[1].closed.wait(), 2)


async def test_a_silent_stream_gives_signs_of_life(
    app: FastAPI, stub: StubProviders, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sse, "HEARTBEAT", 0.05)
    stub.script([Answer(text="Late.", delay=0.3)])
    async with served(app) as client:
        response = await client.post("/api/playground/turns", json={"text": "hello", "prompt": {"draft": DRAFT}})
    assert response.text.count(": still here\n\n") >= 3
    assert read(response.text)[-1][0] == "done"


async def test_who_asks_for_json_gets_one_answer(client: httpx2.AsyncClient, stub: StubProviders) -> None:
    body = {"text": "hello", "prompt": {"draft": DRAFT}}
    hows: list[dict[str, Any]] = [{"headers": {"Accept": "application/json"}}, {"params": {"stream": "false"}}]
    for how in hows:
        response = await client.post("/api/playground/turns", json=body, **how)
        assert response.headers["content-type"] == "application/json"
        answer = response.json()
        assert answer["started"]["prompt"] == "reception"
        assert answer["result"]["status"] == "OK"
    stub.script([Answer(status=401)])
    failed = (await client.post("/api/playground/turns?stream=false", json=body)).json()["result"]
    assert (failed["status"], failed["error"]) == ("ERROR", "provider_unauthorized")
    assert failed["heard"] == failed["variables"]["AI_RESPONSE"] != ""


@pytest.mark.parametrize(
    ("change", "status", "field"),
    [
        ({"prompt": {"name": "nobody"}}, 404, None),
        ({"prompt": {"id": 99, "version": 3}}, 404, None),
        ({"prompt": {"name": "a", "id": 1}}, 422, "prompt"),
        ({"prompt": {"version": 3}}, 422, "prompt"),
        ({"prompt": {"draft": {"name": "a", "content": "{{ oh"}}}, 422, "prompt.draft.content"),
        ({"prompt": {"draft": {"name": "a,b", "content": "x"}}}, 422, "prompt.draft.name"),
        ({"model": "nobody:x"}, 422, "model"),
        ({"tools": ["nobody"]}, 422, "tools"),
        ({"conversation": "a:b"}, 422, "conversation"),
        ({"variables": {"a": "x" * 5000}}, 422, "variables.a"),
        ({"timeout": 0}, 422, "timeout"),
        ({"more": 1}, 422, "more"),
    ],
)
async def test_what_is_wrong_is_said_before_the_stream_begins(
    client: httpx2.AsyncClient, change: dict[str, Any], status: int, field: str | None
) -> None:
    response = await client.post("/api/playground/turns", json={"text": "hello"} | change)
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    assert [each["field"] for each in response.json()["errors"]][:1] == ([field] if field else [])


async def test_busy_is_said_in_words(client: httpx2.AsyncClient, parts: Parts) -> None:
    parts.rehearsal.close()
    response = await client.post("/api/playground/turns", json={"text": "hello"})
    assert (response.status_code, response.json()["code"]) == (503, "rehearsals_busy")
    assert response.headers["retry-after"] == "5"


async def test_when_the_service_stops_a_stream_ends_with_a_word(app: FastAPI, stub: StubProviders) -> None:
    stub.default = Answer(fault="hang")
    async with served(app) as client:
        body = {"text": "hello", "prompt": {"draft": DRAFT}}
        asking = asyncio.create_task(client.post("/api/playground/turns", json=body))
        while not stub.requests:
            await asyncio.sleep(0.01)
        app.state.parts.rehearsal.close()
        events = read((await asking).text)
    assert [name for name, _ in events] == ["started", "failed"]
    assert events[-1][1]["error"] == "stopping"


async def test_memory_belongs_to_a_user(app: FastAPI, parts: Parts, stub: StubProviders) -> None:
    await parts.accounts.users.create("ann", "a long password", Role.EDITOR, by="test")
    body = {"text": "I am Ann", "prompt": {"draft": DRAFT}, "conversation": "one"}
    async with client_for(app) as admin, client_for(app, ("ann", "a long password")) as ann:
        for client, turn in ((admin, 1), (admin, 2), (ann, 1)):
            answer = await client.post("/api/playground/turns?stream=false", json=body)
            assert answer.json()["result"]["turn"] == turn


async def test_a_draft_tool_with_a_number_that_no_json_library_likes(
    client: httpx2.AsyncClient, stub: StubProviders
) -> None:
    draft = {
        "name": "look_up",
        "description": "Looks up.",
        "parameters": {"type": "object", "properties": {"n": {"type": "integer"}}},
        "request": {"method": "GET", "url": "http://127.0.0.1:9/x"},
    }
    stub.script([Answer(tool_calls=(StubToolCall("look_up", {"n": 1}),)), Answer(text="No.")])
    body = {"text": "go", "prompt": {"draft": DRAFT}, "tools": [], "draft_tools": [draft]}
    result = (await client.post("/api/playground/turns?stream=false", json=body)).json()["result"]
    assert [(each["name"], each["error"]) for each in result["tools"]] == [("look_up", "tool_unreachable")]
    bad = body | {"draft_tools": [draft | {"name": "answer"}]}
    assert (await client.post("/api/playground/turns", json=bad)).json()["code"] == "tool_invalid"
    assert any_json({"n": 2**70}) == b'{"n": 1180591620717411303424}'


async def test_a_replay_that_cannot_begin_is_a_problem(client: httpx2.AsyncClient) -> None:
    missing = await client.post("/api/replay", json={"conversations": [999]})
    assert (missing.status_code, missing.json()["code"]) == (404, "conversation_not_found")
    none = await client.post("/api/replay", json={"conversations": []})
    assert none.json()["errors"][0]["field"] == "conversations"
    many = await client.post("/api/replay", json={"conversations": list(range(1, 30))})
    assert many.status_code == 422
    model = await client.post("/api/replay", json={"conversations": [1], "model": "nobody"})
    assert model.json()["errors"][0]["field"] == "model"


async def test_a_replay_comes_as_events_or_as_one_answer(
    client: httpx2.AsyncClient, parts: Parts, stub: StubProviders
) -> None:
    from app.history.record import TurnRecord
    from app.history.recorder import Recorder
    from tests.rehearsal.test_replay import AT, DEFAULTS

    recorder = Recorder(parts.database)
    await recorder.start()
    fields = {"turn_id": "t", "conversation": "pbx:k", "shown_conversation": "k", "started_at": AT, "caller_text": "Hi"}
    recorder.record(TurnRecord(**(DEFAULTS | fields)))
    await recorder.aclose()
    stub.default = Answer(text="Good day.")
    body = {"conversations": [1, 7], "prompt": {"draft": DRAFT}}
    events = read((await client.post("/api/replay", json=body)).text)
    assert [name for name, _ in events] == ["started", "conversation_failed", "turn", "conversation", "done"]
    assert events[2][1]["replayed"]["prompt_version"] == "reception:draft"
    answer = (await client.post("/api/replay", json=body, headers={"Accept": "application/json"})).json()
    assert answer["turns"][0]["caller_text"] == "Hi"
    assert answer["failed"][0]["code"] == "conversation_not_found"
    assert (answer["conversations"][0]["turns"], answer["total"]["failed"]) == (1, 1)


def test_the_document_shows_both_forms_of_the_answer(app: FastAPI) -> None:
    paths = app.openapi()["paths"]
    for path, name in (("/api/playground/turns", "PlaygroundResultBody"), ("/api/replay", "ReplayResultBody")):
        content = paths[path]["post"]["responses"]["200"]["content"]
        assert "event: done" in content["text/event-stream"]["example"]
        assert content["application/json"]["schema"] == {"$ref": f"#/components/schemas/{name}"}


@pytest.mark.parametrize("text", ["\x00", "\ud800", "{{ 7*7 }}", "<script>alert(1)</script>", "x" * 20_000])
async def test_whatever_is_said_there_is_an_answer(client: httpx2.AsyncClient, text: str) -> None:
    draft = {"name": "odd", "content": "You serve {{ who }}.", "model": "demo"}
    body = {"text": text, "prompt": {"draft": draft}, "variables": {"who": text[:4000]}, "conversation": "odd"}
    sent = json.dumps(body).encode()
    for stream in ("true", "false"):
        response = await client.post(
            f"/api/playground/turns?stream={stream}", content=sent, headers={"Content-Type": "application/json"}
        )
        assert response.status_code in (200, 422), response.text
        if response.status_code == 200:
            last = read(response.text)[-1][1] if stream == "true" else response.json()["result"]
            assert last["variables"]["AI_STATUS"] in ("OK", "NO_INPUT")


async def test_work_that_nobody_reads_is_ended_and_leaves_its_seat(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "PATIENCE", 0.05)
    closed = asyncio.Event()

    async def words() -> AsyncGenerator[int, None]:
        try:
            for number in range(1_000):
                yield number
        finally:
            closed.set()

    work = sse.Work(words())
    await asyncio.wait_for(closed.wait(), 2)
    assert [each async for each in work.events()] == list(range(64))
    await work.aclose()
    # One who reads slowly gets all, with pauses that are shorter.
    work = sse.Work(words())
    async for number in work.events():
        assert number is not None
        if not number % 300:
            await asyncio.sleep(0.02)
    assert number == 999
    await work.aclose()
