"""What is done before a call needs it, so that no caller pays for it: one turn through the compiled path with a
stand-in for the model, and the graphs of prompts and tools that were changed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import Any

import structlog
from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessageChunk, BaseMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult

from app.agent.actions import action_tools
from app.agent.graph import Graph, TurnContext, build_graph
from app.agent.history import TurnCodec, TurnMessages, recall
from app.agent.steps import Rules
from app.agent.stream import StreamReader
from app.core.metrics import UNEXPECTED
from app.llm.errors import ProviderNonsense
from app.prompts.prompt import Action
from app.tools.definition import CallContext

_log = structlog.get_logger(__name__)

Attempt = Callable[[Graph, list[BaseMessage], TurnContext], AsyncGenerator[tuple[str, Any], None]]


class Rewarming:
    """Compiles again in the background what a changed prompt or tool needs.

    Args:
        warm: Compiles what is missing, a pause after each.
    """

    def __init__(self, warm: Callable[[], Awaitable[None]]) -> None:
        self._warm = warm
        self._due = asyncio.Event()

    def changed(self) -> None:
        """A prompt or a tool has changed. Returns at once; changes while it works are one more round."""
        self._due.set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._due.wait()
            self._due.clear()
            try:
                await self._warm()
            except Exception:  # noqa: BLE001 - calls compile what they need themselves; the next change is a new chance
                UNEXPECTED.labels(where="agent.warm").inc()
                _log.exception("agent.not_warmed")


class StandIn(BaseChatModel):
    """Calls a tool that does not exist, then says a word."""

    @property
    def _llm_type(self) -> str:
        return "stand-in"

    def bind_tools(self, tools: Any, **kwargs: Any) -> Any:
        return self.bind(tools=tools)

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        raise NotImplementedError("the stand-in only streams")

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        if not isinstance(messages[-1], ToolMessage):
            call = {"name": "warm_up", "args": "{}", "id": "1", "index": 0, "type": "tool_call_chunk"}
            yield ChatGenerationChunk(message=AIMessageChunk(content="", tool_call_chunks=[call]))
            return
        yield ChatGenerationChunk(message=AIMessageChunk(content="ready"))


async def warm_up(attempt: Attempt) -> None:
    """Run the stand-in through ``attempt``, and its turn through memory's form. Touches no memory and no network."""
    rules = Rules(actions=action_tools([Action("transfer", targets=("100",))], ()))
    graph = build_graph(StandIn(), [], rules, lambda error: ProviderNonsense(str(error), provider="stand-in"))
    context = TurnContext(CallContext("warm-up", {}, asyncio.get_running_loop().time() + 60))
    reader = StreamReader(2, structured=False)
    items = attempt(graph, [SystemMessage("warm-up"), HumanMessage("hello")], context)
    async with aclosing(items):
        async for mode, payload in items:
            reader.feed(mode, payload)
    codec = TurnCodec()
    turn = TurnMessages.of([HumanMessage("hello"), *reader.messages], "stand-in", reader.finish().text)
    recall([codec.loads(codec.dumps(turn))], 1_000, "stand-in")
