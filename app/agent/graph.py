"""The compiled agent of one configuration, and a bounded cache of them.

What differs from turn to turn is not compiled in: the system prompt, rendered with the call's variables, is the first
message of the input, and the tools find their call's context in the run's config. So two prompts, or two versions of
one, that differ in their text only share a graph.

The one middleware takes the place of ``create_agent``'s own model call, for three reasons: the model is bound to its
tools once instead of before every request (``bind_tools`` converts each schema anew), a cut message is refused before
the tools node, and calls of built-in tools are answered without a superstep of the graph.
"""

from __future__ import annotations

import asyncio
import json
from collections import OrderedDict
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from contextlib import aclosing
from dataclasses import asdict, dataclass
from typing import Any, cast

import orjson
import structlog
from langchain.agents import create_agent
from langchain.agents.middleware.types import (
    AgentMiddleware,
    AgentState,
    ExtendedModelResponse,
    ModelRequest,
    ModelResponse,
)
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, AnyMessage, BaseMessage
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool
from langgraph.graph.state import CompiledStateGraph
from langgraph.types import Command

from app.agent.actions import action_tools
from app.agent.desk import CallDesk, question_tools
from app.agent.output import OutputSchema
from app.agent.steps import Left, Rules, UnreadableCall, decide, whole_message
from app.core.errors import GatewayError
from app.llm.errors import ProviderError
from app.llm.interface import ModelOptions, ModelRef
from app.prompts.prompt import Prompt
from app.tools.adapter import HttpTool
from app.tools.definition import CallContext, ToolDefinition
from app.tools.execution import RunsTools

_log = structlog.get_logger(__name__)

MAX_GRAPHS = 128
# Of rehearsals: an operator's tries come and go, and each graph holds some megabytes' worth of small objects.
MAX_REHEARSED_GRAPHS = 24
_MAX_CORRECTIONS = 1
_CHUNKS_A_TURN_OF_THE_LOOP = 8

Graph = CompiledStateGraph[Any, Any, Any, Any]
ToolKey = tuple[int, int] | str
GraphKey = tuple[ModelRef, ModelOptions, tuple[ToolKey, ...], Any, bytes]


@dataclass(slots=True)
class TurnContext:
    """What one run of a graph knows of its turn; the runtime context of the graph.

    Attributes:
        corrections: How often the model was asked to correct its output.
        debug: Whether to log messages.
        stand_in: Who answers the tools' calls in place of their executor; None: nobody.
        desk: Who answers questions about the telephone system; None: nobody can.
    """

    call: CallContext
    debug: bool = False
    stand_in: RunsTools | None = None
    desk: CallDesk | None = None
    corrections: int = 0


class ModelStep(AgentMiddleware[AgentState[Any], TurnContext, Any]):
    """Asks the model and decides what follows from its message."""

    def __init__(
        self,
        bound: Runnable[Any, BaseMessage],
        rules: Rules,
        explain: Callable[[Exception], ProviderError],
    ) -> None:
        super().__init__()
        self._bound = bound
        self._rules = rules
        self._explain = explain

    def awrap_model_call(
        self,
        request: ModelRequest[TurnContext],
        handler: Callable[[ModelRequest[TurnContext]], Awaitable[ModelResponse[Any]]],
    ) -> Coroutine[Any, Any, ExtendedModelResponse[Any]]:
        """Raises the provider's errors as :class:`ProviderError`, and those of :func:`app.agent.steps.decide`.

        A plain function that returns a coroutine, on purpose: LangChain wraps this hook for LangSmith, and its wrapper
        for ``async def`` goes to the default thread pool before and after every call, also when nothing is traced. A
        slow name look-up in that small pool would hold up every turn.
        """
        return self._step(request)

    async def _step(self, request: ModelRequest[TurnContext]) -> ExtendedModelResponse[Any]:
        turn = request.runtime.context
        if turn.debug:
            _log.debug(
                "model.called", turn_id=turn.call.turn_id, messages=[each.model_dump() for each in request.messages]
            )
        try:
            message = await self._ask(request.messages)
        except GatewayError:
            raise
        except Exception as error:  # every SDK has errors of its own; the registry knows them
            raise self._explain(error) from error
        if turn.debug:
            _log.debug("model.answered", turn_id=turn.call.turn_id, messages=[message.model_dump()])
        seconds = turn.call.deadline - asyncio.get_running_loop().time()
        left = Left(seconds, _MAX_CORRECTIONS - turn.corrections)
        try:
            step = decide(message, self._rules, left)
        except UnreadableCall as error:
            raise self._explain(error) from error
        turn.corrections += step.corrects
        if step.repeat:
            return await self._step(request)
        command: Command[Any] | None = Command(update={"jump_to": step.jump}) if step.jump else None
        return ExtendedModelResponse(ModelResponse(result=step.messages), command)

    async def _ask(self, messages: list[AnyMessage]) -> AIMessage:
        chunks: list[AIMessageChunk] = []
        stream = cast("AsyncGenerator[AIMessageChunk, None]", self._bound.astream(messages))
        async with aclosing(stream):
            async for chunk in stream:
                if not isinstance(chunk, AIMessageChunk):  # a model that does not stream gives a whole message
                    return cast("AIMessage", chunk)
                chunks.append(chunk)
                if not len(chunks) % _CHUNKS_A_TURN_OF_THE_LOOP:
                    # What the socket has buffered is read without a pause. The libraries take up to a millisecond for
                    # a chunk, so a long answer that comes at once would hold up every call, and the deadline.
                    await asyncio.sleep(0)
        return whole_message(chunks)


