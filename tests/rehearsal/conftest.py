"""Rehearsals on the real agent, registry, catalogs and history: with the demo model, or a stub that speaks OpenAI's
protocol."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from app.agent.agent import Agent
from app.agent.history import TurnCodec
from app.core.settings import Settings
from app.db.database import Database
from app.history.store import HistoryStore
from app.llm.registry import Models
from app.memory.factory import make_memory
from app.memory.interface import ConversationMemory
from app.prompts.catalog import PromptCatalog
from app.prompts.draft import PromptDraft
from app.prompts.store import PromptStore
from app.rehearsal.events import Finished, RehearsalEvent
from app.rehearsal.rehearsal import Rehearsal, TurnPlan
from app.tools.catalog import ToolCatalog
from app.tools.execution import ToolExecutor
from app.tools.store import ToolStore
from lab.providers.server import StubProviders


@dataclass
class House:
    """What a rehearsal needs. ``full``: whether the calls need all there is."""

    settings: Settings
    database: Database
    agent: Agent
    models: Models
    memory: ConversationMemory[Any]
    prompts: PromptStore
    prompt_catalog: PromptCatalog
    tools: ToolStore
    tool_catalog: ToolCatalog
    rehearsal: Rehearsal
    full: bool = False

    async def prompt(self, name: str = "reception", content: str = "Say hello.", **fields: Any) -> int:
        """A published prompt."""
        record = await self.prompts.create(PromptDraft(name, content, **fields), by="test")
        return record.prompt.id

    async def play(self, text: str, **plan: Any) -> tuple[list[RehearsalEvent], Finished]:
        """All events but the last, and the last."""
        events = [event async for event in self.rehearsal.turn(TurnPlan(text, **plan))]
        last = events.pop()
        assert isinstance(last, Finished)
        return events, last


@pytest.fixture
async def stub() -> AsyncIterator[StubProviders]:
    async with StubProviders() as server:
        yield server


MakeHouse = Callable[..., Any]


@pytest.fixture
async def open_house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[MakeHouse]:
    for name in ("OPENAI_API_KEY", "GEMINI_API_KEY", "GOOGLE_API_KEY", "ANTHROPIC_API_KEY", "DEFAULT_AI_MODEL"):
        monkeypatch.delenv(name, raising=False)
    async with AsyncExitStack() as stack:

        async def make(**values: Any) -> House:
            settings = Settings(_env_file=None, database_url=f"sqlite:///{tmp_path}/test.db", **values)
            database = Database(settings.database_url)
            stack.push_async_callback(database.aclose)
            await database.migrate()
            prompts, tools = PromptStore(database), ToolStore(database)
            # An empty house: what a new installation is given is not wanted here.
            for prompt in (await prompts.list()).items:
                await prompts.delete(prompt.id, by="test")
            for each in (await tools.list()).items:
                await tools.delete(each.id, by="test")
            prompt_catalog, tool_catalog = PromptCatalog(prompts), ToolCatalog(tools)
            for catalog in (prompt_catalog, tool_catalog):
                await catalog.start()
                stack.push_async_callback(catalog.aclose)
            models, executor, memory = Models(settings), ToolExecutor(), make_memory(settings, TurnCodec())
            for part in (models, executor, memory):
                stack.push_async_callback(part.aclose)
            agent = Agent(models, tool_catalog, executor, memory, settings)
            rehearsal = Rehearsal(
                settings,
                agent,
                models,
                memory,
                prompts,
                prompt_catalog,
                tool_catalog,
                HistoryStore(database),
                calls_full=lambda: opened.full,
            )
            opened = House(
                settings,
                database,
                agent,
                models,
                memory,
                prompts,
                prompt_catalog,
                tools,
                tool_catalog,
                rehearsal,
            )
            return opened

        yield make


@pytest.fixture
async def demo(open_house: MakeHouse) -> House:
    """With the demo model."""
    house: House = await open_house()
    return house


@pytest.fixture
async def house(open_house: MakeHouse, stub: StubProviders) -> House:
    """With a model that ``stub`` plays."""
    made: House = await open_house(
        default_ai_model="openai", openai_api_key="sk-test-0123456789abcdef", openai_base_url=stub.openai_url
    )
    return made
