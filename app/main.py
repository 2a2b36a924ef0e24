"""The application: the only place where parts are wired together.

``uvicorn app.main:app``, ``python app/main.py`` and ``asterisk-ai serve`` all start it.
"""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__" and not __package__:
    # Started as a file, Python puts this folder first on its path, where "app" is not to be found.
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

import asyncio
import atexit
import gc
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import structlog
from fastapi import FastAPI
from starlette.datastructures import State
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.accounts.accounts import open_accounts
from app.agent.agent import Agent
from app.agent.history import TurnCodec
from app.agent.warm import Rewarming
from app.api.install import install as install_api
from app.api.parts import Parts
from app.ari.client import AriClient
from app.ari.config import AriConfig
from app.ari.errors import AriReplaced
from app.calls.supervisor import EVENTS, CallSupervisor
from app.core.errors import GatewayError, SettingsError
from app.core.metrics import watch_event_loop
from app.core.sealing import Sealer
from app.core.security import credentials_from, load_secret_key, older_keys
from app.core.settings import Settings, load_settings
from app.db.database import Database
from app.history.journal import Journal
from app.history.live import LiveHub
from app.history.recorder import Recorder
from app.history.retention import Retention
from app.history.store import HistoryStore
from app.llm.interface import ModelRef
from app.llm.registry import Models
from app.memory.factory import make_memory
from app.process import at_stop_signal, listen, run, start_logging
from app.prompts.catalog import PromptCatalog
from app.prompts.store import PromptStore
from app.rehearsal.rehearsal import Rehearsal
from app.tools.catalog import ToolCatalog
from app.tools.definition import McpCall, PythonCall
from app.tools.guard.own_ports import OwnPorts
from app.tools.guard.rules import Policy
from app.tools.mcp.backend import McpBackend
from app.tools.mcp.catalog import McpServerCatalog
from app.tools.mcp.opening import open_sessions
from app.tools.mcp.store import McpServerStore
from app.tools.opening import open_executor
from app.tools.python.backend import PythonBackend
from app.tools.python.registry import PythonTools
from app.tools.store import ToolStore
from app.tools.vault.catalog import SecretCatalog
from app.tools.vault.store import SecretStore
from app.web.install import install as install_web

logger = structlog.get_logger("app.main")

# Seconds between two graphs that are compiled again after a change, for calls in between.
_WARM_PAUSE = 0.05


def package_version() -> str:
    """The version of this service."""
    try:
        return version("asterisk-ai")
    except PackageNotFoundError:  # run from a checkout that was never installed
        return "0.0.0"


