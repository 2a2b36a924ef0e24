"""What comes out of a rehearsed turn, beside the agent's own events: :class:`Started` first, :class:`Finished` last."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from app.agent.events import ActionRequested, TextDelta, ToolFinished, ToolSlow, ToolStarted, Usage
from app.calls.outcome import Outcome
from app.history.record import Span, ToolCallRecord


@dataclass(frozen=True, slots=True)
class Started:
    """What is rehearsed.

    Attributes:
        version: 0: a draft.
        model: ``provider:model`` that is asked first; as it was written, where there is no such provider.
        tools: Names of what the model is offered, the agent's own left out.
        timeout: Seconds until the answer must be there.
        instructions: What the model is told: the prompt's content with the call's variables; the beginning of a long
            one.
    """

    turn_id: str
    prompt: str
    version: int
    model: str
    tools: tuple[str, ...]
    timeout: float
    instructions: str


@dataclass(frozen=True, slots=True)
class Finished:
    """How it ended.

    Attributes:
        outcome: What a call would have ended with; ``latency_ms`` from the turn's beginning.
        returned: The channel variables that a dialplan would have got.
        text: The answer as the model wrote it; empty where the turn failed.
        model: ``provider:model`` that answered, or was asked last; empty where none was.
        usage: Of that model.
        cost_micros: Millionths of the currency of ``HISTORY_PRICES``; None: the model has no price.
        spans: Where the time went, by their beginnings. A ``step`` is one message of the model, numbered.
        step_usage: Tokens of each step, in order.
    """

    outcome: Outcome
    returned: Mapping[str, str]
    text: str
    model: str
    usage: Usage
    cost_micros: int | None
    first_text_ms: float | None
    tools: tuple[ToolCallRecord, ...]
    spans: tuple[Span, ...]
    step_usage: tuple[Usage, ...] = ()


RehearsalEvent = Started | TextDelta | ToolStarted | ToolSlow | ToolFinished | ActionRequested | Finished
