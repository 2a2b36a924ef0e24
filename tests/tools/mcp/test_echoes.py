"""Servers that say a secret back, in whatever they say: nobody gets to see it."""

from __future__ import annotations

import asyncio
import json
import sys
import time

import pytest
import structlog

from app.tools.errors import ToolFailure
from app.tools.mcp.definition import McpServer
from tests.tools.mcp.conftest import House, house, secret, stdio_server
from tests.tools.mcp.test_hostile import LISTS, answering

VALUE = "s3cret-of-the-shop"
KNOWN = {"key": secret(VALUE, "https://shop.example.com:443", f"program:{sys.executable}")}


def with_key(*lines: bytes) -> McpServer:
    program = "import os; key = os.environ['KEY']\n" + answering(*lines)
    return stdio_server("-c", program, env={"KEY": "{{ secret.key }}"})


async def failure(at: House) -> str:
    with pytest.raises(ToolFailure) as caught:
        await at.call("x")
    return f"{caught.value} {caught.value.for_model}"


async def test_the_answer_of_a_program_holds_no_secret_of_its_environment() -> None:
    tell = b"if 'id' in m: say(id=m['id'], result={'content': [{'type': 'text', 'text': 'my key is ' + key}]})"
    async with house(with_key(LISTS, tell), secrets=KNOWN) as at:
        assert (await at.call("x")).text == "my key is ***"


async def test_neither_does_an_error() -> None:
    tell = b"if 'id' in m: say(id=m['id'], error={'code': -1, 'message': 'wrong key ' + key})"
    async with house(with_key(LISTS, tell), secrets=KNOWN) as at:
        assert "wrong key ***" in await failure(at)


async def test_nor_what_everybody_who_may_look_is_shown_of_the_server() -> None:
    refuse = b"if 'id' in m: say(id=m['id'], error={'code': -1, 'message': 'wrong key ' + key})"
    async with house(with_key(refuse), secrets=KNOWN) as at:
        await failure(at)
        assert VALUE not in str(at.sessions.status(1))
        assert "wrong key ***" in at.sessions.status(1).reason


async def test_nor_its_name_and_the_words_of_its_tools() -> None:
    tools = (
        b"if m.get('method') == 'tools/list': say(id=m['id'], result={'tools': [{'name': 'a', 'title': key,"
        b" 'description': 'Send ' + key, 'inputSchema': {'type': 'object',"
        b" 'properties': {'p': {'type': 'string', 'description': key}}}}]})"
    )
    server = with_key(tools)
    server = stdio_server("-c", server.args[1].replace("'evil'", "key + chr(0x202e)"), env=dict(server.env))
    async with house(server, secrets=KNOWN) as at:
        (found,) = await at.sessions.tools(1)
        assert VALUE not in f"{found} {at.sessions.status(1)}"
        assert found.description == "Send ***"
        assert "\u202e" not in at.sessions.status(1).server
        assert found.schema["properties"]["p"]["type"] == "string"


async def test_nor_what_a_program_writes_to_standard_error() -> None:
    tell = b"print('using', key, file=sys.stderr, flush=True)"
    tell = b"if 'id' in m: say(id=m['id'], result={'content': []}); " + tell
    with structlog.testing.capture_logs() as logs:
        async with house(with_key(LISTS, tell), secrets=KNOWN) as at:
            await at.call("x")
            for _ in range(100):
                if any(each["event"] == "mcp.program_said" for each in logs):
                    break
                await asyncio.sleep(0.02)
    assert any("using ***" in each.get("tool_result", "") for each in logs)
    assert VALUE not in json.dumps(logs, default=str)


async def longest_pause(seconds: float) -> float:
    """How long the loop did nothing else."""
    longest, ends = 0.0, time.monotonic() + seconds
    while (before := time.monotonic()) < ends:
        await asyncio.sleep(0.005)
        longest = max(longest, time.monotonic() - before)
    return longest


@pytest.mark.parametrize("noise", [b"b'\\n' * 65536", b"b'x\\n' * 32768", b"b'{}\\n' * 32768"])
async def test_a_program_that_writes_lines_without_sense_is_let_go_and_holds_up_nobody(noise: bytes) -> None:
    flood = b"if m.get('method') == 'tools/call':\n        while True: sys.stdout.buffer.write(" + noise + b")"
    async with house(stdio_server("-c", answering(LISTS, flood), env={})) as at:
        await at.sessions.tools(1)
        call = asyncio.create_task(failure(at))
        assert await longest_pause(1.5) < 1
        assert "broke off" in await asyncio.wait_for(call, 5)


async def test_a_program_that_answers_what_nobody_asked_is_let_go() -> None:
    flood = b"if m.get('method') == 'tools/call':\n        while True: say(id=7_000, result={})"
    async with house(stdio_server("-c", answering(LISTS, flood), env={})) as at:
        assert "broke off" in await asyncio.wait_for(failure(at), 15)
