"""MCP over the standard streams of a program on this machine.

The program runs without a shell, in a process group of its own, with an environment of its own: nothing of this
service's, and so none of its secrets. What it writes is bounded: a line of standard output by its length, standard
error by lines a minute. It ends with the session: its input is closed, then the group is told to end, then killed.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

import anyio
import structlog

from app.tools.mcp.definition import MAX_MESSAGE_BYTES
from app.tools.mcp.errors import McpUnavailable
from app.tools.secrets import SecretMask

_log = structlog.get_logger(__name__)

_ENVIRONMENT: Final = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8"}
_MAX_LOG_LINES: Final = 20  # in a minute
_MAX_LOG_CHARS: Final = 500
# Lines of standard output that are no messages, in one session: words before the first, and a few more.
_MAX_NOISE: Final = 1_000
_END_SECONDS: Final = 1.0
_POLL_SECONDS: Final = 0.02


@asynccontextmanager
async def program(
    name: str, command: str, args: Sequence[str], env: Mapping[str, str], *, mask: SecretMask
) -> AsyncIterator[Any]:
    """The two streams of messages that the SDK's session wants, from a program that runs meanwhile.

    Args:
        mask: Takes the secrets in ``env`` out of what the log gets.

    Raises:
        McpUnavailable: it cannot be started.
    """
    try:
        process = await asyncio.create_subprocess_exec(
            command,
            *args,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd="/",
            env={**_ENVIRONMENT, **env},
            start_new_session=True,
            limit=MAX_MESSAGE_BYTES,
        )
    except (OSError, ValueError) as error:
        raise McpUnavailable(
            f"The program of the MCP server {name} cannot be started: {error}", retryable=False
        ) from error
    try:
        from mcp.shared.message import SessionMessage

        arrived, arriving = anyio.create_memory_object_stream[Any](0)
        leaving, left = anyio.create_memory_object_stream[SessionMessage](0)
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(_read(name, process, arrived)),
                group.create_task(_write(process, left)),
                group.create_task(_listen(name, process, mask)),
            ]
            try:
                yield arriving, leaving
            finally:
                for task in tasks:
                    task.cancel()
                for stream in (arrived, arriving, leaving, left):
                    stream.close()
    finally:
        await asyncio.shield(_end(name, process))


async def _read(name: str, process: asyncio.subprocess.Process, arrived: Any) -> None:
    from mcp.shared.message import SessionMessage
    from mcp_types import jsonrpc_message_adapter

    assert process.stdout is not None
    noise = 0
    async with arrived:
        while True:
            try:
                line = await process.stdout.readuntil(b"\n")
            except asyncio.IncompleteReadError:
                return
            except asyncio.LimitOverrunError:
                _log.warning("mcp.line_too_long", server=name, limit=MAX_MESSAGE_BYTES)
                return
            try:
                message = jsonrpc_message_adapter.validate_json(line, by_name=False)
            except ValueError:
                # Some programs print words before they speak the protocol.
                noise += 1
                if noise > _MAX_NOISE:
                    _log.warning("mcp.flooded", server=name, lines=_MAX_NOISE)
                    return
                # What is read already would all be looked through before anything else gets its turn.
                await asyncio.sleep(0)
                continue
            with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
                await arrived.send(SessionMessage(message))


async def _write(process: asyncio.subprocess.Process, left: Any) -> None:
    assert process.stdin is not None
    with suppress(ConnectionError, anyio.ClosedResourceError):
        async with left:
            async for message in left:
                text = message.message.model_dump_json(by_alias=True, exclude_unset=True)
                process.stdin.write(text.encode() + b"\n")
                await process.stdin.drain()


async def _listen(name: str, process: asyncio.subprocess.Process, mask: SecretMask) -> None:
    """Standard error, into the log; it may repeat what a caller said."""
    assert process.stderr is not None
    loop = asyncio.get_running_loop()
    since, lines = loop.time(), 0
    while data := await process.stderr.read(4_096):
        if loop.time() - since > 60:
            since, lines = loop.time(), 0
        for line in mask.text(data.decode(errors="replace")).splitlines():
            lines += 1
            if lines <= _MAX_LOG_LINES and line.strip():
                _log.info("mcp.program_said", server=name, tool_result=line[:_MAX_LOG_CHARS])
            elif lines == _MAX_LOG_LINES + 1:
                _log.warning("mcp.program_says_too_much", server=name, lines_per_minute=_MAX_LOG_LINES)


async def _end(name: str, process: asyncio.subprocess.Process) -> None:
    assert process.stdin is not None
    process.stdin.close()
    for number in (None, signal.SIGTERM, signal.SIGKILL):
        if number is not None:
            # Also what it has started itself; a group is not gone before its last process.
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, number)
        # Not process.wait(): that one also waits for whoever else holds its pipes.
        ends = asyncio.get_running_loop().time() + _END_SECONDS
        while process.returncode is None and asyncio.get_running_loop().time() < ends:  # noqa: ASYNC110 - has no event
            await asyncio.sleep(_POLL_SECONDS)
        if process.returncode is not None:
            break
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    # Otherwise it stays open as long as somebody else holds a pipe of it, or nobody reads one to its end.
    transport = getattr(process, "_transport", None)
    if transport is not None:
        with suppress(PermissionError):
            transport.close()
    _log.info("mcp.program_ended", server=name, returncode=process.returncode)
