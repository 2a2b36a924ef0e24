"""A turn of the agent whose model calls a tool of a real MCP server: what model, operator and history see."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from app.agent.agent import Agent
from app.agent.events import ToolFinished, ToolStarted
from app.agent.history import TurnCodec
from app.core.settings import Settings
from app.llm.registry import Models
from app.memory.factory import make_memory
from app.tools.definition import ToolDefinition
from app.tools.mcp.listing import compare
from lab.providers.answer import Answer, StubToolCall
from lab.providers.server import StubProviders
from tests.agent.scripted import FakeTools, run, turn
from tests.tools.mcp.conftest import House, house, http_server, running


@pytest.fixture
async def stub() -> AsyncIterator[StubProviders]:
    async with StubProviders() as server:
        yield server


async def chosen(at: House, name: str) -> ToolDefinition:
    offered = [each for each in await at.sessions.tools(1) if each.name == name]
    proposal = compare(at.servers[1], offered, [])[0].proposal
    assert proposal is not None
    return proposal


async def test_a_turn_calls_a_tool_of_a_server_and_goes_on_when_it_is_gone(stub: StubProviders) -> None:
    settings = Settings(
        _env_file=None,
        default_ai_model="openai",
        openai_api_key="sk-test-0123456789abcdef",
        openai_base_url=stub.openai_url,
    )
    models, memory = Models(settings), make_memory(settings, TurnCodec())
    async with running("old") as server, house(http_server(server.url)) as at:
        tool = await chosen(at, "order_status")
        agent = Agent(models, FakeTools((tool,)), at.executor, memory, settings)
        call = StubToolCall("order_status", {"number": 4711})
        stub.script(
            [
                Answer(tool_calls=(call,)),
                Answer(text="It is on its way."),
                Answer(tool_calls=(call,)),
                Answer(text="I cannot look it up at the moment."),
            ]
        )
        try:
            events, done = await run(agent, turn("Where is order 4711?", seconds=20))
            assert done.text == "It is on its way."
            assert [each.arguments for each in events if isinstance(each, ToolStarted)] == [{"number": 4711}]
            (finished,) = [each for each in events if isinstance(each, ToolFinished)]
            assert finished.ok
            assert "on its way" in finished.result
            assert finished.request is not None
            assert (finished.request.method, finished.request.url) == ("tools/call", "mcp://shop1/")
            assert "4711" in (finished.request.body or "")
            await server.kill()
            events, done = await run(agent, turn("And now?", seconds=20))
            (failed,) = [each for each in events if isinstance(each, ToolFinished)]
            assert not failed.ok
            assert "127.0.0.1" not in failed.result
            assert done.text == "I cannot look it up at the moment."
        finally:
            await models.aclose()
            await memory.aclose()
