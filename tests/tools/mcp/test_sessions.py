"""Sessions with real servers: over HTTP and over the streams of a program, killed, restarted and slow."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from typing import Any

import pytest

from app.tools.errors import ToolFailure, ToolResponseTooLarge, ToolTimeout
from app.tools.exchange import RequestNote
from app.tools.mcp.errors import McpUnavailable
from tests.tools.conftest import context
from tests.tools.mcp.conftest import House, house, http_server, running, secret, stdio_server, tool_of


async def until(what: Any, seconds: float = 10.0) -> None:
    async with asyncio.timeout(seconds):
        while not what():
            await asyncio.sleep(0.02)


async def failure(open_house: House, tool: str, **arguments: Any) -> ToolFailure:
    with pytest.raises(ToolFailure) as caught:
        await open_house.call(tool, **arguments)
    return caught.value


async def test_a_server_is_called_listed_and_kept(era: str) -> None:
    async with running(era) as server, house(http_server(server.url)) as at:
        assert at.sessions.status(1).state == "idle"
        answer = json.loads((await at.call("order_status", number=7)).text)
        assert (answer["number"], answer["state"]) == (7, "on its way")
        assert (await at.call("picture")).text == "A cat.\n[an image (image/png), not shown]"
        tools = {tool.name: tool for tool in await at.sessions.tools(1)}
        assert tools["order_status"].read_only
        assert tools["cancel_order"].destructive
        assert tools["order_status"].schema["properties"]["number"]["type"] == "integer"
        status = at.sessions.status(1)
        assert (status.state, status.server, status.tools) == ("connected", "shop 7", len(tools))
        assert status.protocol.startswith("2026" if era == "new" else "2025")


async def test_a_tool_that_fails_says_why_to_the_model(era: str) -> None:
    async with running(era) as server, house(http_server(server.url)) as at:
        with pytest.raises(ToolFailure, match="says that the tool failed") as caught:
            await at.call("cancel_order", number=7)
        assert caught.value.code == "tool_failed"
        assert caught.value.for_model.startswith("t_cancel_order failed. It says: ")
        assert "order 7 has left the house" in caught.value.for_model
        assert "HTTP" not in str(caught.value) + caught.value.for_model
        with pytest.raises(ToolFailure):
            await at.call("no_such_tool")


async def test_a_slow_tool_ends_at_its_timeout_and_the_server_hears_of_it(era: str) -> None:
    async with running(era) as server, house(http_server(server.url)) as at:
        await at.call("counts")
        started = time.monotonic()
        with pytest.raises(ToolTimeout):
            await at.call("slow", seconds=30, timeout=0.5)
        assert time.monotonic() - started < 5

        async def cancelled() -> bool:
            return bool(json.loads((await at.call("counts")).text)["cancelled"])

        async with asyncio.timeout(5):
            while not await cancelled():
                await asyncio.sleep(0.1)


async def test_a_server_that_was_restarted_is_used_again_by_the_next_call(era: str) -> None:
    async with running(era) as server, house(http_server(server.url)) as at:
        before = json.loads((await at.call("order_status", number=1)).text)["pid"]
        await server.kill()
        broken = await failure(at, "order_status", number=1)
        assert isinstance(broken, McpUnavailable)
        assert "127.0.0.1" in str(broken)
        assert "127.0.0.1" not in broken.for_model
        await server.start()
        await until(lambda: at.sessions.status(1).state != "connecting")
        async with asyncio.timeout(10):
            while True:
                try:
                    after = json.loads((await at.call("order_status", number=1)).text)["pid"]
                    break
                except McpUnavailable:
                    await asyncio.sleep(0.1)
        assert before != after


async def test_a_session_that_the_server_has_forgotten_is_renewed_within_the_call() -> None:
    async with running("old") as server, house(http_server(server.url)) as at:
        before = json.loads((await at.call("order_status", number=1)).text)["pid"]
        await server.kill()
        await server.start()
        assert json.loads((await at.call("order_status", number=1)).text)["pid"] != before


async def test_a_call_in_flight_fails_when_its_server_dies() -> None:
    async with running("old") as server, house(http_server(server.url)) as at:
        await at.call("counts")
        call = asyncio.create_task(at.call("slow", seconds=30))
        await asyncio.sleep(0.3)
        await server.kill()
        with pytest.raises(McpUnavailable):
            await asyncio.wait_for(call, 5)


async def test_what_is_too_long_is_refused() -> None:
    async with running("new") as server, house(http_server(server.url)) as at:
        small = tool_of("big", max_response_bytes=1_000)
        with pytest.raises(ToolResponseTooLarge):
            await at.executor.run(small, {"bytes": 1_001}, context())
        assert isinstance(await failure(at, "big", bytes=6_000_000), McpUnavailable)
        assert (await at.call("big", bytes=10)).text == "x" * 10


async def test_a_server_that_changes_its_tools_is_listed_again(era: str) -> None:
    async with running(era) as server, house(http_server(server.url)) as at:
        assert "late" not in {tool.name for tool in await at.sessions.tools(1)}
        await asyncio.sleep(0.5)  # until the server's own stream is open
        await at.call("add_tool")
        async with asyncio.timeout(5):
            while "late" not in {tool.name for tool in await at.sessions.tools(1)}:
                await asyncio.sleep(0.1)


async def test_an_idle_session_is_closed_and_opened_again() -> None:
    async with running("old") as server, house(http_server(server.url), idle_seconds=0.3) as at:
        await at.call("counts")
        await until(lambda: at.sessions.status(1).state == "idle")
        await at.call("counts")


async def test_a_server_that_is_not_there_fails_at_once_while_it_pauses() -> None:
    async with house(http_server("http://127.0.0.1:1/mcp")) as at:
        first = await failure(at, "counts")
        assert at.sessions.status(1).state == "error"
        started = time.monotonic()
        again = await failure(at, "counts")
        assert time.monotonic() - started < 1
        assert str(first) == str(again)


async def test_a_server_switched_off_or_deleted_fails_clearly() -> None:
    async with running("new") as server, house(http_server(server.url)) as at:
        await at.call("counts")
        at.change(enabled=False)
        assert "switched off" in str(await failure(at, "counts"))
        at.servers.clear()
        assert "not registered any more" in str(await failure(at, "counts"))


async def test_a_key_is_sent_from_a_secret_and_shown_to_nobody() -> None:
    async with running("old", TEST_KEY="s3cret-of-the-shop") as server:
        known = {"shop-key": secret("s3cret-of-the-shop", f"http://127.0.0.1:{server.port}")}
        with_key = http_server(server.url, headers={"X-Key": "{{ secret.shop-key }}"})
        async with house(with_key, http_server(server.url, id=2), secrets=known) as at:
            await at.call("counts")
            refused = await failure(at, "counts", server=2)
            assert "refuses access (HTTP 401)" in str(refused)


async def test_a_secret_goes_to_no_other_server() -> None:
    async with running("old") as server:
        known = {"shop-key": secret("s3cret-of-the-shop", "https://shop.example.com:443")}
        with_key = http_server(server.url, headers={"X-Key": "{{ secret.shop-key }}"})
        async with house(with_key, secrets=known) as at:
            assert "may not be sent to http://127.0.0.1" in str(await failure(at, "counts"))


async def test_a_wrong_path_is_told_to_be_one(era: str) -> None:
    async with running(era) as server, house(http_server(server.url.removesuffix("/mcp") + "/wrong")) as at:
        assert "check the path of its address; many servers use /mcp" in str(await failure(at, "counts"))


async def test_the_history_has_no_http_status_of_a_tool_that_was_not_called_over_http() -> None:
    async with house(stdio_server()) as at:
        tool = tool_of("counts")
        note = RequestNote(tool.request)
        await at.executor.run(tool, {}, context(), observer=note)
    assert note.begun
    assert note.status is None


async def test_a_program_is_run_called_and_ended_with_the_service() -> None:
    async with house(stdio_server()) as at:
        answer = json.loads((await at.call("order_status", number=7)).text)
        os.kill(answer["pid"], 0)
        names = (await at.call("environment")).text.split()
        assert set(names) <= {"PATH", "LANG", "PYTHONPATH", "LC_CTYPE"}
    with pytest.raises(ProcessLookupError):
        os.kill(answer["pid"], 0)


async def test_a_program_is_not_started_with_a_secret_that_may_go_elsewhere_only() -> None:
    server = stdio_server(env={"KEY": "{{ secret.key }}"})
    async with house(server, secrets={"key": secret("s3cret-of-the-shop", "http://127.0.0.1:19101")}) as at:
        assert f"may not be sent to program:{sys.executable}" in str(await failure(at, "counts"))
    async with house(server, secrets={"key": secret("s3cret-of-the-shop", f"program:{sys.executable}")}) as at:
        assert "KEY" in (await at.call("environment")).text.split()


async def test_a_program_that_dies_is_started_again() -> None:
    async with house(stdio_server()) as at:
        first = json.loads((await at.call("order_status", number=7)).text)["pid"]
        os.kill(first, 9)
        await until(lambda: at.sessions.status(1).state == "idle")
        assert json.loads((await at.call("order_status", number=7)).text)["pid"] != first


async def test_a_program_that_cannot_be_started_says_why() -> None:
    async with house(stdio_server("-c", "raise SystemExit(3)")) as at:
        assert "broke off" in str(await failure(at, "counts"))


async def test_a_program_that_ignores_its_end_is_killed() -> None:
    stubborn = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
    started = time.monotonic()
    async with house(stdio_server("-c", stubborn), connect_seconds=0.5) as at:
        assert "did not answer within 0.5 s" in str(await failure(at, "counts"))
    assert time.monotonic() - started < 15
