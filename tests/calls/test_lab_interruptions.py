"""Real callers who hang up while a tool is at work, and who are asked before one runs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from lab.asterisk import Asterisk
from lab.caller import Caller
from lab.providers.server import StubProviders
from lab.servers import Redis
from lab.service import Service, ari_settings

pytestmark = pytest.mark.lab


@pytest.fixture
async def stub_providers() -> AsyncIterator[StubProviders]:
    """In this process, so that a test sees what the model was told."""
    async with StubProviders() as stub:
        yield stub


class Shop:
    """Takes orders, each after ``seconds``."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.orders: list[str] = []
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.orders.append((await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")[0].decode())
        await asyncio.sleep(self.seconds)
        body = b'"order 7 is placed"'
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\nConnection: close"
        writer.write(head.encode() + b"\r\n\r\n" + body)
        await writer.drain()
        writer.close()


@asynccontextmanager
async def opened(seconds: float) -> AsyncIterator[Shop]:
    shop = Shop(seconds)
    server = await asyncio.start_server(shop.serve, "127.0.0.1", 0)
    shop.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/orders"
    async with server:
        yield shop


def settings_of(asterisk: Asterisk, stub: StubProviders, **more: str) -> dict[str, str]:
    return {
        **ari_settings(asterisk),
        "OPENAI_API_KEY": "sk-test-openai-key",
        "OPENAI_BASE_URL": stub.openai_url,
        "AI_TURN_TIMEOUT": "8",
        "WEB_UI_PASSWORD": "test-password",
        "TOOLS_ALLOWED_HOSTS": "127.0.0.1",
        "LOG_LEVEL": "info",
        **more,
    }


@asynccontextmanager
async def api_of(service: Service) -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(base_url=service.url + "/api", auth=("admin", "test-password"), timeout=20) as client:
        yield client


async def add_order(api: httpx2.AsyncClient, shop: Shop, **behaviour: Any) -> None:
    answer = await api.post(
        "/tools",
        json={
            "name": "place_order",
            "description": "Places an order.",
            "parameters": {"type": "object", "properties": {"item": {"type": "string"}}, "required": ["item"]},
            "request": {"method": "POST", "url": shop.url, "timeout": 5},
            "behaviour": behaviour,
        },
    )
    assert answer.status_code == 201, answer.text


ORDER = 'stub:tool=place_order{"item": "chair"}'


async def test_a_caller_hangs_up_while_an_order_is_placed_and_the_next_call_knows_it(
    asterisk: Asterisk, caller: Caller, stub_providers: StubProviders, redis_server: Redis, tmp_path: Path
) -> None:
    redis = {"REDIS_HOST": redis_server.host, "REDIS_PORT": str(redis_server.port)}
    settings = settings_of(asterisk, stub_providers, **redis)
    async with (
        opened(1.5) as shop,
        Service(tmp_path, settings, ready="ari.connected") as service,
        api_of(service) as api,
    ):
        await add_order(api, shop, commit_on_interrupt=True, filler="One moment.", filler_after=0.2)
        await caller.call("100", say=ORDER, conversation="c-order", hangup_after=0.8)
        await service.wait_for("turn.abandoned", 5, conversation="c-order")
        assert not service.lines("tool.finished_late")
        result = await caller.call("100", say="stub:say=It is placed already.", conversation="c-order")
        assert (result.status, result.variables["AI_TURN"]) == ("OK", "2"), service.tail()
        told = str(stub_providers.requests[-1].body["messages"])
        assert "order 7 is placed" in told
        assert "the caller heard no answer" in told
        assert len(shop.orders) == 1
        (turn,) = await turns(api, status="ABANDONED")
    (tool,) = turn["tools"]
    assert (tool["name"], tool["ok"], tool["arguments"]) == ("place_order", True, {"item": "chair"})
    assert (tool["result"], tool["filler"], tool["http_status"]) == ('"order 7 is placed"', "One moment.", 200)
    assert 1_400 < tool["elapsed_ms"] < 3_000
    assert "filler" in [span["part"] for span in turn["spans"]]


async def test_a_caller_is_asked_and_the_yes_counts_in_the_next_turn_also_after_a_restart(
    asterisk: Asterisk, caller: Caller, stub_providers: StubProviders, redis_server: Redis, tmp_path: Path
) -> None:
    redis = {"REDIS_HOST": redis_server.host, "REDIS_PORT": str(redis_server.port)}
    settings = settings_of(asterisk, stub_providers, **redis)
    async with opened(0) as shop, Service(tmp_path, settings, ready="ari.connected") as service:
        async with api_of(service) as api:
            await add_order(api, shop, needs_confirmation=True)
        await caller.call("100", say=ORDER, conversation="c-yes")
        assert shop.orders == []
        await asyncio.to_thread(service.stop)
        await asyncio.to_thread(service.start)
        await caller.call("100", say=ORDER, conversation="c-yes")
        assert len(shop.orders) == 1
        await caller.call("100", say=ORDER, conversation="c-yes")
        assert len(shop.orders) == 1
        async with api_of(service) as api:
            found = [tool for turn in await turns(api, wanted=3) for tool in turn["tools"]]
    assert [tool["error"] for tool in found] == ["confirmation_needed", None, "confirmation_needed"]
    assert all(tool["ok"] for tool in found)


async def turns(api: httpx2.AsyncClient, wanted: int = 1, **query: str) -> list[dict[str, Any]]:
    """The turns that match, whole, once there are so many."""
    async with asyncio.timeout(10):
        while True:
            page = (await api.get("/calls/turns", params={**query, "sort": "started_at"})).json()
            if page["total"] >= wanted:
                return [(await api.get(f"/calls/turns/{each['turn_id']}")).json() for each in page["items"]]
            await asyncio.sleep(0.05)
