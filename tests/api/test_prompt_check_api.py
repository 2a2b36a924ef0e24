"""``/api/prompts/check``, ``/usage``, ``/compare`` and ``/duplicate``, on a real database."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2

from app.api.parts import Parts
from app.api.prompt_check import CALL_VARIABLES
from app.ari.events import ChannelSnapshot, StasisStart
from app.calls.call import channel_facts
from app.history.rows import write
from tests.api.test_prompts_api import FULL, create
from tests.history.conftest import make_turn


async def check(client: httpx2.AsyncClient, prompt_id: int | None = None, **fields: Any) -> dict[str, Any]:
    response = await client.post("/api/prompts/check", json={"fields": fields, "id": prompt_id})
    assert response.status_code == 200, response.text[:500]
    body: dict[str, Any] = response.json()
    return body


def by_field(findings: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {finding["field"]: finding for finding in findings}


def test_the_variables_of_every_call_are_described() -> None:
    assert set(CALL_VARIABLES) == set(channel_facts(StasisStart(channel=ChannelSnapshot(id="1"))))


async def test_everything_that_is_wrong_is_said_at_once_with_its_place(client: httpx2.AsyncClient) -> None:
    answer = await check(
        client,
        name="RECEPTIONIST",
        content="One.\nTwo {{ 2 * 2 }}",
        metadata='{"a": 1,\n oops}',
        output_schema='{"type": "string"}',
        temperature="0,5",
        timeout="400",
        model="nobody",
        actions=[{"name": ""}, {"description": "x"}],
        colour="red",
    )
    problems = by_field(answer["problems"])
    assert set(problems) == {
        "name",
        "content",
        "model",
        "temperature",
        "timeout",
        "actions.0.name",
        "actions.1.name",
        "output_schema",
        "metadata",
        "colour",
    }
    assert problems["name"]["type"] == "prompt_name_taken"
    assert (problems["content"]["line"], problems["metadata"]["line"], problems["metadata"]["column"]) == (2, 2, 2)


async def test_what_is_right_is_said_to_be(client: httpx2.AsyncClient) -> None:
    prompt = await create(client)
    assert (await check(client, prompt["id"], **FULL))["problems"] == []
    empty: dict[str, Any] = dict.fromkeys(
        ("metadata", "output_schema", "temperature", "timeout", "model", "fallback"), ""
    )
    assert (await check(client, name="x", content="Hello.", **empty))["problems"] == []
    assert by_field((await check(client, name="", content=""))["problems"]).keys() == {"name", "content"}
    assert by_field((await check(client))["problems"]).keys() == {"name", "content"}


async def test_unknown_variables_are_shown_with_their_place_and_a_guess(
    client: httpx2.AsyncClient, parts: Parts
) -> None:
    async with parts.database.session() as session:
        await write(session, [make_turn(1, variables={"caller_number": "1", "order_id": "A1"})])
    content = "{{ order_id }} {{ caller_number }}\n  {{ caller_numbr }} {{ Customer }}\n{{ nothing_like_it }}"
    answer = await check(client, name="x", content=content)
    assert answer["problems"] == []
    found = [(w["type"], w["line"], w["column"]) for w in answer["warnings"]]
    assert found == [("unknown_variable", 2, 6), ("unknown_variable", 2, 25), ("unknown_variable", 3, 4)]
    messages = [w["message"] for w in answer["warnings"]]
    assert "Did you mean caller_number?" in messages[0]
    assert "customer" in messages[1]
    assert "NOTHING_LIKE_IT=value" in messages[2]
    variables = {v["name"]: (v["known"], v["lines"]) for v in answer["variables"]}
    assert variables["order_id"] == (True, [1])
    assert variables["caller_name"] == (True, [])
    assert variables["Customer"] == (False, [2])


async def test_what_would_not_work_today_is_doubtful(client: httpx2.AsyncClient) -> None:
    answer = await check(
        client, name="x", content="Hello.", model="openai:gpt-x", tools=["no_such_tool", "get_order_status"]
    )
    assert answer["problems"] == []
    assert {w["type"] for w in answer["warnings"]} == {"not_configured", "unknown_tool"}


async def test_a_check_of_megabytes_leaves_the_loop_to_the_calls(client: httpx2.AsyncClient) -> None:
    longest = 0.0

    async def watch() -> None:
        nonlocal longest
        while True:
            before = time.perf_counter()
            await asyncio.sleep(0.001)
            longest = max(longest, time.perf_counter() - before)

    content = "{{ caller_number }} some words\n" * 900
    watcher = asyncio.create_task(watch())
    try:
        wrong = await check(client, name="x", content="x" * 900_000 + "{{", metadata="[" * 1_000_000)
        right = await check(client, name="x", content=content, metadata={"x": ["y" * 10] * 50_000})
    finally:
        watcher.cancel()
    assert by_field(wrong["problems"]).keys() == {"content", "metadata"}
    assert right["problems"] == []
    assert longest < 0.25, longest


async def test_the_use_of_a_prompt_is_counted(client: httpx2.AsyncClient, parts: Parts) -> None:
    prompt = await create(client)
    now = datetime.now(UTC)
    turns = [
        make_turn(n, prompt_id=prompt["id"], prompt_version=1 + n % 2, started_at=now - timedelta(days=n * 8))
        for n in range(6)
    ]
    async with parts.database.session() as session:
        await write(session, turns)
    usage = (await client.get(f"/api/prompts/{prompt['id']}/usage")).json()
    assert (usage["turns"], usage["by_version"], usage["days"]) == (4, {"1": 2, "2": 2}, 30)
    assert datetime.fromisoformat(usage["last_at"]) == now
    assert (usage["is_default"], usage["published_version"], usage["running"]) == (False, 1, 0)
    parts.live.turn_started("t", {"prompt": prompt["name"]})
    assert (await client.get(f"/api/prompts/{prompt['id']}/usage")).json()["running"] == 1
    first = (await client.get("/api/prompts/1/usage")).json()
    assert (first["is_default"], first["turns"], first["last_at"]) == (True, 0, None)
    assert (await client.get("/api/prompts/999/usage")).status_code == 404


async def test_versions_are_compared_field_by_field(client: httpx2.AsyncClient) -> None:
    prompt = await create(client)
    address = f"/api/prompts/{prompt['id']}"
    changed = FULL | {"temperature": 0.9, "metadata": {"a": True}, "name": "other", "note": "x"}
    await client.put(address, json=changed, headers={"If-Match": "*"})
    answer = (await client.get(f"{address}/compare", params={"left": 1, "right": 2})).json()
    assert {d["field"]: (d["left"], d["right"]) for d in answer["differences"]} == {
        "temperature": (0.5, 0.9),
        "metadata": (FULL["metadata"], {"a": True}),
    }
    assert (await client.get(f"{address}/compare", params={"left": 1, "right": 1})).json()["differences"] == []
    assert (await client.get(f"{address}/compare", params={"left": 1, "right": 9})).status_code == 404
    assert (await client.get(f"{address}/compare", params={"left": 1})).status_code == 422


async def test_a_copy_is_a_draft_under_another_name(client: httpx2.AsyncClient) -> None:
    prompt = await create(client)
    address = f"/api/prompts/{prompt['id']}"
    await client.put(address, json=FULL | {"content": "Two."}, headers={"If-Match": "*"})
    made = await client.post(f"{address}/duplicate", json={"name": "copy", "version": 1})
    assert made.status_code == 201
    copy = (await client.get(made.headers["location"])).json()
    assert (copy["content"], copy["published_version"]) == (FULL["content"], None)
    assert copy["note"] == "Copy of Nachtdienst, version 1"
    assert copy["actions"] == FULL["actions"]
    taken = await client.post(f"{address}/duplicate", json={"name": "COPY"})
    assert (taken.status_code, taken.json()["code"]) == (409, "prompt_name_taken")
    assert (await client.post("/api/prompts/999/duplicate", json={"name": "y"})).status_code == 404
    live = await client.post(f"{address}/duplicate", json={"name": "live", "publish": True})
    assert (live.json()["published_version"], live.json()["content"]) == (1, "Two.")


async def test_a_save_and_a_publish_by_body_are_told_of_a_rollback(client: httpx2.AsyncClient) -> None:
    prompt = await create(client)
    address = f"/api/prompts/{prompt['id']}"
    await client.put(address, json=FULL | {"content": "Two."}, headers={"If-Match": "*"})
    await client.post(f"{address}/publish", json={"version": 1, "expected_published": 2})
    late = await client.put(address, json=FULL | {"expected_version": 2, "expected_published": 2})
    assert (late.status_code, late.json()["code"]) == (409, "prompt_conflict")
    late = await client.post(f"{address}/publish", json={"version": 2, "expected_published": 2})
    assert (late.status_code, late.json()["code"]) == (409, "prompt_conflict")
    assert (await client.put(address, json=FULL | {"expected_version": 2, "expected_published": 1})).status_code == 200


async def test_the_list_is_filtered_by_state(client: httpx2.AsyncClient) -> None:
    live = await create(client, name="live")
    await create(client, name="draft", publish=False)
    await client.put(
        f"/api/prompts/{live['id']}", json=FULL | {"name": "live", "publish": False}, headers={"If-Match": "*"}
    )

    async def names(state: str) -> list[str]:
        page = (await client.get("/api/prompts", params={"state": state})).json()
        return [item["name"] for item in page["items"]]

    assert await names("published") == ["live", "receptionist"]
    assert await names("pending") == ["live"]
    assert await names("draft") == ["draft"]
    assert (await client.get("/api/prompts", params={"state": "lost"})).status_code == 422
