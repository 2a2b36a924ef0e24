"""Who is measured: the gateway in its configurations, and the yardstick. Each is a process with an ARI application name
of its own, so that several can be connected to the same Asterisk, and the dialplan's APP says who gets the calls."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from app.db.seed import PROMPT_CONTENT, TOOL_DESCRIPTION, TOOL_NAME, TOOL_PARAMETERS
from app.prompts.render import render
from bench.processes import Started, started
from bench.vitals import Lag, rss_mb
from bench.workloads import TOOL
from lab.asterisk import Asterisk
from lab.caller import Caller
from lab.errors import LabFailed
from lab.ports import free_port
from lab.servers import Redis
from lab.service import ari_settings, environment

_PASSWORD = "only-for-measuring"


@dataclass(frozen=True, slots=True)
class Ground:
    """What all contenders stand on: the same servers for each."""

    folder: Path
    asterisk: Asterisk
    caller: Caller
    redis: Redis
    stub: Started
    openai_url: str
    tool_url: str

    async def direct_calls_to(self, app: str) -> None:
        """From now on the dialplan gives its calls to this ARI application."""
        await asyncio.to_thread(self.asterisk.cli, f"dialplan set global APP {app}")


@asynccontextmanager
async def ground(folder: Path) -> AsyncIterator[Ground]:
    """Start Asterisk, Redis, the stub providers and the tool's server."""
    async with AsyncExitStack() as stack:
        asterisk = await stack.enter_async_context(Asterisk())
        caller = stack.enter_context(Caller(asterisk))
        redis = Redis()
        await asyncio.to_thread(redis.start)
        stack.push_async_callback(asyncio.to_thread, redis.stop)
        children = {}
        for name, module in (("stub", "lab.providers"), ("tool", "bench.toolserver")):
            child = started(name, module, folder=folder, env=environment({}), ready="listening on")
            children[name] = await stack.enter_async_context(child)
        addresses = {name: (await child.wait_for("listening on")).split()[-1] for name, child in children.items()}
        yield Ground(folder, asterisk, caller, redis, children["stub"], f"{addresses['stub']}/v1", addresses["tool"])


@dataclass(frozen=True, slots=True)
class Contender:
    """One that runs.

    Attributes:
        url: Of the gateway's web interface; empty for the yardstick.
        idle_mb: Resident memory when it was ready, before the first call.
    """

    name: str
    app: str
    child: Started
    url: str
    idle_mb: float
    http: aiohttp.ClientSession = field(repr=False)

    async def lag(self) -> Lag:
        """What it says of its event loop; nothing for the yardstick."""
        if not self.url:
            return Lag({}, 0.0)
        async with self.http.get(f"{self.url}/metrics", raise_for_status=True) as response:
            return Lag.read(await response.text())


@asynccontextmanager
async def gateway(
    ground: Ground,
    name: str,
    *,
    settings: Mapping[str, str] | None = None,
    redis: bool = False,
    uvloop: bool = True,
    module: str = "app.main",
) -> AsyncIterator[Contender]:
    """The gateway with the OpenAI stub as its model and one more tool."""
    port = str(free_port())
    app = f"app_{name}"
    memory = {"REDIS_HOST": ground.redis.host, "REDIS_PORT": str(ground.redis.port)} if redis else {}
    env = environment(
        {
            **ari_settings(ground.asterisk),
            "ASTERISK_APP_NAME": app,
            "DATABASE_URL": "sqlite:///./bench.db",
            "WEB_PORT": port,
            "TOOLS_ALLOWED_HOSTS": "127.0.0.1",
            "WEB_UI_PASSWORD": _PASSWORD,
            "DEFAULT_AI_MODEL": "openai",
            "OPENAI_API_KEY": "not-a-key",
            "OPENAI_BASE_URL": ground.openai_url,
            "LOG_FORMAT": "json",
            **memory,
            **(settings or {}),
        }
    )
    arguments: list[str] = []
    if not uvloop:
        module, arguments = "uvicorn", ["app.main:app", "--loop", "asyncio", "--port", port, "--no-access-log"]
    login = {"Authorization": aiohttp.encode_basic_auth("admin", _PASSWORD)}
    async with (
        started(name, module, *arguments, folder=ground.folder / name, env=env, ready="ari.connected") as child,
        aiohttp.ClientSession(headers=login) as http,
    ):
        url = f"http://127.0.0.1:{port}"
        await _listening(http, f"{url}/healthz")
        await asyncio.sleep(1)
        idle = rss_mb(child.pid)
        async with http.post(f"{url}/api/tools", json=_tool(f"{ground.tool_url}/orders/{{{{ order_id }}}}")) as answer:
            if answer.status != 201:
                raise LabFailed(f"the gateway did not take the tool: {await answer.text()}")
        yield Contender(name, app, child, url, idle, http)


@asynccontextmanager
async def yardstick(ground: Ground) -> AsyncIterator[Contender]:
    """The straightforward variant, with the same prompt and the same two tools."""
    folder = ground.folder / "yardstick"
    parameters = {"description": TOOL_DESCRIPTION, "parameters": TOOL_PARAMETERS}
    url = f"{ground.tool_url}/orders/{{order_id}}"
    settings = {
        "ari_url": ground.asterisk.http_url,
        "ari_username": ground.asterisk.username,
        "ari_password": ground.asterisk.password,
        "app": "app_yardstick",
        "database_url": f"sqlite+aiosqlite:///{folder}/yardstick.db",
        "redis_url": ground.redis.url,
        "openai_url": ground.openai_url,
        "prompt": render(PROMPT_CONTENT, {}),
        "tools": [{"name": name, "url": url, **parameters} for name in (TOOL_NAME, TOOL)],
    }
    env = environment({"YARDSTICK": json.dumps(settings)})
    async with (
        started("yardstick", "bench.yardstick", folder=folder, env=env, ready="ready") as child,
        aiohttp.ClientSession() as http,
    ):
        await asyncio.sleep(1)
        yield Contender("yardstick", "app_yardstick", child, "", rss_mb(child.pid), http)


async def _listening(http: aiohttp.ClientSession, url: str) -> None:
    async with asyncio.timeout(20):
        while True:
            try:
                async with http.get(url) as answer:
                    if answer.status == 200:
                        return
            except aiohttp.ClientConnectionError:
                await asyncio.sleep(0.05)


def _tool(url: str) -> dict[str, Any]:
    return {
        "name": TOOL,
        "description": TOOL_DESCRIPTION,
        "parameters": TOOL_PARAMETERS,
        "request": {"method": "GET", "url": url},
    }
