"""The agent on the real registry and memory, against servers that speak the providers' wire formats."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from typing import Any

import pytest

from app.agent.agent import Agent
from app.agent.errors import AgentError, EmptyAnswer, TruncatedAnswer, TurnTimeout
from app.agent.events import TextDelta, ToolFinished, ToolStarted
from app.agent.history import TurnCodec
from app.core.errors import GatewayError
from app.core.settings import Settings
from app.llm.errors import (
    ProviderError,
    ProviderNonsense,
    ProviderNotConfigured,
    ProviderRateLimited,
    ProviderUnauthorized,
    ProviderUnavailable,
    UnknownModel,
)
from app.llm.registry import Models
from app.memory.factory import make_memory
from app.prompts.prompt import Action
from app.tools.definition import ToolDefinition
from app.tools.execution import ToolExecutor
from lab.providers.answer import Answer, StubToolCall
from lab.providers.server import StubProviders
from tests.agent.scripted import FakeTools, run, turn
from tests.tools.conftest import raw_server, response, tool

# name in the tests -> provider, settings
WIRES: dict[str, tuple[str, dict[str, Any]]] = {
    "openai direct": ("openai", {"openai_client": "direct"}),
    "openai langchain": ("openai", {"openai_client": "langchain"}),
    "gemini": ("gemini", {}),
    "anthropic": ("anthropic", {}),
}


@dataclass
class Wired:
    agent: Agent
    stub: StubProviders
    models: Models


MakeWired = Callable[..., Wired]


@pytest.fixture
async def stub() -> AsyncIterator[StubProviders]:
    async with StubProviders() as server:
        yield server


@pytest.fixture
async def wired(stub: StubProviders, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[MakeWired]:
    for name in ("OPENAI_API_KEY", "GEMINI_API_KEY", "GOOGLE_API_KEY", "ANTHROPIC_API_KEY", "DEFAULT_AI_MODEL"):
        monkeypatch.delenv(name, raising=False)
    async with AsyncExitStack() as stack:

        def make(wire: str, *tools: ToolDefinition, **more: Any) -> Wired:
            provider, extra = WIRES[wire]
            values: dict[str, Any] = {
                "default_ai_model": provider,
                "openai_api_key": "sk-test-0123456789abcdef",
                "openai_base_url": stub.openai_url,
                "gemini_api_key": "AIza-test-0123456789",
                "gemini_base_url": stub.url,
                "anthropic_api_key": "sk-ant-test-0123456789",
                "anthropic_base_url": stub.url,
                **extra,
                **more,
            }
            settings = Settings(_env_file=None, **values)
            models, executor, memory = Models(settings), ToolExecutor(), make_memory(settings, TurnCodec())
            for name in ("openai", "gemini", "anthropic"):
                with suppress(ProviderNotConfigured):
                    models.chat_model(models.resolve(name))  # importing an SDK takes seconds on a busy machine
            stack.push_async_callback(models.aclose)
            stack.push_async_callback(executor.aclose)
            stack.push_async_callback(memory.aclose)
            return Wired(Agent(models, FakeTools(tools), executor, memory, settings), stub, models)

        yield make


every_wire = pytest.mark.parametrize("wire", WIRES)


@every_wire
async def test_a_conversation_of_two_turns(wired: MakeWired, wire: str) -> None:
    made = wired(wire)
    made.stub.script([Answer(text="Hello Ann, nice to hear you."), Answer(text="You are Ann.")])
    events, done = await run(made.agent, turn("I am Ann"))
    assert "".join(each.text for each in events if isinstance(each, TextDelta)) == "Hello Ann, nice to hear you."
    assert done.usage.input_tokens > 0
    _, done = await run(made.agent, turn("Who am I?"))
    assert (done.text, done.turn) == ("You are Ann.", 2)
    sent = str(made.stub.requests[-1].body)
    assert "I am Ann" in sent
    assert "nice to hear you" in sent
    assert "You serve" in sent


@every_wire
async def test_parallel_tools_and_a_later_turn_over_their_history(wired: MakeWired, wire: str) -> None:
    async with raw_server(response(b'{"state": "sent"}')) as server:
        definition = tool(server.url + "/o/{{ id }}", {"id": {"type": "string"}}, required=["id"])
        made = wired(wire, definition)
        calls = (StubToolCall("look_up", {"id": "A1"}), StubToolCall("look_up", {"id": "B2"}))
        made.stub.script([Answer(tool_calls=calls), Answer(text="Both were sent."), Answer(text="Yes, both.")])
        events, done = await run(made.agent, turn("Where are they?"))
        assert [each.arguments for each in events if isinstance(each, ToolStarted)] == [{"id": "A1"}, {"id": "B2"}]
        assert [each.ok for each in events if isinstance(each, ToolFinished)] == [True, True]
        assert done.text == "Both were sent."
        assert sorted(each.split(b" ")[1] for each in server.requests) == [b"/o/A1", b"/o/B2"]
        assert (await run(made.agent, turn("Really?")))[1].text == "Yes, both."
        assert "state" in str(made.stub.requests[-1].body)


@every_wire
async def test_a_conversation_that_another_provider_began(wired: MakeWired, wire: str) -> None:
    async with raw_server(response(b"{}")) as server:
        made = wired(wire, tool(server.url + "/x"))
        made.stub.script([Answer(tool_calls=(StubToolCall("look_up"),)), Answer(text="One."), Answer(text="Two.")])
        await run(made.agent, turn("first"))
        other = "gemini" if wire != "gemini" else "anthropic"
        assert (await run(made.agent, turn("second", model=other)))[1].text == "Two."
        sent = str(made.stub.requests[-1].body)
        assert "One." in sent
        assert "'look_up', 'args'" not in sent


FAULTS: list[tuple[Answer, type[GatewayError]]] = [
    (Answer(status=401), ProviderUnauthorized),
    (Answer(status=429), ProviderRateLimited),
    (Answer(status=500), ProviderUnavailable),
    (Answer(text="x" * 200, fault="half"), ProviderError),
    (Answer(text="x", fault="close"), ProviderError),
    (Answer(text="x", fault="nonsense"), ProviderNonsense),
    (Answer(text="x", fault="html"), ProviderError),
    (Answer(text="x", fault="nothing"), ProviderError),
    (Answer(text="x", fault="empty"), EmptyAnswer),
    (Answer(text="x" * 200, fault="length"), TruncatedAnswer),
    (Answer(text="x", fault="hang"), TurnTimeout),
]


@every_wire
@pytest.mark.parametrize(("answer", "error"), FAULTS, ids=lambda value: getattr(value, "fault", None) or "")
async def test_each_fault_has_its_error_within_the_deadline(
    wired: MakeWired, wire: str, answer: Answer, error: type[GatewayError]
) -> None:
    made = wired(wire)
    made.stub.script([answer] * 3)
    loop = asyncio.get_running_loop()
    request = turn(seconds=0.6 if answer.fault == "hang" else 5.0)
    with pytest.raises(error):
        await run(made.agent, request)
    assert loop.time() < request.deadline + 0.1
    # Once more only where a connection closed without a byte, which is how a kept one that went stale looks.
    assert len(made.stub.requests) <= (2 if answer.fault == "close" else 1)
    made.stub.script([])
    made.stub.default = Answer(text="Well again.")
    _, done = await run(made.agent, turn("next"))
    assert (done.text, done.turn) == ("Well again.", 1)


@every_wire
@pytest.mark.parametrize("fault", ["truncated", "length"])
async def test_a_cut_tool_call_never_runs(wired: MakeWired, wire: str, fault: Any) -> None:
    async with raw_server(response(b"{}")) as server:
        made = wired(wire, tool(server.url + "/{{ id }}", {"id": {"type": "string"}}))
        cut = Answer(tool_calls=(StubToolCall("look_up", {"id": "A1-long-enough-to-be-cut"}),), fault=fault)
        made.stub.script([cut] * 8)
        with pytest.raises((AgentError, ProviderError)):
            await run(made.agent, turn())
        assert server.requests == []


@every_wire
async def test_a_model_that_calls_a_tool_in_a_broken_form_may_try_once_more(wired: MakeWired, wire: str) -> None:
    async with raw_server(response(b'{"state": "sent"}')) as server:
        made = wired(wire, tool(server.url + "/{{ id }}", {"id": {"type": "string"}}))
        call = StubToolCall("look_up", {"id": "A1-long-enough-to-be-cut"})
        broken, right = Answer(tool_calls=(call,), fault="truncated"), Answer(tool_calls=(call,))
        made.stub.script([broken, right, Answer(text="It was sent.")])
        assert (await run(made.agent, turn()))[1].text == "It was sent."
        assert server.request_line == "GET /A1-long-enough-to-be-cut HTTP/1.1"
        made.stub.script([Answer(text="Yes.")])
        assert (await run(made.agent, turn("Really?")))[1].text == "Yes."
        made.stub.script([broken, broken, right])
        with pytest.raises(ProviderNonsense):
            await run(made.agent, turn())
        assert len(server.requests) == 1


@every_wire
async def test_a_second_model_takes_over_from_one_that_cannot_call_tools(wired: MakeWired, wire: str) -> None:
    made = wired(wire, tool("http://127.0.0.1:9/x"), fallback_ai_model="gemini:other" if wire != "gemini" else "openai")
    broken = Answer(tool_calls=(StubToolCall("look_up", {"id": "long enough to be cut"}),), fault="truncated")
    made.stub.script([broken, broken, Answer(text="Hello from the second.")])
    assert (await run(made.agent, turn()))[1].text == "Hello from the second."


@every_wire
async def test_hanging_up_closes_the_stream_and_the_tools_request(wired: MakeWired, wire: str) -> None:
    async with raw_server(None) as server:
        made = wired(wire, tool(server.url + "/x"))
        made.stub.script([Answer(text="slow", delay=30.0), Answer(tool_calls=(StubToolCall("look_up"),))])
        task = asyncio.create_task(run(made.agent, turn()))
        await made.stub.received(1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.wait_for(made.stub.requests[0].closed.wait(), 1)
        task = asyncio.create_task(run(made.agent, turn()))
        await asyncio.wait_for(server.asked.wait(), 2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.wait_for(server.closed_by_peer.wait(), 1)


@every_wire
@pytest.mark.parametrize("answer", [Answer(status=500), Answer(text="late", delay=30.0)], ids=["500", "hangs"])
async def test_the_fallback_model_answers_within_the_deadline(wired: MakeWired, wire: str, answer: Answer) -> None:
    made = wired(wire, fallback_ai_model="gemini:other" if wire != "gemini" else "anthropic:other")
    made.stub.script([answer, Answer(text="Hello from the second.")])
    request = turn(seconds=4.0)
    _, done = await run(made.agent, request)
    assert done.text == "Hello from the second."
    assert done.model.endswith(":other")
    assert asyncio.get_running_loop().time() < request.deadline
    failed = next(each for each in made.models.statuses() if each.name == WIRES[wire][0])
    assert failed.last_error is not None


@every_wire
async def test_structured_output_in_one_round_trip(wired: MakeWired, wire: str) -> None:
    schema = {"type": "object", "properties": {"intent": {"type": "string", "enum": ["buy", "other"]}}}
    made = wired(wire)
    made.stub.script(
        [Answer(tool_calls=(StubToolCall("answer", {"say": "Gladly.", "intent": "buy"}),)), Answer(text="x")]
    )
    _, done = await run(made.agent, turn(output_schema=schema))
    assert (done.text, done.output) == ("Gladly.", {"intent": "buy"})
    assert len(made.stub.requests) == 1
    _, done = await run(made.agent, turn("again", output_schema=None))
    assert "Gladly." in str(made.stub.requests[-1].body)


@every_wire
async def test_an_action_beside_words(wired: MakeWired, wire: str) -> None:
    made = wired(wire)
    call = StubToolCall("transfer_call", {"target": "200"})
    made.stub.script([Answer(text="One moment.", tool_calls=(call,)), Answer(text="I transfer you.")])
    events, done = await run(made.agent, turn(actions=(Action("transfer", targets=("200",)),)))
    assert ("transfer", "200") in [(getattr(each, "action", ""), getattr(each, "data", "")) for each in events]
    assert done.text in ("One moment.", "I transfer you.")


async def test_a_provider_without_a_key_and_an_unknown_one(wired: MakeWired) -> None:
    made = wired("openai direct", anthropic_api_key=None)
    with pytest.raises(ProviderNotConfigured, match="ANTHROPIC_API_KEY"):
        await run(made.agent, turn(model="anthropic"))
    with pytest.raises(UnknownModel):
        await run(made.agent, turn(model="nobody"))


async def test_the_demo_model_calls_a_tool(wired: MakeWired) -> None:
    made = wired("openai direct")
    _, done = await run(made.agent, turn("Hello", model="demo"))
    assert done.text
    assert done.model.startswith("demo:")


@every_wire
async def test_a_second_model_takes_over_from_one_that_was_filtered_or_writes_no_output(
    wired: MakeWired, wire: str
) -> None:
    made = wired(wire, fallback_ai_model="gemini:other" if wire != "gemini" else "anthropic:other")
    made.stub.script([Answer(text="", fault="filter"), Answer(text="Hello from the second.")])
    assert (await run(made.agent, turn()))[1].text == "Hello from the second."
    made.stub.script([Answer(text="Just words."), Answer(text="Again."), Answer(text='{"say": "Hi.", "n": 1}')])
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}}
    _, done = await run(made.agent, turn("again", output_schema=schema))
    assert (done.text, done.output) == ("Hi.", {"n": 1})
    assert len(made.stub.requests) == 5
