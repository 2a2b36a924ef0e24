"""A chat model that follows a script, and the agent's other parts, small."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from pydantic import ConfigDict

from app.agent.agent import Agent
from app.agent.events import AgentEvent, Done
from app.agent.history import TurnMessages
from app.agent.turn import TurnRequest
from app.core.settings import Settings
from app.llm.errors import ProviderError, ProviderNotConfigured, ProviderUnavailable
from app.llm.interface import ModelOptions, ModelRef
from app.memory.interface import Conversation, MemoryStatus
from app.prompts.prompt import Prompt
from app.tools.definition import ToolDefinition
from app.tools.execution import ToolExecutor

Item = str | AIMessageChunk | Exception | float


def call(name: str, arguments: Any = None, call_id: str = "c1", index: int = 0) -> AIMessageChunk:
    """A tool call; ``arguments`` that are a string are sent as they are."""
    text = arguments if isinstance(arguments, str) else json.dumps(arguments or {})
    chunk = {"name": name, "args": text, "id": call_id, "index": index, "type": "tool_call_chunk"}
    return AIMessageChunk(content="", tool_call_chunks=[chunk])


def finish(reason: str, *, tokens: int = 0) -> AIMessageChunk:
    usage = {"input_tokens": tokens, "output_tokens": 1, "total_tokens": tokens + 1} if tokens else None
    return AIMessageChunk(content="", response_metadata={"finish_reason": reason}, usage_metadata=usage)


class ScriptedModel(BaseChatModel):
    """One list of items for each request: text, chunks, seconds to wait, an error to raise."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    script: list[list[Any]]
    requests: list[list[BaseMessage]]
    bound: dict[str, Any]
    closed: list[bool]
    asked: asyncio.Event

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def bind_tools(self, tools: Sequence[Any], **kwargs: Any) -> Any:
        self.bound.update(kwargs, tools=list(tools), times=self.bound.get("times", 0) + 1)
        return self.bind()

    def _generate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
        raise NotImplementedError

    async def _astream(
        self, messages: list[BaseMessage], *args: Any, **kwargs: Any
    ) -> AsyncIterator[ChatGenerationChunk]:
        self.requests.append(list(messages))
        self.asked.set()
        try:
            for item in self.script.pop(0):
                if isinstance(item, Exception):
                    raise item
                if isinstance(item, float):
                    await asyncio.sleep(item)
                    continue
                chunk = AIMessageChunk(content=item) if isinstance(item, str) else item.model_copy()
                generation = ChatGenerationChunk(message=chunk)
                yield generation
        finally:
            self.closed.append(True)


def scripted(*script: list[Any]) -> ScriptedModel:
    return ScriptedModel(script=list(script), requests=[], bound={}, closed=[], asked=asyncio.Event())


@dataclass
class FakeModels:
    """Implements what the agent needs of the registry."""

    by_name: dict[str, ScriptedModel]
    fallback: ModelRef | None = None
    succeeded_with: list[ModelRef] = field(default_factory=list)
    failures: list[tuple[ModelRef, Exception]] = field(default_factory=list)
    built: int = 0

    def resolve(self, text: str | None) -> ModelRef:
        return ModelRef(text or "first", "m")

    def chat_model(self, ref: ModelRef, options: ModelOptions) -> BaseChatModel:
        if ref.provider not in self.by_name:
            raise ProviderNotConfigured(f"{ref.provider} has no key")
        self.built += 1
        return self.by_name[ref.provider]

    def explain(self, ref: ModelRef, error: Exception) -> ProviderError:
        return ProviderUnavailable(f"{ref}: {error}", provider=ref.provider)

    def succeeded(self, ref: ModelRef) -> None:
        self.succeeded_with.append(ref)

    def failed(self, ref: ModelRef, error: Exception) -> None:
        self.failures.append((ref, error))


@dataclass
class FakeTools:
    definitions: tuple[ToolDefinition, ...] = ()

    def select(self, names: tuple[str, ...] | None) -> tuple[ToolDefinition, ...]:
        return tuple(each for each in self.definitions if names is None or each.name in names)


@dataclass
class FakeMemory:
    """Conversation memory in a dictionary."""

    kept: dict[str, list[TurnMessages]] = field(default_factory=dict)

    async def load(self, key: str) -> Conversation[TurnMessages]:
        turns = self.kept.get(key, [])
        return Conversation(tuple(turns), len(turns))

    async def append(self, key: str, turn: TurnMessages) -> int:
        self.kept.setdefault(key, []).append(turn)
        return len(self.kept[key])

    async def forget(self, key: str) -> None:
        self.kept.pop(key, None)

    def status(self) -> MemoryStatus:
        return MemoryStatus("in_process", True, "for tests", len(self.kept))

    async def start(self) -> None: ...

    async def aclose(self) -> None: ...


@dataclass
class Bench:
    """An agent and its parts."""

    models: FakeModels
    tools: FakeTools
    memory: FakeMemory
    executor: ToolExecutor
    agent: Agent

    @property
    def requests(self) -> list[list[BaseMessage]]:
        return self.models.by_name["first"].requests


def make_bench(
    *script: list[Any], tools: tuple[ToolDefinition, ...] = (), second: ScriptedModel | None = None, **settings: Any
) -> Bench:
    by_name = {"first": scripted(*script)}
    fallback = None
    if second is not None:
        by_name["second"] = second
        fallback = ModelRef("second", "m")
    models, selected, memory, executor = FakeModels(by_name, fallback), FakeTools(tools), FakeMemory(), ToolExecutor()
    agent = Agent(models, selected, executor, memory, Settings(_env_file=None, **settings))
    return Bench(models, selected, memory, executor, agent)


def turn(text: str = "hello", *, seconds: float = 5.0, conversation: str | None = "c", **changes: Any) -> TurnRequest:
    prompt_fields = {key: changes.pop(key) for key in list(changes) if key in Prompt.__slots__ and key != "model"}
    prompt = Prompt(**{"id": 1, "name": "p", "version": 1, "content": "You serve {{ caller }}.", **prompt_fields})
    deadline = asyncio.get_running_loop().time() + seconds
    return TurnRequest(conversation, text, prompt, deadline, turn_id="t1", **changes)


async def run(agent: Agent, request: TurnRequest) -> tuple[list[AgentEvent], Done]:
    events = [event async for event in agent.run(request)]
    assert isinstance(events[-1], Done)
    return events[:-1], events[-1]
