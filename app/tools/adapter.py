"""A tool of ours as LangChain calls it.

``BaseTool.ainvoke`` is answered directly. LangChain's own path to a coroutine adds a callback manager and a run to each
call, and hands ``config`` and ``run_manager`` to the function by name, so that an operator's parameter of that name is
silently replaced. Nothing is lost by it: arguments are validated by the executor, and tracing is the agent's log.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import structlog
from langchain_core.messages import ToolCall, ToolMessage
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import BaseTool
from pydantic import ConfigDict, PrivateAttr

from app.core.metrics import UNEXPECTED
from app.tools.bound import visible_parameters
from app.tools.definition import CallContext, ToolDefinition
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
        error: The failure's code, None when it went well.
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

    def __init__(self, definition: ToolDefinition, executor: RunsTools) -> None:
        schema = visible_parameters(definition)
        schema.setdefault("type", "object")
        schema.setdefault("properties", {})  # LangChain's .args fails without
        super().__init__(name=definition.name, description=definition.description, args_schema=schema)
        self._definition = definition
        self._executor = executor

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
        return await self._call(input["args"], input["id"] or "", of_turn[CALL_CONTEXT], of_turn.get(STAND_IN))

    async def _call(
        self, arguments: Mapping[str, Any], call_id: str, context: CallContext, stand_in: RunsTools | None
    ) -> ToolMessage:
        started = time.perf_counter()
        note = RequestNote(self._definition.request)
        try:
            result = await (stand_in or self._executor).run(self._definition, arguments, context, observer=note)
        except ToolFailure as failure:
            return self._message(call_id, failure.for_model, failure.code, _since(started), note)
        except Exception:  # noqa: BLE001 - a fault of ours in one tool must not end a call that can go on without it
            UNEXPECTED.labels(where="tools").inc()
            _log.exception("tool.crashed", tool=self.name, turn_id=context.turn_id)
            words = f"{self.name} failed for an unknown reason. Go on without it, and tell the caller so."
            return self._message(call_id, words, "internal_error", _since(started), note)
        return self._message(call_id, result.text, None, result.elapsed_ms, note)

    def _message(self, call_id: str, text: str, error: str | None, elapsed_ms: float, note: RequestNote) -> ToolMessage:
        return ToolMessage(
            content=text,
            tool_call_id=call_id,
            name=self.name,
            status="error" if error else "success",
            artifact=ToolOutcome(error is None, error, elapsed_ms, note.request(), note.status),
        )

    def _run(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError("tools are asynchronous: use ainvoke")


def _since(started: float) -> float:
    return round((time.perf_counter() - started) * 1000, 1)