@asynccontextmanager
async def open_parts(settings: Settings, *, calls: bool = True) -> AsyncIterator[Parts]:
    """Open everything that the service consists of, in the order in which one needs the other; close it in reverse.

    Args:
        calls: Whether to connect to Asterisk (if it is configured) and serve calls.

    Raises:
        GatewayError: the database cannot be opened or migrated, or TOOLS_ALLOWED_HOSTS is malformed.
    """
    async with AsyncExitStack() as stack:
        allowed = Policy.parse(settings.tools_allowed_hosts)  # a mistake in it is told before anything is opened
        database = Database(settings.database_url)
        stack.push_async_callback(database.aclose)
        migration = await database.migrate(service_url=service_url(settings))
        logger.info("database.ready", database=database.describe(), revision=migration.revision)

        accounts = open_accounts(database, first=settings.web_ui_username)
        stack.push_async_callback(accounts.last_seen.flush)
        prompts, tools = PromptStore(database), ToolStore(database)
        prompt_catalog, tool_catalog = PromptCatalog(prompts), ToolCatalog(tools)
        secret_key = load_secret_key(settings)
        # A quarter of a second for each key, of thinking only.
        secrets = SecretStore(database, await asyncio.to_thread(Sealer, secret_key, older=older_keys(settings)))
        secret_catalog = SecretCatalog(secrets)
        mcp_servers = McpServerStore(database)
        mcp_catalog = McpServerCatalog(mcp_servers)
        for catalog in (prompt_catalog, tool_catalog, secret_catalog, mcp_catalog):
            await catalog.start()
            stack.push_async_callback(catalog.aclose)

        models = Models(settings)
        stack.push_async_callback(models.aclose)
        memory = make_memory(settings, TurnCodec())
        await memory.start()
        stack.push_async_callback(memory.aclose)
        own_ports = OwnPorts([settings.web_port])
        mcp_sessions = open_sessions(
            stack,
            mcp_catalog.find,
            allowed,
            own_ports=own_ports,
            secrets=secret_catalog.current,
            refresh_tokens=secrets,
            commands=settings.stdio_commands,
        )
        mcp_catalog.when_changed = mcp_sessions.refresh
        python_tools = PythonTools()
        executor = open_executor(
            allowed,
            own_ports=own_ports,
            secrets=secret_catalog.current,
            refresh_tokens=secrets,
            others={McpCall: McpBackend(mcp_sessions), PythonCall: PythonBackend(python_tools)},
        )
        stack.push_async_callback(executor.aclose)
        agent = Agent(models, tool_catalog, executor, memory, settings)
        # The first caller pays for nothing that can be done before: SDKs are imported, graphs compiled, connections
        # opened. A call may name any configured provider, so each is made ready.
        await models.warm(*_configured(models))
        await agent.warm(prompt_catalog.all())
        # A full collection takes a tenth of a second with everything loaded, and every call would wait for it. What is
        # loaded now lives as long as the process, so the collector need not look at it again.
        gc.collect()
        gc.freeze()

        recorder, live = Recorder(database), LiveHub()
        await recorder.start()
        # The calls are stopped before it, so that what they leave at the last moment is written.
        stack.push_async_callback(recorder.aclose)
        # Between the two: no turn runs any more, and what tools finish now is still written and remembered.
        stack.push_async_callback(agent.aclose, settings.ai_drain_timeout)
        stack.callback(live.close)
        journal = Journal(settings, recorder, live)

        rewarming = Rewarming(lambda: agent.warm_prompts(prompt_catalog.all(), pause=_WARM_PAUSE))
        prompt_catalog.when_changed = tool_catalog.when_changed = rewarming.changed

        if calls and not settings.asterisk_ari_url:
            logger.warning("ari.not_configured", detail="ASTERISK_ARI_URL is not set, so no calls are served")
        supervisor = None
        if calls and settings.asterisk_ari_url:
            supervisor = CallSupervisor(settings, agent, prompt_catalog, journal)
        ari = AriClient(_ari_config(settings), supervisor) if supervisor else None
        history = HistoryStore(database)
        rehearsal = Rehearsal(
            settings,
            agent,
            models,
            memory,
            prompts,
            prompt_catalog,
            tool_catalog,
            history,
            calls_full=lambda: supervisor is not None and supervisor.status.active >= supervisor.status.limit,
        )
        stack.callback(rehearsal.close)
        parts = Parts(
            settings=settings,
            database=database,
            prompts=prompts,
            prompt_catalog=prompt_catalog,
            tools=tools,
            tool_catalog=tool_catalog,
            secrets=secrets,
            secret_catalog=secret_catalog,
            mcp_servers=mcp_servers,
            mcp_catalog=mcp_catalog,
            mcp_sessions=mcp_sessions,
            models=models,
            memory=memory,
            agent=agent,
            executor=executor,
            history=history,
            rehearsal=rehearsal,
            recorder=recorder,
            live=live,
            ari=ari,
            calls=supervisor,
            credentials=credentials_from(settings),
            accounts=accounts,
            secret_key=secret_key,
            python_tools=python_tools,
            started_at=datetime.now(UTC),
            version=package_version(),
        )
        background = asyncio.TaskGroup()
        await stack.enter_async_context(background)
        running = [
            background.create_task(watch_event_loop(), name="loop lag"),
            background.create_task(accounts.last_seen.run(), name="last seen"),
            background.create_task(rewarming.run(), name="warm"),
            background.create_task(Retention(database, settings.history_days).run(), name="history.retention"),
        ]
        if supervisor is not None and ari is not None:
            running.append(background.create_task(_serve_calls(supervisor, ari), name="calls"))
            stack.push_async_callback(_stop, running)
            stack.push_async_callback(supervisor.drain, settings.ai_drain_timeout)
        else:
            stack.push_async_callback(_stop, running)
        logger.info("service.ready", model=str(models.default), reason=models.default_reason)
        yield parts


async def _serve_calls(supervisor: CallSupervisor, ari: AriClient) -> None:
    """Serve calls until cancelled.

    When another client takes the application over, this one stays up to say so (the status page and ``/readyz`` show
    it), and goes on when the application is free again. Reconnecting at once would take the calls from the other one,
    which would take them back, for ever.
    """
    while True:
        try:
            await supervisor.run(ari)
        except AriReplaced as error:
            logger.critical("ari.replaced", detail=str(error))
        await ari.wait_until_free()
        logger.warning("ari.free_again", detail="the other client is gone, so this one serves the calls again")


