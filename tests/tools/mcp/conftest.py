"""Real MCP servers in processes of their own, and sessions with them."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from app.tools.auth.authoriser import Authoriser
from app.tools.auth.definition import Secret, Secrets
from app.tools.definition import McpCall, ToolDefinition, ToolResult
from app.tools.execution import ToolExecutor
from app.tools.guard.connector import guarded_connector
from app.tools.guard.rules import Policy
from app.tools.mcp.backend import McpBackend
from app.tools.mcp.connection import connected
from app.tools.mcp.definition import McpServer
from app.tools.mcp.sessions import McpSessions
from tests.tools.conftest import context
from tests.tools.guard.conftest import watch  # noqa: F401 - a fixture

ROOT = Path(__file__).parents[3]


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@dataclass
class ServerProcess:
    """``python -m tests.tools.mcp.real_server http``; it may be killed and started again on its port."""

    words: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    port: int = field(default_factory=free_port)
    process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/mcp"

    async def start(self) -> None:
        self.process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.tools.mcp.real_server",
            "http",
            str(self.port),
            *self.words,
            cwd=ROOT,
            env={**os.environ, **self.env},
        )
        async with asyncio.timeout(30):
            while True:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", self.port)
                except OSError:
                    assert self.process.returncode is None
                    await asyncio.sleep(0.05)
                else:
                    writer.close()
                    await writer.wait_closed()
                    return

    async def kill(self) -> None:
        assert self.process is not None
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGKILL)
            await self.process.wait()


@asynccontextmanager
async def running(*words: str, **env: str) -> AsyncIterator[ServerProcess]:
    server = ServerProcess(words, env)
    await server.start()
    try:
        yield server
    finally:
        await server.kill()


@dataclass
class House:
    """Sessions with the servers that stand in ``servers``, behind the guard."""

    servers: dict[int, McpServer]
    sessions: McpSessions
    executor: ToolExecutor

    async def call(self, tool: str, server: int = 1, timeout: float = 20.0, **arguments: Any) -> ToolResult:
        return await self.executor.run(tool_of(tool, server, timeout=timeout), arguments, context())

    def change(self, id: int = 1, **changes: Any) -> None:
        old = self.servers[id]
        self.servers[id] = replace(old, revision=old.revision + 1, **changes)
        self.sessions.refresh()


def tool_of(name: str, server: int = 1, **options: Any) -> ToolDefinition:
    return ToolDefinition(
        id=0,
        version=0,
        name=f"t_{name}",
        description="A tool.",
        parameters={"type": "object", "properties": {}},
        request=McpCall(server=server, tool=name, **options),
    )


def http_server(url: str, id: int = 1, **more: Any) -> McpServer:
    return McpServer(id=id, revision=1, name=f"shop{id}", url=url, **more)


def stdio_server(*words: str, id: int = 1, **more: Any) -> McpServer:
    args = words or ("-m", "tests.tools.mcp.real_server", "stdio")
    env = {"PYTHONPATH": str(ROOT), **more.pop("env", {})}
    return McpServer(
        id=id, revision=1, name=f"program{id}", transport="stdio", command=sys.executable, args=args, env=env, **more
    )


@asynccontextmanager
async def house(
    *servers: McpServer,
    allowed: str = "127.0.0.1",
    secrets: Secrets | None = None,
    authoriser: Authoriser | None = None,
    connector: Callable[[], aiohttp.BaseConnector] | None = None,
    **options: float,
) -> AsyncIterator[House]:
    known = {server.id: server for server in servers}

    def dial(server: McpServer) -> Any:
        return connected(
            server,
            connector=connector or (lambda: guarded_connector(Policy.parse(allowed), dns_seconds=0)),
            authoriser=authoriser,
            secrets=lambda: secrets or {},
        )

    sessions = McpSessions(known.get, dial, **options)
    executor = ToolExecutor(others={McpCall: McpBackend(sessions)})
    try:
        yield House(known, sessions, executor)
    finally:
        await executor.aclose()


def secret(value: str, *servers: str) -> Secret:
    return Secret(value, 1, frozenset(servers))


@pytest.fixture(scope="module", params=["new", "old"])
def era(request: pytest.FixtureRequest) -> str:
    """The protocol of 2026, and the one with handshakes and sessions."""
    return str(request.param)
