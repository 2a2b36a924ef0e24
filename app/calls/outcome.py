"""How a dialplan turn ends, before it is cut into channel variables."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from app.agent.events import ActionRequested


class Status(enum.StrEnum):
    """``AI_STATUS``: one word, safe to compare in the dialplan."""

    OK = "OK"
    NO_INPUT = "NO_INPUT"
    NO_PROMPT = "NO_PROMPT"
    TIMEOUT = "TIMEOUT"
    ERROR = "ERROR"
    BUSY = "BUSY"
    RELEASED = "RELEASED"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the caller hears and the dialplan may decide by.

    Attributes:
        text: The answer or the fallback sentence, speakable (:func:`app.calls.speakable.speakable`) and never empty.
        actions: What the model asked for, in order; one that ends its part of the call comes last.
        error: An error's code; empty on ``OK``.
        detail: What went wrong, as a sentence for the log; no variable.
        output: Fields for ``AI_OUT_*``.
        output_schema: The prompt's, for the fields that are not in ``output``.
        latency_ms: From StasisStart until the answer was ready.
        context: The dialplan's context that the channel came from; empty where there is none.
    """

    status: Status
    text: str
    actions: Sequence[ActionRequested] = ()
    output: Mapping[str, Any] = field(default_factory=dict)
    output_schema: Mapping[str, Any] = field(default_factory=dict)
    error: str = ""
    detail: str = ""
    model: str = ""
    prompt_version: str = ""
    turn: int = 0
    latency_ms: int = 0
    context: str = ""

    @property
    def action(self) -> str:
        """The weightiest action's word; empty where there is none."""
        return self.actions[-1].action if self.actions else ""

    @property
    def action_data(self) -> str:
        """The same one's parameter."""
        return self.actions[-1].data if self.actions else ""
