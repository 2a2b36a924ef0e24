"""The agent: a turn in, events out. It never hears of telephony.

One run of :meth:`Agent.run` renders the prompt, recalls the conversation, streams the compiled graph of its
configuration, commits the finished turn to memory and ends with ``Done``. Everything happens in the caller's task;
closing the generator or cancelling the task closes the model's stream and the tools' requests, and leaves nothing in
memory. The one exception are tools that the operator marked: a call of theirs that has begun is finished and remembered
(:mod:`app.agent.commits`).
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from contextlib import aclosing
from typing import Any

import structlog
from langchain_core.messages import BaseMessage, HumanMessage, SystemMessage
from langgraph.errors import GraphRecursionError

from app.agent.commits import Commits
from app.agent.conduct import TurnConduct
from app.agent.confirmation import Claims
from app.agent.debug import debug_fields
from app.agent.desk import DESK
from app.agent.errors import AgentError, StepLimit, TurnTimeout
from app.agent.events import AgentEvent, Done, TextDelta
from app.agent.fallback import first_sign_by, may_fall_back, models_to_try
from app.agent.graph import MAX_GRAPHS, MAX_REHEARSED_GRAPHS, Configuration, Graph, Graphs, TurnContext
from app.agent.history import TurnMessages, recall
from app.agent.parts import Models, Tools
from app.agent.progress import Progress
from app.agent.stream import Answer, StreamReader
from app.agent.turn import Rehearsed, TurnRequest
from app.agent.warm import warm_up
from app.core.errors import GatewayError
from app.core.metrics import FIRST_TEXT_SECONDS, MODEL_ERRORS, MODEL_FALLBACKS, TOKENS, UNEXPECTED
from app.core.settings import Settings
from app.llm.errors import ModelError, ProviderTimeout
from app.llm.interface import ModelOptions, ModelRef
from app.memory.interface import Conversation, ConversationMemory
from app.prompts.errors import PromptError
from app.prompts.prompt import Prompt
from app.prompts.render import render
from app.tools.adapter import CALL_CONTEXT, STAND_IN
from app.tools.definition import CallContext, ToolDefinition
from app.tools.execution import RunsTools

_log = structlog.get_logger(__name__)

# Tools that a model calls at once run at once, but not without bound.
_MAX_PARALLEL_TOOLS = 8
# Milliseconds that a model must have had for it to be its fault that a turn is late.
_FAIR_MS = 50.0


class Agent:
    """Shared by all turns; any number of them may run at a time."""

    def __init__(
        self,
        models: Models,
        tools: Tools,
        executor: RunsTools,
        memory: ConversationMemory[TurnMessages],
        settings: Settings,
    ) -> None:
        self._models = models
        self._tools = tools
        self._memory = memory
        self._commits = Commits(memory)
        self._claims = Claims()
        self._graphs = Graphs(executor)
        # Apart, so that drafts never push the graphs of calls out.
        self._rehearsed_graphs = Graphs(executor, MAX_REHEARSED_GRAPHS)
        self._max_rounds = settings.ai_max_steps
        self._max_tokens = settings.ai_max_output_tokens
        self._memory_tokens = settings.ai_memory_max_tokens
        self._debug = settings.debug_mode

    async def run(self, turn: TurnRequest) -> AsyncGenerator[AgentEvent, None]:
        """Answer ``turn``. Use it inside ``contextlib.aclosing``.

        The turn is in memory before ``Done`` is yielded; one that fails, or is cancelled or closed, leaves nothing,
        unless something was done in it that cannot be taken back: see :mod:`app.agent.commits`.

        Raises:
            AgentError: see :mod:`app.agent.errors`; :class:`TurnTimeout` at ``turn.deadline``.
            ModelError: the model, and the fallback model if there is one, cannot be used or did not answer well.
            PromptTemplateError: the prompt's content cannot be rendered.
        """
        turn.progress.begin()
        conduct = TurnConduct(self._commits, self._claims, turn.conversation, turn.progress)
        events = self._events(turn, conduct)
        try:
            async with aclosing(events):
                async for event in events:
                    yield event
        finally:
            conduct.close(turn.text)

    async def _events(self, turn: TurnRequest, conduct: TurnConduct) -> AsyncGenerator[AgentEvent, None]:
        progress = turn.progress
        log = _log.bind(turn_id=turn.turn_id)
        system = SystemMessage(render(turn.prompt.content, turn.variables))
        with progress.measure("memory", "load"):
            remembered = await self._recall(turn)
        conduct.recalled(remembered)
        models = models_to_try(self._models.resolve(turn.model or turn.prompt.model), self._models.fallback)
        for ref in models:
            last = ref is models[-1]
            reader = StreamReader(self._max_rounds, structured=turn.prompt.output_schema is not None)
            conduct.asks(ref.provider, reader.messages)
            history = recall(remembered.turns, self._memory_tokens, ref.provider)
            try:
                messages = [system, *history, HumanMessage(turn.text)]
                events = self._attempt(turn, ref, messages, reader, conduct, last=last)
                with progress.attempt(str(ref), reader):
                    async with aclosing(events):
                        async for event in events:
                            if isinstance(event, TextDelta):
                                progress.text()
                            yield event
                answer = reader.finish()
            except (ModelError, AgentError) as error:
                if turn.rehearsed is None:
                    self._failed(ref, error)
                again = not last and may_fall_back(error, committed=reader.committed)
                log.warning("model.failed", model=str(ref), error=error.code, detail=str(error), falls_back=again)
                if not again:
                    raise
                continue
            break
        if ref is not models[0]:
            MODEL_FALLBACKS.inc()
        self._succeeded(ref, progress, rehearsed=turn.rehearsed is not None)
        with progress.measure("memory", "save"):
            number = await self._commit(turn, ref, reader, answer, conduct)
        for action in answer.actions:
            yield action
        yield Done(
            text=answer.text,
            model=str(ref),
            turn=number,
            usage=progress.usage,
            steps=reader.steps,
            output=answer.output,
            first_text_ms=progress.first_text_ms,
            timings=tuple(progress.timings),
            model_steps=tuple(progress.steps),
        )

    async def aclose(self, timeout: float) -> None:
        """Let calls that are finished though their turns are over end within ``timeout`` seconds, and remember them.
        To be called when no turn runs any more, and before executor and memory are closed."""
        await self._commits.aclose(timeout)

    async def warm(self, prompts: Iterable[Prompt] = ()) -> None:
        """Pay the costs of a first turn before a call does: imports, the first run of a graph, and the graphs of
        ``prompts`` (4 ms each; those beyond the cache's size are left out). What cannot be used is passed over.
        """
        await warm_up(self._attempt_graph)
        await self.warm_prompts(prompts)

    async def warm_prompts(self, prompts: Iterable[Prompt], pause: float = 0.0) -> None:
        """Compile what is not compiled yet for turns with ``prompts``, as :meth:`warm` does.

        Args:
            pause: Seconds after each graph that was compiled, which holds up the event loop for 4 to 50 ms: calls
                in between shall not wait for a whole row of them.
        """
        for prompt in itertools.islice(prompts, MAX_GRAPHS):
            compiled = self._graphs.compiled
            try:
                render(prompt.content, {})  # compiles the template
                for ref in models_to_try(self._models.resolve(prompt.model), self._models.fallback):
                    self._graph(ref, prompt)
            except (ModelError, PromptError) as error:
                _log.info("agent.prompt_not_warmed", prompt=prompt.name, error=error.code, detail=str(error))
            await asyncio.sleep(pause if self._graphs.compiled > compiled else 0)

    def _graph(self, ref: ModelRef, prompt: Prompt) -> Graph:
        wanted = self._wanted(ref, prompt, self._tools.select(prompt.tools))
        return self._graphs.get(wanted, self._models.chat_model, self._models.explain)

    async def _rehearsed_graph(self, ref: ModelRef, prompt: Prompt, rehearsed: Rehearsed) -> Graph:
        tools = self._tools.select(prompt.tools) if rehearsed.tools is None else rehearsed.tools
        wanted = self._wanted(ref, prompt, tools)
        # What calls have compiled serves a rehearsal too; it holds nothing of the prompt's text.
        of_calls = all(tool.version for tool in tools) and wanted in self._graphs  # never with a draft among them
        graphs = self._graphs if of_calls else self._rehearsed_graphs
        return await graphs.get_aside(wanted, self._models.chat_model, self._models.explain)

    async def _graph_and_stand_in(self, ref: ModelRef, turn: TurnRequest) -> tuple[Graph, RunsTools | None]:
        if turn.rehearsed is None:
            return self._graph(ref, turn.prompt), None
        return await self._rehearsed_graph(ref, turn.prompt, turn.rehearsed), turn.rehearsed.executor

    def _wanted(self, ref: ModelRef, prompt: Prompt, tools: tuple[ToolDefinition, ...]) -> Configuration:
        return Configuration(ref, ModelOptions(prompt.temperature, self._max_tokens), prompt, tools)

    async def _recall(self, turn: TurnRequest) -> Conversation[TurnMessages]:
        if turn.conversation is None:
            return Conversation((), 0)
        try:
            async with asyncio.timeout_at(turn.deadline):
                await self._commits.settled(turn.conversation, turn.deadline)
                return await self._memory.load(turn.conversation)
        except TimeoutError as error:
            raise _too_late() from error

    async def _attempt(
        self,
        turn: TurnRequest,
        ref: ModelRef,
        messages: list[BaseMessage],
        reader: StreamReader,
        conduct: TurnConduct,
        *,
        last: bool,
    ) -> AsyncGenerator[AgentEvent, None]:
        """One model's try at the turn."""
        loop = asyncio.get_running_loop()
        graph, stand_in = await self._graph_and_stand_in(ref, turn)
        context = TurnContext(
            CallContext(turn.turn_id, turn.variables, turn.deadline, conduct), self._debug, stand_in, desk=turn.desk
        )
        sign_by = first_sign_by(loop.time(), turn.deadline, last=last)
        items = self._attempt_graph(graph, messages, context)
        async with aclosing(items):
            while True:
                # The timeout is around the wait for one item, never around a yield: there it would cancel the
                # caller's own work.
                try:
                    async with asyncio.timeout_at(turn.deadline if reader.alive else sign_by):
                        mode, payload = await anext(items)
                except StopAsyncIteration:
                    return
                except TimeoutError as error:
                    late = ProviderTimeout(f"{ref} did not answer in time.", provider=ref.provider)
                    if not reader.alive and not last and loop.time() < turn.deadline:
                        raise late from error
                    # A tool may have used all the time but the last bit.
                    fair = turn.progress.asked_for_ms() >= _FAIR_MS
                    if fair and not reader.waits_for_tools and turn.rehearsed is None:
                        self._models.failed(ref, late)  # the turn's error is its deadline; the status names the cause
                    raise _too_late() from error
                events = reader.feed(mode, payload)
                if mode == "updates":
                    turn.progress.node(reader)
                for event in events:
                    if self._debug and not isinstance(event, TextDelta):
                        _log.debug("turn.event", turn_id=turn.turn_id, **debug_fields(event))
                    yield event

    async def _attempt_graph(
        self, graph: Graph, messages: list[BaseMessage], context: TurnContext
    ) -> AsyncGenerator[tuple[str, Any], None]:
        """The stream of one run; errors that are not ours become :class:`AgentError`."""
        stream: AsyncIterator[Any] = graph.astream(
            {"messages": messages},
            {
                # A round is two supersteps, the last message one more, and the graph wants one to see its end in.
                "recursion_limit": 2 * self._max_rounds + 4,
                "max_concurrency": _MAX_PARALLEL_TOOLS,
                "configurable": {CALL_CONTEXT: context.call, STAND_IN: context.stand_in, DESK: context.desk},
            },
            context=context,
            stream_mode=["messages", "updates", "custom"],
        )
        try:
            async with aclosing(stream):  # type: ignore[type-var]  # it is an async generator
                async for item in stream:
                    yield item
        except GatewayError:
            raise
        except GraphRecursionError as error:
            raise StepLimit("The model took more steps than AI_MAX_STEPS allows.") from error
        except Exception as error:
            UNEXPECTED.labels(where="agent").inc()
            _log.exception("turn.crashed", turn_id=context.call.turn_id)
            raise AgentError("The agent failed for a reason that nobody foresaw; the log has the trace.") from error

    async def _commit(
        self, turn: TurnRequest, ref: ModelRef, reader: StreamReader, answer: Answer, conduct: TurnConduct
    ) -> int:
        # From here on the turn is whole: an append that has begun is carried through.
        conduct.answered()
        if turn.conversation is None:
            return 1
        messages = [HumanMessage(turn.text), *reader.messages]
        whole = TurnMessages.of(messages, ref.provider, answer.text, **conduct.fingerprints)
        return await self._memory.append(turn.conversation, whole)

    def _succeeded(self, ref: ModelRef, progress: Progress, *, rehearsed: bool) -> None:
        self._models.succeeded(ref)
        if progress.first_text_ms is not None and not rehearsed:
            FIRST_TEXT_SECONDS.labels(provider=ref.provider).observe(progress.first_text_ms / 1000)
        TOKENS.labels(provider=ref.provider, direction="input").inc(progress.usage.input_tokens)
        TOKENS.labels(provider=ref.provider, direction="output").inc(progress.usage.output_tokens)

    def _failed(self, ref: ModelRef, error: GatewayError) -> None:
        MODEL_ERRORS.labels(provider=ref.provider, error=error.code).inc()
        if isinstance(error, ModelError):
            self._models.failed(ref, error)


def _too_late() -> TurnTimeout:
    return TurnTimeout("The turn's deadline passed before the model had answered.")
