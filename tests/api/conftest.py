"""An application with the routes as ``app.main`` installs them, on a real database in a temporary SQLite file.

Asterisk, calls and memory are small stand-ins with the ``status`` that the routes read.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import httpx2
import pytest
from fastapi import FastAPI

from app.accounts.accounts import open_accounts
from app.agent.agent import Agent
from app.agent.history import TurnCodec
from app.api.install import install as install_api
from app.api.parts import Parts
from app.ari.config import AriState, AriStatus, AsteriskInfo
from app.core.sealing import Sealer
from app.core.security import Credentials
from app.core.settings import Settings
from app.db.database import Database
from app.history.live import LiveHub
from app.history.recorder import Recorder
from app.history.store import HistoryStore
from app.llm.registry import Models
from app.memory.factory import make_memory
from app.memory.interface import MemoryStatus
from app.prompts.catalog import PromptCatalog
from app.prompts.store import PromptStore
from app.rehearsal.rehearsal import Rehearsal
from app.tools.catalog import ToolCatalog
from app.tools.definition import McpCall
from app.tools.execution import ToolExecutor
from app.tools.guard.rules import Policy
from app.tools.mcp.backend import McpBackend
from app.tools.mcp.catalog import McpServerCatalog
from app.tools.mcp.opening import open_sessions
from app.tools.mcp.store import McpServerStore
from app.tools.python.registry import PythonTools
from app.tools.store import ToolStore
from app.tools.vault.catalog import SecretCatalog
from app.tools.vault.store import SecretStore
from app.web.install import install as install_web

LOGIN = ("admin", "right-password")
SECRET_KEY = b"k" * 32


@dataclass
class CallsStatusStub:
    """What :class:`app.calls.supervisor.CallsStatus` has."""

    active: int = 3
    limit: int = 200
    served: int = 41
    draining: bool = False


@dataclass
class Stub:
    """A part of which only ``status`` is read."""

    status: Any


@dataclass
class MemoryStub:
    """A memory of which only the state is asked."""

    now: MemoryStatus = field(
        default_factory=lambda: MemoryStatus("in_process", True, "In this process, because REDIS_HOST is not set.", 2)
    )

    def status(self) -> MemoryStatus:
        return self.now


def connected(version: str = "22.10.1") -> AriStatus:
    info = AsteriskInfo(version, "02:00:5e:00:53:01", "", True, True)
    return AriStatus(AriState.CONNECTED, datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), 3, info, None, 0)


def waiting(reason: str | None = "connection refused") -> AriStatus:
    return AriStatus(AriState.WAITING, datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), 3, None, reason, 0)


def settings_for_tests(folder: Path, **values: Any) -> Settings:
    return Settings(_env_file=None, database_url=f"sqlite:///{folder}/test.db", **values)


@functools.cache
def _sealer() -> Sealer:
    return Sealer(SECRET_KEY)  # a tenth of a second, which not every test is to pay


@pytest.fixture
async def parts(tmp_path: Path) -> AsyncIterator[Parts]:
    settings = settings_for_tests(
        tmp_path,
        asterisk_ari_url="http://pbx:8088",
        asterisk_ari_username="ai",
        asterisk_ari_password="ari-secret",
        mcp_stdio_commands=sys.executable,
    )
    database = Database(settings.database_url)
    await database.migrate()
    prompts, tools = PromptStore(database), ToolStore(database)
    prompt_catalog, tool_catalog = PromptCatalog(prompts), ToolCatalog(tools)
    secrets = SecretStore(database, _sealer())
    secret_catalog = SecretCatalog(secrets)
    mcp_servers = McpServerStore(database)
    mcp_catalog = McpServerCatalog(mcp_servers)
    closing = AsyncExitStack()
    mcp_sessions = open_sessions(
        closing, mcp_catalog.find, Policy.parse("127.0.0.1"), secrets=secret_catalog.current, commands=[sys.executable]
    )
    mcp_catalog.when_changed = mcp_sessions.refresh
    executor = ToolExecutor(others={McpCall: McpBackend(mcp_sessions)})
    models, history = Models(settings), HistoryStore(database)
    memory = make_memory(settings, TurnCodec())
    agent = Agent(models, tool_catalog, executor, memory, settings)
    rehearsal = Rehearsal(
        settings, agent, models, memory, prompts, prompt_catalog, tool_catalog, history, calls_full=lambda: False
    )
    await prompt_catalog.start()
    await tool_catalog.start()
    await secret_catalog.start()
    await mcp_catalog.start()
    try:
        yield Parts(
            settings=settings,
            database=database,
            prompts=prompts,
            prompt_catalog=prompt_catalog,
            tools=tools,
            tool_catalog=tool_catalog,
            secrets=secrets,
            secret_catalog=secret_catalog,
            python_tools=PythonTools(),
            mcp_servers=mcp_servers,
            mcp_catalog=mcp_catalog,
            mcp_sessions=mcp_sessions,
            models=models,
            memory=cast(Any, MemoryStub()),
            agent=agent,
            executor=executor,
            history=history,
            recorder=Recorder(database),
            live=LiveHub(),
            rehearsal=rehearsal,
            ari=cast(Any, Stub(connected())),
            calls=cast(Any, Stub(CallsStatusStub())),
            credentials=Credentials(*LOGIN),
            accounts=open_accounts(database, first=LOGIN[0]),
            started_at=datetime.now(UTC),
            version="1.2.3",
            secret_key=SECRET_KEY,
        )
    finally:
        await prompt_catalog.aclose()
        await tool_catalog.aclose()
        await secret_catalog.aclose()
        await mcp_catalog.aclose()
        rehearsal.close()
        await memory.aclose()
        await models.aclose()
        await executor.aclose()
        await closing.aclose()
        await database.aclose()


@pytest.fixture
def app(parts: Parts) -> FastAPI:
    app = make_app()
    app.state.parts = parts
    return app


def make_app() -> FastAPI:
    """As ``app.main.create_app`` does it, without the parts."""
    app = FastAPI(title="asterisk-ai", version="1.2.3", docs_url=None, redoc_url=None, openapi_url=None)
    install_api(app)
    install_web(app)
    return app


def client_for(app: FastAPI, login: tuple[str, str] | None = LOGIN, address: str = "192.0.2.7") -> httpx2.AsyncClient:
    transport = httpx2.ASGITransport(app=app, client=(address, 40000))
    return httpx2.AsyncClient(transport=transport, base_url="http://service.test", auth=login)


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx2.AsyncClient]:
    async with client_for(app) as client:
        yield client


@pytest.fixture
async def stranger(app: FastAPI) -> AsyncIterator[httpx2.AsyncClient]:
    """A client that is not signed in."""
    async with client_for(app, login=None) as client:
        yield client