def build_graph(
    model: BaseChatModel,
    tools: list[BaseTool],
    rules: Rules,
    explain: Callable[[Exception], ProviderError],
) -> Graph:
    """Compile the agent. Built-in tools stand in the tools node too, since a graph without one cannot go back to the
    model; their calls never come to it."""
    offered = [*tools, *(action.tool for action in rules.actions.values())]
    if rules.output is not None:
        offered.append(rules.output.tool)
    bound: Runnable[Any, BaseMessage] = model
    if offered:
        bound = model.bind_tools(offered, tool_choice="any") if rules.output is not None else model.bind_tools(offered)
    step = ModelStep(bound, rules, explain)
    return cast("Graph", create_agent(model, offered, middleware=[step], context_schema=TurnContext))


@dataclass(frozen=True, slots=True)
class Configuration:
    """What an agent is compiled for. Of the prompt only actions and output schema count."""

    ref: ModelRef
    options: ModelOptions
    prompt: Prompt
    tools: tuple[ToolDefinition, ...]

    @property
    def key(self) -> GraphKey:
        """Equal for all that can share a compiled agent."""
        schema = b"" if self.prompt.output_schema is None else orjson.dumps(self.prompt.output_schema)
        return (self.ref, self.options, tuple(_key_of(tool) for tool in self.tools), self.prompt.actions, schema)


class Graphs:
    """Compiled agents by their configuration; the least recently used one goes when there are too many.

    Attributes:
        compiled: How many were compiled so far.
    """

    def __init__(self, executor: RunsTools, most: int = MAX_GRAPHS) -> None:
        self._executor = executor
        self._most = most
        self.compiled = 0
        self._kept: OrderedDict[GraphKey, Graph] = OrderedDict()

    def __contains__(self, wanted: Configuration) -> bool:
        return wanted.key in self._kept

    def get(
        self,
        wanted: Configuration,
        chat_model: Callable[[ModelRef, ModelOptions], BaseChatModel],
        explain: Callable[[ModelRef, Exception], ProviderError],
    ) -> Graph:
        """The agent of this configuration, compiled at its first use (a few milliseconds).

        Raises:
            ModelError: what ``chat_model`` raises.
        """
        key = wanted.key
        if (graph := self._found(key)) is None:
            graph = self._keep(key, self._compile(wanted, chat_model(wanted.ref, wanted.options), explain))
        return graph

    async def get_aside(
        self,
        wanted: Configuration,
        chat_model: Callable[[ModelRef, ModelOptions], BaseChatModel],
        explain: Callable[[ModelRef, Exception], ProviderError],
    ) -> Graph:
        """As :meth:`get`, compiled in a thread: with hundreds of tools it takes half a second, in which the event loop
        has calls to serve."""
        key = await asyncio.to_thread(lambda: wanted.key)
        if (graph := self._found(key)) is None:
            model = chat_model(wanted.ref, wanted.options)
            graph = self._keep(key, await asyncio.to_thread(self._compile, wanted, model, explain))
        return graph

    def _found(self, key: GraphKey) -> Graph | None:
        graph = self._kept.get(key)
        if graph is not None:
            self._kept.move_to_end(key)
        return graph

    def _keep(self, key: GraphKey, graph: Graph) -> Graph:
        self._kept[key] = graph
        self._kept.move_to_end(key)
        self.compiled += 1
        if len(self._kept) > self._most:
            self._kept.popitem(last=False)
        return graph

    def _compile(
        self, wanted: Configuration, model: BaseChatModel, explain: Callable[[ModelRef, Exception], ProviderError]
    ) -> Graph:
        prompt, ref = wanted.prompt, wanted.ref
        rules = Rules(
            actions=action_tools(prompt.actions, [tool.name for tool in wanted.tools]),
            output=None if prompt.output_schema is None else OutputSchema(prompt.output_schema),
        )
        tools: list[BaseTool] = [HttpTool(tool, self._executor) for tool in wanted.tools]
        tools += question_tools(prompt.actions, [*(tool.name for tool in wanted.tools), *rules.actions])
        return build_graph(model, tools, rules, lambda error: explain(ref, error))


def _key_of(tool: ToolDefinition) -> ToolKey:
    """A version is known by its numbers; a draft only by all that it says."""
    return tool.key if tool.version else json.dumps(asdict(tool), sort_keys=True, default=str)
