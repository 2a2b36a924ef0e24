"""The history of calls over HTTP."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from typing import Any

import httpx2
import pytest

from app.api.calls import _events, live
from app.api.parts import Parts
from app.history.live import LiveEvent, LiveHub, Watcher
from app.history.rows import write
from tests.history.conftest import START, make_tool, make_turn


@pytest.fixture
async def calls(client: httpx2.AsyncClient, parts: Parts) -> httpx2.AsyncClient:
    """A client of a service that has served two calls."""
    records = [
        make_turn(1, tools=(make_tool(),), answer_text='=HYPERLINK("http://x")'),
        make_turn(2, conversation="pbx:1", status="TIMEOUT", error="turn_timeout"),
        make_turn(3, caller_number="200"),
    ]
    async with parts.database.session() as session:
        await write(session, records)
    return client


async def get(client: httpx2.AsyncClient, path: str, **query: Any) -> Any:
    answer = await client.get(f"/api/calls{path}", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_conversations_and_their_turns(calls: httpx2.AsyncClient) -> None:
    page = await get(calls, "", status="TIMEOUT")
    assert (page["total"], page["items"][0]["turns"]) == (1, 2)
    conversation = await get(calls, f"/{page['items'][0]['id']}")
    first, second = conversation["history"]["items"]
    assert (first["turn_id"], second["error"]) == ("turn-1", "turn_timeout")
    assert first["tools"][0]["arguments"] == {"order_id": "A1"}
    assert first["spans"][0]["part"] == "model"
    assert await get(calls, "/turns/turn-1") == first


async def test_turns_are_paged_filtered_and_sorted(calls: httpx2.AsyncClient) -> None:
    page = await get(calls, "/turns", limit=1, sort="started_at")
    assert (page["total"], page["items"][0]["turn_id"]) == (3, "turn-1")
    assert (await get(calls, "/turns", tool="get_order_status"))["total"] == 1
    query = {"from": "2026-11-20T12:03:00Z", "to": "2026-11-20T12:04:00+00:00", "number": "20"}
    assert (await get(calls, "/turns", **query))["items"][0]["turn_id"] == "turn-3"


@pytest.mark.parametrize(
    ("path", "query", "field"),
    [
        ("", {"from": "yesterday"}, "from"),
        ("", {"from": "2026-01-01T00:00:00"}, "from"),
        ("", {"sort": "name"}, "sort"),
        ("/turns", {"status": "ok?"}, "status"),
        ("/stats", {"bucket": 0}, "bucket"),
        ("/stats", {"from": "1980-01-01T00:00:00Z", "bucket": 1}, "bucket"),
        ("/stats", {"from": "2027-01-01T00:00:00Z", "to": "2026-01-01T00:00:00Z"}, "from"),
        ("/export.csv", {"text": "x" * 101}, "text"),
    ],
)
async def test_a_filter_that_makes_no_sense_is_named(
    client: httpx2.AsyncClient, path: str, query: dict[str, Any], field: str
) -> None:
    answer = await client.get(f"/api/calls{path}", params=query)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert [each["field"] for each in answer.json()["errors"]] == [field]


@pytest.mark.parametrize("path", ["/999", "/turns/nobody"])
async def test_what_is_not_there_is_said(client: httpx2.AsyncClient, path: str) -> None:
    answer = await client.get(f"/api/calls{path}")
    assert answer.status_code == 404
    assert "HISTORY_DAYS" in answer.json()["detail"]


async def test_times_at_the_ends_of_all_time_are_taken(calls: httpx2.AsyncClient) -> None:
    query = {"from": "0001-01-01T00:00:00+14:00", "to": "9999-12-31T23:59:59-14:00"}
    assert (await get(calls, "", **query))["total"] == 2


async def test_exports_hold_every_turn(calls: httpx2.AsyncClient) -> None:
    lines = (await calls.get("/api/calls/export.json")).text.splitlines()
    assert [json.loads(line)["turn_id"] for line in lines] == ["turn-1", "turn-2", "turn-3"]
    assert json.loads(lines[0])["tools"][0]["name"] == "get_order_status"
    answer = await calls.get("/api/calls/export.csv", params={"tool": "get_order_status"})
    (row,) = csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig")))
    assert row["answer_text"] == '\'=HYPERLINK("http://x")'
    assert row["tools"] == "get_order_status"
    assert "attachment" in answer.headers["content-disposition"]


async def test_statistics_cover_the_time_asked_for(calls: httpx2.AsyncClient) -> None:
    query = {"from": START.isoformat(), "to": "2026-11-20T12:10:00Z", "bucket": 5}
    found = await get(calls, "/stats", **query)
    assert [bucket["turns"] for bucket in found["buckets"]] == [3, 0]
    assert (found["total"]["errors"], found["total"]["p50_ms"]) == (1, 800)
    assert (await get(calls, "/stats"))["bucket_minutes"] == 15


@pytest.mark.parametrize("path", ["", "/1", "/turns", "/turns/x", "/export.csv", "/export.json", "/stats", "/live"])
async def test_nothing_of_it_is_for_strangers(stranger: httpx2.AsyncClient, path: str) -> None:
    assert (await stranger.get(f"/api/calls{path}")).status_code == 401


async def test_live_events_come_as_server_sent_events_and_end_with_the_hub(parts: Parts) -> None:
    answer = await live(parts)
    pieces: Any = answer.body_iterator
    assert await anext(pieces) == b'retry: 2000\n\nevent: now\ndata: {"turns":[]}\n\n'
    parts.live.publish(LiveEvent("turn_ended", {"turn_id": "t", "text": "line\nline"}))
    piece = await anext(pieces)
    assert piece == b'event: turn_ended\ndata: {"turn_id":"t","text":"line\\nline"}\n\n'
    parts.live.close()
    assert [each async for each in pieces] == []
    assert not parts.live.watched


async def test_what_is_running_is_told_at_once_and_where_events_were_lost(
    client: httpx2.AsyncClient, parts: Parts
) -> None:
    begun = {"turn_id": "t", "conversation": "c", "caller_number": "1", "prompt": "p", "caller_text": "hello"}
    parts.live.turn_started("t", {**begun, "started_at": START.isoformat()})
    parts.live.tool_finished("t", "weather", None)
    (running,) = (await get(client, "/now"))["turns"]
    assert (running["caller_text"], running["tools"]) == ("hello", ["weather"])
    pieces: Any = (await live(parts)).body_iterator
    assert b'"turn_id":"t"' in await anext(pieces)
    for _ in range(250):
        parts.live.publish(LiveEvent("tool_finished", {}))
    parts.live.turn_ended("t", {"turn_id": "t"})
    assert (await anext(pieces)).startswith(b"event: missed")
    assert await anext(pieces) == b'event: now\ndata: {"turns":[]}\n\n'
    assert (await get(client, "/now")) == {"turns": []}
    await pieces.aclose()


async def test_one_conversation_is_exported_whole(calls: httpx2.AsyncClient) -> None:
    (found,) = (await get(calls, "", status="FAILED"))["items"]
    assert found["last_turn"]["turn_id"] == "turn-2"
    answer = await calls.get(f"/api/calls/{found['id']}/export.json")
    assert "attachment" in answer.headers["content-disposition"]
    whole = answer.json()
    assert (whole["turns"][0]["turn_id"], len(whole["turns"])) == ("turn-1", 2)
    assert whole["caller_number"] == "+4915112345678"
    assert (await calls.get("/api/calls/999/export.json")).status_code == 404
    lines = (await calls.get("/api/calls/export.json", params={"conversation": found["id"]})).text.splitlines()
    assert len(lines) == 2


async def test_what_a_model_made_up_breaks_no_export_and_no_stream(client: httpx2.AsyncClient, parts: Parts) -> None:
    odd = {"number": 2**70, "deep": json.loads("[" * 300 + "]" * 300)}
    async with parts.database.session() as session:
        await write(session, [make_turn(1, tools=(make_tool(arguments=odd),))])
    for path in ("/export.json", "/1/export.json", "/turns/turn-1", "/1"):
        answer = await client.get(f"/api/calls{path}")
        assert answer.status_code == 200, path
        assert str(2**70) in answer.text
    assert (await client.get("/ui/calls/1")).status_code == 200
    pieces: Any = _events(parts.live)
    await anext(pieces)
    parts.live.publish(LiveEvent("tool_finished", odd))
    assert str(2**70).encode() in await anext(pieces)
    await pieces.aclose()


async def test_a_slow_watcher_is_told_what_it_missed() -> None:
    hub = LiveHub()
    with hub.watching() as watcher:
        for number in range(250):
            hub.publish(LiveEvent("turn_ended", {"n": number}))
        events = watcher.events(1.0)
        first, second = await anext(events), await anext(events)
    assert first == LiveEvent("missed", {"events": 50})
    assert second == LiveEvent("turn_ended", {"n": 50})


async def test_silence_is_broken_by_a_heartbeat() -> None:
    assert await anext(Watcher().events(0.01)) is None


async def test_too_many_watchers_are_refused(client: httpx2.AsyncClient, parts: Parts) -> None:
    parts.live = LiveHub(most=0)
    answer = await asyncio.wait_for(client.get("/api/calls/live"), 5)
    assert (answer.status_code, answer.json()["code"]) == (503, "too_many_watchers")


async def test_the_live_view_ends_so_that_its_login_is_looked_at_again(
    client: httpx2.AsyncClient, parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.api.streaming.LONGEST", 0.0)
    monkeypatch.setattr("app.api.calls.HEARTBEAT", 0.01)
    answer = await asyncio.wait_for(client.get("/api/calls/live"), 5)
    assert answer.text.count("event:") == 1
    assert not parts.live.watched
