"""From a real call to its record in the API."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest

from lab.caller import Caller
from lab.service import Service

pytestmark = pytest.mark.lab


@pytest.fixture
async def api(gateway: Service) -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(base_url=gateway.url + "/api", auth=("admin", "test-password"), timeout=20) as client:
        yield client


async def turns(api: httpx2.AsyncClient, wanted: int = 1, **query: str) -> list[dict[str, Any]]:
    """The turns that match, whole, once there are so many."""
    async with asyncio.timeout(10):
        while True:
            page = (await api.get("/calls/turns", params={**query, "sort": "started_at"})).json()
            if page["total"] >= wanted:
                return [(await api.get(f"/calls/turns/{each['turn_id']}")).json() for each in page["items"]]
            await asyncio.sleep(0.05)


async def test_a_call_is_found_with_its_times_and_the_variables_that_came_back(
    api: httpx2.AsyncClient, gateway: Service, caller: Caller
) -> None:
    result = await caller.call("100", say="stub:say=We are open. histword", conversation="c-history")
    assert result.status == "OK", result.log
    (turn,) = await turns(api, text="histword")
    given = {name: value for name, value in result.variables.items() if name.startswith("AI_")}
    assert turn["returned"] == given
    assert (turn["status"], turn["model"], turn["number"]) == ("OK", "openai:gpt-6-luna", 1)
    spans = {span["part"]: span for span in turn["spans"]}
    assert {"memory", "model", "first_text", "delivery"} <= set(spans)
    for span in turn["spans"]:
        assert span["start_ms"] >= 0
        assert span["start_ms"] + span["elapsed_ms"] <= turn["elapsed_ms"] + 5
    (listed,) = (await api.get("/calls", params={"text": "histword"})).json()["items"]
    assert (listed["key"], listed["last_turn"]["turn_id"]) == ("c-history", turn["turn_id"])
    assert gateway.lines("turn.finished", turn=turn["turn_id"])


async def test_a_turn_that_ran_out_of_time_shows_how_long_its_model_was_waited_for(
    api: httpx2.AsyncClient, caller: Caller
) -> None:
    result = await caller.call("100", say="stub:fault=hang histhang", conversation="c-history-late")
    assert result.status == "TIMEOUT", result.log
    (turn,) = await turns(api, text="histhang")
    (waited,) = (span for span in turn["spans"] if span["part"] == "model")
    assert 2_500 <= waited["elapsed_ms"] <= 3_100
    assert (waited["name"], turn["model"]) == ("openai:gpt-6-luna", "openai:gpt-6-luna")
    assert turn["returned"]["AI_RESPONSE"] == result.response
