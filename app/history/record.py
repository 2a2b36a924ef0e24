"""What is remembered of a turn after it is over: for the list of calls, the page of a conversation, and replay.

These are values: the calls room makes them, the recorder writes them, the store reads them back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

ABANDONED: Final = "ABANDONED"
"""The status of a turn whose caller hung up before the answer."""

UNDELIVERED: Final = "UNDELIVERED"
"""The status of a turn whose answer Asterisk did not take; the channel was released without it, or is gone."""

INTERRUPTED: Final = "tool_interrupted"
"""The error of a tool call that had no result when its turn was over."""

FINE: Final = ("OK", ABANDONED)
"""Statuses that are no failure of ours."""

FAILED: Final = "FAILED"
"""No status, but what filters call all that are not :data:`FINE`."""


@dataclass(frozen=True, slots=True)
class Span:
    """One part of a turn's time, for the waterfall.

    Attributes:
        part: ``ari`` (reading the caller's words), ``memory``, ``model`` (one model's try, tools and all),
            ``first_text`` (until the model's first text), ``tool``, ``confirmation`` (a call that
            was not carried out, and waits for the caller's yes), ``filler`` (a moment: its sentence fell due),
            ``action`` (done over ARI at the turn's end) or ``delivery``.
        name: The model or the tool, ``load`` or ``save`` for the memory; empty for the others.
        start_ms, elapsed_ms: Milliseconds from the turn's beginning, and of the part itself.
    """

    part: str
    name: str
    start_ms: float
    elapsed_ms: float


@dataclass(frozen=True, slots=True)
class ToolCallRecord:
    """One tool call of a turn: what the model asked for, and what it was told.

    Attributes:
        result: What the model was told; of an action, what became of it, which nobody told the model.
        request: ``method``, ``url``, ``headers`` and ``body`` as sent, with secrets masked; None: nothing was.
        error: Of a call that went well only ``confirmation_needed``: it was not carried out, and waits for the caller.
        http_status: Of the response; None: there was none.
        filler: The sentence for the caller that fell due while it ran; empty: none did.
        action: It was done over ARI at the turn's end; ``name`` is the action's word, and not a tool's.
    """

    name: str
    arguments: Mapping[str, Any]
    result: str
    ok: bool
    error: str | None
    start_ms: float
    elapsed_ms: float
    request: Mapping[str, Any] | None = None
    http_status: int | None = None
    filler: str = ""
    action: bool = False


@dataclass(frozen=True, slots=True)
class TurnRecord:
    """One turn, ended in whatever way.

    Attributes:
        turn_id: As in the log.
        conversation: The memory's key, PBX and all; ``shown_conversation`` is what the dialplan passed.
        pbx: Names the Asterisk.
        status: ``AI_STATUS``, :data:`ABANDONED` or :data:`UNDELIVERED`.
        detail: What went wrong, as a sentence for the operator.
        number: Of the turn in its conversation; 0 where it never got one.
        variables: The call variables that prompt and tools could use.
        cost_micros: Millionths of the currency of ``HISTORY_PRICES``; None: the model has no price there.
        returned: The channel variables that went back; empty for an abandoned turn.
        latency_ms: From StasisStart until the answer was ready; 0 where there was none.
        elapsed_ms: Until the channel was back in the dialplan, or gone.
        first_text_ms: From the start of the agent's work until the model's first text.
    """

    turn_id: str
    conversation: str
    pbx: str
    shown_conversation: str
    channel_id: str
    caller_number: str
    caller_name: str
    called_number: str
    prompt_id: int | None
    prompt_name: str
    prompt_version: int | None
    status: str
    error: str
    detail: str
    model: str
    number: int
    caller_text: str
    answer_text: str
    action: str
    action_data: str
    started_at: datetime
    latency_ms: int
    elapsed_ms: int
    first_text_ms: float | None
    input_tokens: int
    output_tokens: int
    cost_micros: int | None = None
    output: Mapping[str, Any] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)
    returned: Mapping[str, str] = field(default_factory=dict)
    tools: tuple[ToolCallRecord, ...] = ()
    spans: tuple[Span, ...] = ()
