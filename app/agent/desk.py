"""Questions about the telephone system, which the model asks in the middle of a turn and hears the answer to.

The agent knows only that somebody may be asked: whoever runs the turn brings a :class:`CallDesk`.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol

import structlog
from langchain_core.messages import ToolCall, ToolMessage
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import BaseTool
from pydantic import ConfigDict, PrivateAttr

from app.agent.actions import ActionTool, is_question
from app.agent.builtin import ANSWER
from app.core.errors import GatewayError
from app.core.metrics import UNEXPECTED
from app.prompts.prompt import Action
from app.tools.adapter import CALL_CONTEXT, ToolOutcome
from app.tools.errors import ArgumentsInvalid

_log = structlog.get_logger(__name__)

# Where a graph's config holds the turn's desk: config["configurable"][DESK].
DESK: Final = "call_desk"

NOBODY: Final = "Nobody can tell: this is a rehearsal, without a telephone system. Go on without it."


class CallDesk(Protocol):
    """Who can be asked about the telephone system."""

    async def ask(self, kind: str, target: str) -> str:
        """The answer in words for the model.

        Args:
            kind: ``extension_state`` or ``queue_state``.
            target: What is asked for; one that the prompt allows.

        Raises:
            GatewayError: it cannot be told; the model goes on without. Cancelling ends the asking.
        """
        ...


class QuestionTool(BaseTool):
    """One question of a prompt. Never raises: a failure is a ToolMessage of status ``error`` with words."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    _question: ActionTool = PrivateAttr()

    def __init__(self, question: ActionTool) -> None:
        built = question.tool
        super().__init__(name=built.name, description=built.description, args_schema=built.args_schema)
        self._question = question

    async def ainvoke(
        self, input: str | dict[str, Any] | ToolCall, config: RunnableConfig | None = None, **kwargs: Any
    ) -> ToolMessage:
        """One call of the model; ``config`` carries the turn's :class:`CallDesk`."""
        of_turn = (config or {}).get("configurable") or {}
        if not isinstance(input, dict):
            raise TypeError("a tool is called with a ToolCall")
        started = time.perf_counter()
        words, error = await self._answer(input["args"], of_turn.get(DESK), of_turn[CALL_CONTEXT].turn_id)
        elapsed_ms = round((time.perf_counter() - started) * 1000, 1)
        return ToolMessage(
            content=words,
            tool_call_id=input["id"] or "",
            name=self.name,
            status="error" if error else "success",
            artifact=ToolOutcome(error is None, error, elapsed_ms),
        )

    async def _answer(self, arguments: Mapping[str, Any], desk: CallDesk | None, turn: str) -> tuple[str, str | None]:
        try:
            target = self._question.checked(arguments)
        except ArgumentsInvalid as error:
            return error.for_model, error.code
        if desk is None:
            return NOBODY, None
        try:
            return await desk.ask(self._question.action, target), None
        except GatewayError as error:
            _log.warning("question.failed", tool=self.name, turn_id=turn, error=error.code, detail=str(error))
            return "The telephone system cannot tell it now. Go on without it.", error.code
        except Exception:  # noqa: BLE001 - a fault of ours in a question must not end a call that can go on without it
            UNEXPECTED.labels(where="tools").inc()
            _log.exception("tool.crashed", tool=self.name, turn_id=turn)
            return "The telephone system cannot tell it now. Go on without it.", "internal_error"

    def _run(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError("tools are asynchronous: use ainvoke")


def question_tools(actions: Sequence[Action], tool_names: Sequence[str]) -> list[BaseTool]:
    """The prompt's questions as tools; none hides another."""
    found: list[BaseTool] = []
    for action in actions:
        if is_question(action):
            names = frozenset((*tool_names, *(each.name for each in found), ANSWER))
            found.append(QuestionTool(ActionTool(action, names)))
    return found
