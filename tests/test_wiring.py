"""What the parts of the service are to one another, as :func:`app.main.open_parts` puts them together."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from app.api.parts import Parts
from app.core.settings import Settings
from app.main import open_parts
from app.tools.mcp.rules import parse_server
from app.tools.validation import parse_definition
from tests.tools.auth.server import Server, authorisation_server
from tests.tools.conftest import context
from tests.tools.mcp.conftest import tool_of

ROOT = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def servers_of_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """The servers of these tests listen in this process, and are not to be taken for the service itself."""
    monkeypatch.setattr("app.main.OwnPorts", frozenset)


@asynccontextmanager
async def service(folder: Path, server: Server) -> AsyncIterator[tuple[Parts, dict[str, Any]]]:
    """The parts without calls, and a login with a refresh token that each use replaces."""
    server.rotates = True
    settings = Settings(
        _env_file=None,
        database_url=f"sqlite:///{folder}/wiring.db",
        tools_allowed_hosts="127.0.0.1",
        secret_key="k" * 32,
    )
    async with open_parts(settings, calls=False) as parts:
        for name, value in (("client", "s3cret-of-gateway"), ("refresh", "refresh-of-gateway")):
            await parts.secrets.create(name, value, servers=[server.url], by="test")
        yield (
            parts,
            {
                "type": "oauth2",
                "grant": "refresh_token",
                "token_url": f"{server.url}/token",
                "client_id": "gateway",
                "client_secret": "client",
                "refresh_token": "refresh",
            },
        )


async def replaced(parts: Parts) -> str:
    """The refresh token in the database, once it is another one."""
    async with asyncio.timeout(5):
        while True:
            found = await parts.secrets.latest("refresh")
            assert found is not None
            if found.rotation:
                return found.value
            await asyncio.sleep(0.01)


async def test_a_refresh_token_that_a_tools_login_replaces_is_in_the_database(tmp_path: Path) -> None:
    async with authorisation_server() as server, service(tmp_path, server) as (parts, login):
        fields = {"name": "look_up", "description": "d", "parameters": {"type": "object", "properties": {}}}
        tool = parse_definition({**fields, "request": {"url": f"{server.url}/api"}, "authorisation": login}, id=1)
        await parts.executor.run(tool, {}, context())
        assert (await replaced(parts)).startswith("refresh-1-")


async def test_so_is_the_one_of_an_mcp_servers_login_whose_token_is_renewed_within_a_session(tmp_path: Path) -> None:
    async with authorisation_server() as server, AsyncExitStack() as stack:
        url = await stack.enter_async_context(speaking(server))
        async with service(tmp_path, server) as (parts, login):
            secret = await parts.secrets.get("refresh")
            for name in ("refresh", "client"):
                await parts.secrets.change(name, servers=[*secret.servers, url], by="test")
            known = parts.secret_catalog.current()
            draft = parse_server(
                {"name": "shop", "url": f"{url}/mcp", "authorisation": login}, commands=(), secrets=known
            )
            record = await parts.mcp_servers.create(draft, by="test")
            assert (await parts.executor.run(tool_of("say", record.server.id), {}, context())).text == "well said"
            assert (await replaced(parts)).startswith("refresh-1-")
            server.good.clear()  # the token is not good any more; the session is
            assert (await parts.executor.run(tool_of("say", record.server.id), {}, context())).text == "well said"
            assert len(server.seen) == 2
            status = parts.mcp_sessions.status(record.server.id)
            assert status.state == "connected"


@asynccontextmanager
async def speaking(server: Server) -> AsyncIterator[str]:
    """An MCP server that wants the tokens of the authorisation server."""

    async def answer(request: web.Request) -> web.Response:
        if request.headers.get("Authorization", "").removeprefix("Bearer ") not in server.good:
            return web.Response(status=401)
        if request.method != "POST":
            return web.Response(status=405)
        message = await request.json()
        results = {
            "initialize": {
                "protocolVersion": "2025-06-18",
                "capabilities": {"tools": {}},
                "serverInfo": {"name": "shop", "version": "1"},
            },
            "tools/list": {"tools": [{"name": "say", "inputSchema": {"type": "object"}}]},
            "tools/call": {"content": [{"type": "text", "text": "well said"}]},
        }
        if "id" not in message:
            return web.Response(status=202)
        result = results.get(message["method"])
        said = {"result": result} if result else {"error": {"code": -32601, "message": "no"}}
        return web.json_response({"jsonrpc": "2.0", "id": message["id"], **said})

    app = web.Application()
    app.router.add_route("*", "/mcp", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


# As it is where the extra `mcp` was never installed: nothing finds the packages.
WITHOUT_MCP = """
import asyncio, sys, importlib.util
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("mcp", "mcp_types"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Missing())
real = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if name == "mcp" else real(name, *rest)
from app.core.settings import Settings
from app.main import create_app, open_parts
from app.tools.definition import CallContext
from app.tools.errors import ToolFailure
from app.tools.mcp.opening import is_installed
from app.tools.mcp.rules import parse_server
from tests.tools.mcp.conftest import tool_of

async def main():
    settings = Settings(_env_file=None, database_url=sys.argv[1], secret_key="k" * 32)
    create_app(settings)
    async with open_parts(settings, calls=False) as parts:
        draft = parse_server({"name": "shop", "url": "https://mcp.example.com/mcp"}, commands=(), secrets={})
        record = await parts.mcp_servers.create(draft, by="test")
        context = CallContext("t", {}, asyncio.get_running_loop().time() + 5)
        try:
            await parts.executor.run(tool_of("say", record.server.id), {}, context)
        except ToolFailure as error:
            print(is_installed(), error.code, error)
            print(error.for_model)
asyncio.run(main())
"""


async def test_without_the_packages_of_mcp_the_service_starts_and_says_what_to_install(tmp_path: Path) -> None:
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", WITHOUT_MCP, f"sqlite:///{tmp_path}/without.db"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told, for_model = done.stdout.strip().splitlines()[-2:]
    assert told.startswith("False mcp_unavailable MCP servers need packages that are not installed.")
    assert "requirements-mcp.lock" in told
    assert "cannot be reached at the moment" in for_model
    assert "install" not in for_model
