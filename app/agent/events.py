"""What comes out of a turn, in the order in which it happens.

Shape of a stream: any number of :class:`TextDelta`, :class:`ToolStarted`, :class:`ToolSlow`, :class:`ToolFinished` and
:class:`ActionRequested`, then exactly one :class:`Done`. A turn that fails raises an
:class:`~app.core.errors.GatewayError` instead of ending with ``Done``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from app.tools.exchange import ShownRequest


@dataclass(frozen=True, slots=True)
class TextDelta:
    """A piece of text for the caller, as the model produced it (Markdown and all)."""

    text: str


@dataclass(frozen=True, slots=True)
class ToolStarted:
    """The model called a tool.

    Attributes:
        call_id: Pairs this event with its :class:`ToolFinished`.
        arguments: As the model gave them, before validation.
    """

    call_id: str
    name: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ToolSlow:
    """A tool takes its time, and the operator has a sentence for that; between its start and its end, at most once.

    For the voice, so that the caller does not listen to silence. A dialplan turn says nothing before its answer.

    Attributes:
        text: The sentence, as it stands with the tool.
    """

    call_id: str
    name: str
    text: str


@dataclass(frozen=True, slots=True)
class ToolFinished:
    """A tool answered, or failed; either way the model was told ``result``.

    Attributes:
        ok: False when the model was told of an error.
        error: The code of that error, None when ``ok``; but ``confirmation_needed`` where the call was not carried out
            and waits for the caller's yes, which is as it should be.
        elapsed_ms: Wall time of the call.
        request: As it was sent, with secrets masked; None: nothing was.
        http_status: Of the response; None: there was none.
    """

    call_id: str
    name: str
    ok: bool
    result: str
    error: str | None
    elapsed_ms: float
    request: ShownRequest | None = None
    http_status: int | None = None


@dataclass(frozen=True, slots=True)
class ActionRequested:
    """The model asked for something to be done in the call. It happens only when the turn ends with :class:`Done`.

    Those that are done come last before ``Done``, in order; of those that end the agent's part of the call there is at
    most one, and it is the last.

    Attributes:
        action: A kind of :data:`app.prompts.prompt.KINDS`, or a word that the operator named.
        data: Its parameter, one that the prompt allows: the target of a transfer, ``NAME=value``; may be empty.
        via: Who does it: ``dialplan`` or ``ari``.
        place, caller_id: As the prompt has them; see :class:`app.prompts.prompt.Action`.
    """

    action: str
    data: str
    via: str = "dialplan"
    place: str = ""
    caller_id: str = ""


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of all model calls of the turn, as the provider counted them; 0 where it did not say."""

    input_tokens: int = 0
    output_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Timing:
    """One part of a turn's time.

    Attributes:
        part: ``memory`` or ``model``.
        name: ``load`` or ``save`` for the memory; the model, of one try with all its tools.
        start_ms, elapsed_ms: Milliseconds from the turn's beginning, and of the part itself.
    """

    part: Literal["memory", "model"]
    name: str
    start_ms: float
    elapsed_ms: float


@dataclass(frozen=True, slots=True)
class ModelStep:
    """One message of the model: from the request until the message was whole.

    Attributes:
        start_ms, elapsed_ms: Milliseconds from the turn's beginning, and of the step itself.
    """

    start_ms: float
    elapsed_ms: float
    usage: Usage


@dataclass(frozen=True, slots=True)
class Done:
    """The turn is finished and, if it has a conversation, committed to memory.

    Attributes:
        text: The whole answer. Never empty: an empty answer is an :class:`~app.agent.errors.EmptyAnswer`.
        model: ``provider:model`` that answered; after a fallback, the second one.
        turn: The number of this turn in its conversation, from 1.
        output: The fields of the prompt's output schema, where it has one; validated.
        first_text_ms: From the start of the turn until the first text; None when it came only with the output.
        timings: Where the time went, in order.
        model_steps: The messages of the model that answered, in order; between two of them the tools were at work.
    """

    text: str
    model: str
    turn: int
    usage: Usage
    steps: int
    output: Mapping[str, Any] | None = None
    first_text_ms: float | None = None
    timings: tuple[Timing, ...] = ()
    model_steps: tuple[ModelStep, ...] = ()


AgentEvent = TextDelta | ToolStarted | ToolSlow | ToolFinished | ActionRequested | Done
