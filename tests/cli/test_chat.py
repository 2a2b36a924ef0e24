"""``asterisk-ai chat`` with the whole service behind it, and the demo model."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from app.cli.chat import _arguments
from app.cli.entry import cli


def chat(*arguments: str, said: str | None = None) -> Result:
    result = CliRunner().invoke(cli, ["chat", *arguments], input=said)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_one_turn_shows_the_answer_and_the_status_line() -> None:
    result = chat("--once", "My name is Ada.")
    assert result.exit_code == 0
    *answer, status = result.stdout.strip().splitlines()
    assert "Ada" in " ".join(answer)
    assert status.startswith("[demo:demo; ")
    assert "tokens in" in status
    assert "turn 1]" in status


def test_lines_are_turns_of_one_conversation() -> None:
    result = chat(said="My name is Ada.\n\nWhat is my name?\n")
    assert result.exit_code == 0
    assert "Your name is Ada." in result.stdout
    assert "turn 2]" in result.stdout


def test_a_tool_is_shown_with_its_arguments_its_result_and_its_time() -> None:
    result = chat("--once", "Where is my order A1234?")
    assert 'tool get_order_status(order_id="A1234")' in result.stdout
    assert " ms failed (tool_unreachable): " in result.stdout  # the service that it calls is not running


def test_arguments_are_shown_whatever_a_model_wrote() -> None:
    shown = _arguments({"number": 2**64 + 1, "name": "Zoë", "items": [1, None]})
    assert shown == 'number=18446744073709551617, name="Zoë", items=[1, null]'


def test_call_variables_reach_the_prompt_under_the_names_of_a_call(monkeypatch: pytest.MonkeyPatch) -> None:
    from app.cli import chat as module

    seen: list[object] = []

    async def run(_settings: object, plan: module.ChatPlan, _console: object) -> bool:
        seen.append(plan.variables)
        return True

    monkeypatch.setattr(module, "run", run)
    assert chat("--once", "hi", "--var", "CALLER_NUMBER=100", "--var", "city=Basel=CH").exit_code == 0
    assert seen == [{"caller_number": "100", "city": "Basel=CH"}]


def test_an_unknown_prompt_or_model_is_one_line() -> None:
    for arguments in (["--prompt", "nope"], ["--model", "nope:x"]):
        result = CliRunner().invoke(cli, ["chat", "--once", "hi", *arguments])
        assert result.exit_code == 1
        assert "nope" in str(result.exception)
        assert "\n" not in str(result.exception)


def test_a_failed_turn_says_why_and_what_a_caller_would_hear() -> None:
    result = chat("--once", "hi", "--model", "openai")
    assert result.exit_code == 1
    assert "provider_not_configured: OPENAI_API_KEY" in result.stdout
    assert "a caller would hear: I am sorry" in result.stdout


@pytest.fixture
async def silent_provider(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[asyncio.Event]:
    """A provider that takes a request and never answers. The event: a request has come."""
    asked = asyncio.Event()

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if (await reader.readuntil(b"\r\n\r\n")).startswith(b"POST"):  # and not only warmed
                asked.set()
            await reader.read()
        except asyncio.IncompleteReadError:
            pass  # a connection that was only warmed
        finally:
            writer.close()

    server = await asyncio.start_server(take, "127.0.0.1", 0, family=socket.AF_INET)
    port = server.sockets[0].getsockname()[1]
    monkeypatch.setenv("OPENAI_BASE_URL", f"http://127.0.0.1:{port}/v1")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    async with server:
        yield asked
        server.close()


async def process(*arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        "from app.cli import main; main()",
        "chat",
        *arguments,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )


async def test_ctrl_c_stops_the_answer_and_the_conversation_goes_on(silent_provider: asyncio.Event) -> None:
    running = await process()
    assert running.stdin is not None
    assert running.stdout is not None
    running.stdin.write(b"Are you there?\n")
    async with asyncio.timeout(20):
        await silent_provider.wait()
        running.send_signal(signal.SIGINT)
        assert await running.stdout.readline() == b"\n"
        assert b"stopped" in await running.stdout.readline()
        silent_provider.clear()
        running.stdin.write(b"And now?\n")
        await silent_provider.wait()
        running.send_signal(signal.SIGINT)
        running.stdin.write_eof()
        rest = await running.stdout.read()
        assert await running.wait() == 1  # the last turn was not answered
    assert b"stopped" in rest


async def test_a_provider_that_is_silent_ends_at_the_deadline(
    silent_provider: asyncio.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AI_TURN_TIMEOUT", "0.3")
    running = await process("--once", "Are you there?")
    async with asyncio.timeout(20):
        shown, _ = await running.communicate()
    assert running.returncode == 1
    assert b"turn_timeout: " in shown
