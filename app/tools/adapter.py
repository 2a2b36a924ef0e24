"""A tool of ours as LangChain calls it.

``BaseTool.ainvoke`` is answered directly. LangChain's own path to a coroutine adds a callback manager and a run to each
call, and hands ``config`` and ``run_manager`` to the function by name, so that an operator's parameter of that name is
silently replaced. Nothing is lost by it: arguments are validated by the executor, and tracing is the agent's log.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import structlog
from langchain_core.messages import ToolCall, ToolMessage
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import BaseTool
from pydantic import ConfigDict, PrivateAttr

from app.core.metrics import TOOL_CALLS, UNEXPECTED
from app.tools.arguments import ArgumentSchema
from app.tools.bound import bind, visible_parameters
from app.tools.conduct import CONFIRMATION_IMPOSSIBLE, Conduct, Held
from app.tools.definition import CallContext, RequestSpec, ToolDefinition
from app.tools.errors import ToolFailure
from app.tools.exchange import RequestNote, ShownRequest
from app.tools.execution import RunsTools

_log = structlog.get_logger(__name__)

# Where a graph's config holds the turn's CallContext: config["configurable"][CALL_CONTEXT].
CALL_CONTEXT = "call_context"
# And who answers in place of the tool's own executor, where somebody does: of this turn only, the graph is shared.
STAND_IN = "stand_in_executor"


@dataclass(frozen=True, slots=True)
class ToolOutcome:
    """How a call ended; the artifact of its ToolMessage, which no provider is sent.

    Attributes:
        ok: False: the model was told of a failure.
        error: The failure's code, None when it went well; but ``confirmation_needed``, with ``ok``, where it waits for
            the caller's yes.
        request: As it was sent, with secrets masked; None: nothing was.
        http_status: Of the response; None: there was none.
    """

    ok: bool
    error: str | None
    elapsed_ms: float
    request: ShownRequest | None = None
    http_status: int | None = None


class HttpTool(BaseTool):
    """An operator's tool. Never raises: a failure is a ToolMessage of status ``error`` with words for the model."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    _definition: ToolDefinition = PrivateAttr()
    _executor: RunsTools = PrivateAttr()
    _plain: bool = PrivateAttr()  # a call of it is a call of the executor and nothing else
    _schema: ArgumentSchema | None = PrivateAttr(default=None)  # where calls are looked at before they are carried out

    def __init__(self, definition: ToolDefinition, executor: RunsTools) -> None:
        schema = visible_parameters(definition)
        schema.setdefault("type", "object")
        schema.setdefault("properties", {})  # LangChain's .args fails without
        super().__init__(name=definition.name, description=definition.description, args_schema=schema)
        self._definition = definition
        self._executor = executor
        behaviour = definition.behaviour
        self._plain = not (behaviour.needs_confirmation or behaviour.commit_on_interrupt or behaviour.filler)
        if behaviour.needs_confirmation:
            self._schema = ArgumentSchema(definition.parameters, bound=definition.bound)

    async def ainvoke(
        self,
        input: str | dict[str, Any] | ToolCall,
        config: RunnableConfig | None = None,
        **kwargs: Any,
    ) -> ToolMessage:
        """One call of the model. ``config`` carries the turn's :class:`CallContext`."""
        of_turn = (config or {}).get("configurable") or {}
        if not isinstance(input, dict):
            raise TypeError("a tool is called with a ToolCall")
        context: CallContext = of_turn[CALL_CONTEXT]
        arguments, call_id = input["args"], input["id"] or ""
        executor = of_turn.get(STAND_IN) or self._executor
        note = RequestNote(self._definition.request)
        if not self._plain:
            held = self._held(arguments, call_id, context, note)
            if held is not None:
                return held
        if self._plain or context.conduct is None:
            return await self._call(arguments, call_id, context, executor, note)
        return await self._conducted(arguments, call_id, context, context.conduct, executor, note)

    async def _conducted(
        self,
        arguments: Mapping[str, Any],
        call_id: str,
        context: CallContext,
        conduct: Conduct,
        executor: RunsTools,
        note: RequestNote,
    ) -> ToolMessage:
        definition, behaviour = self._definition, self._definition.behaviour
        with conduct.filler(definition, call_id) if behaviour.filler else nullcontext():
            if not (behaviour.needs_confirmation or behaviour.commit_on_interrupt):
                return await self._call(arguments, call_id, context, executor, note)
            # Of a function or an MCP server nobody knows when it has begun, so it has from the first moment.
            known = isinstance(definition.request, RequestSpec)
            try:
                return await conduct.carry_out(
                    definition,
                    call_id,
                    lambda: self._call(arguments, call_id, context, executor, note),
                    lambda: note.begun or not known,
                )
            except ToolFailure as failure:  # it was not begun
                TOOL_CALLS.labels(outcome=failure.code).inc()
                return self._message(call_id, failure.for_model, failure.code, 0.0, note)

    def _held(
        self, arguments: Mapping[str, Any], call_id: str, context: CallContext, note: RequestNote
    ) -> ToolMessage | None:
        """What the model is told in place of a call that is not carried out; None: it is."""
        if self._schema is None:
            return None
        try:
            # The caller is asked about what can be done: wrong arguments are refused before.
            completed = self._schema.complete(self.name, bind(self._definition, arguments, context.variables))
        except ToolFailure as failure:
            TOOL_CALLS.labels(outcome=failure.code).inc()
            return self._message(call_id, failure.for_model, failure.code, 0.0, note)
        visible = {name: value for name, value in completed.items() if name not in self._definition.bound}
        if context.conduct is None:
            held: Held | None = Held(CONFIRMATION_IMPOSSIBLE, f"{self.name} needs the caller's yes, and there is none.")
        else:
            held = context.conduct.admit(self._definition, visible)
        if held is None:
            return None
        TOOL_CALLS.labels(outcome=held.code).inc()
        _log.info("tool.held", tool=self.name, turn_id=context.turn_id, error=held.code)
        return self._message(call_id, held.for_model, held.code, 0.0, note, ok=held.ok)

    async def _call(
        self,
        arguments: Mapping[str, Any],
        call_id: str,
        context: CallContext,
        executor: RunsTools,
        note: RequestNote,
    ) -> ToolMessage:
        started = time.perf_counter()
        try:
            result = await executor.run(self._definition, arguments, context, observer=note)
        except ToolFailure as failure:
            return self._message(call_id, failure.for_model, failure.code, _since(started), note)
        except Exception:  # noqa: BLE001 - a fault of ours in one tool must not end a call that can go on without it
            UNEXPECTED.labels(where="tools").inc()
            TOOL_CALLS.labels(outcome="internal_error").inc()
            _log.exception("tool.crashed", tool=self.name, turn_id=context.turn_id)
            words = f"{self.name} failed for an unknown reason. Go on without it, and tell the caller so."
            return self._message(call_id, words, "internal_error", _since(started), note)
        return self._message(call_id, result.text, None, result.elapsed_ms, note)

    def _message(
        self, call_id: str, text: str, error: str | None, elapsed_ms: float, note: RequestNote, *, ok: bool = False
    ) -> ToolMessage:
        """``ok``: it is no failure, whatever ``error`` says of it."""
        ok = ok or error is None
        return ToolMessage(
            content=text,
            tool_call_id=call_id,
            name=self.name,
            status="success" if ok else "error",
            artifact=ToolOutcome(ok, error, elapsed_ms, note.request(), note.status),
        )

    def _run(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError("tools are asynchronous: use ainvoke")


def _since(started: float) -> float:
    return round((time.perf_counter() - started) * 1000, 1)