async def _stop(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()


def _configured(models: Models) -> list[ModelRef]:
    """A model of each provider that can be used."""
    refs = [ModelRef(each.name, each.default_model) for each in models.statuses() if each.configured]
    return [ref for ref in refs if ref.provider != "demo" or ref == models.default]


def service_url(settings: Settings) -> str:
    """Where the service reaches itself, for the example tool of an empty installation."""
    host = settings.web_host if settings.web_host not in ("0.0.0.0", "::") else "127.0.0.1"  # noqa: S104 - compared
    return f"http://[{host}]:{settings.web_port}" if ":" in host else f"http://{host}:{settings.web_port}"


def _ari_config(settings: Settings) -> AriConfig:
    if not (settings.asterisk_ari_url and settings.asterisk_ari_username and settings.asterisk_ari_password):
        raise SettingsError("ASTERISK_ARI_URL, ASTERISK_ARI_USERNAME and ASTERISK_ARI_PASSWORD belong together")
    return AriConfig(
        url=settings.asterisk_ari_url,
        username=settings.asterisk_ari_username,
        password=settings.asterisk_ari_password.get_secret_value(),
        app=settings.asterisk_app_name,
        events=EVENTS,
    )


def create_app(settings: Settings | None = None) -> FastAPI:
    """The web application; its lifespan opens and closes the parts.

    Args:
        settings: Read from the environment and ``.env`` when absent.

    Raises:
        SettingsError: a setting is wrong.
    """
    settings = settings or load_settings()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            try:
                parts = await stack.enter_async_context(open_parts(settings))
            except GatewayError as error:
                logger.critical("service.not_started", error=error.code, detail=str(error))
                app.state.said = True
                raise
            app.state.parts = parts
            # Live views never end by themselves, and the web server waits for them before it stops anything else.
            for watched in (parts.live, parts.samples.watchers, parts.rehearsal):
                stack.enter_context(at_stop_signal(watched.close))
            if parts.credentials.generated:
                _show_password(settings, parts)
            yield

    app = FastAPI(
        title="asterisk-ai",
        summary="The AI gateway for Asterisk.",
        version=package_version(),
        lifespan=lifespan,
        docs_url=None,  # served by app.api from local files, without a CDN
        redoc_url=None,
        openapi_url=None,
    )
    app.state.settings = settings
    app.add_middleware(_OneLine, state=app.state)
    install_api(app)
    install_web(app)
    return app


class _OneLine:
    """Leaves the stack trace out of a start that failed for a reason which the log has in one line."""

    def __init__(self, app: ASGIApp, state: State) -> None:
        self._app = app
        self._state = state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            await self._app(scope, receive, send)
            return

        async def brief(message: Message) -> None:
            if message["type"] == "lifespan.startup.failed" and getattr(self._state, "said", False):
                message = {**message, "message": ""}
            await send(message)

        await self._app(scope, receive, brief)


def _show_password(settings: Settings, parts: Parts) -> None:
    """Print the password that was made for this start; to standard output, since the log is kept and this is not."""
    print(
        f"\nWeb interface: {service_url(settings)}/ui\n"
        f"  name      {parts.credentials.username}\n"
        f"  password  {parts.credentials.password}   (made for this start; set WEB_UI_PASSWORD to keep one)\n",
        flush=True,
    )


def serve(settings: Settings) -> None:
    """Run the service in this process until it is told to stop (SIGINT, SIGTERM).

    Raises:
        SettingsError: the web interface's address cannot be had.
    """
    writer = start_logging(settings)
    try:
        run(create_app(settings), listen(settings))
    finally:
        writer.close()


def main() -> None:
    """Start the service; a setting that is wrong is one line, not a stack trace."""
    try:
        serve(load_settings())
    except GatewayError as error:
        sys.exit(f"asterisk-ai: {error}")


def __getattr__(name: str) -> Any:
    """Build ``app`` when ``uvicorn app.main:app`` asks for it, and not at import: tests and tools import this module
    with settings of their own."""
    if name == "app":
        try:
            settings = load_settings()
        except SettingsError as error:
            sys.exit(f"asterisk-ai: {error}")
        atexit.register(start_logging(settings).close)  # nobody else closes it: the process is not ours
        return create_app(settings)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


if __name__ == "__main__":
    main()
