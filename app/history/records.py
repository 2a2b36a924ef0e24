"""Turns and conversations as the store reads them back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class ConversationSummary:
    """A line of the list of conversations. Counts, tokens and cost are of all turns, also of deleted ones.

    Attributes:
        last_turn: None where it was deleted for its age.
    """

    id: int
    pbx: str
    key: str
    caller_number: str
    caller_name: str
    started_at: datetime
    last_at: datetime
    turns: int
    failed_turns: int
    last_status: str
    prompt_name: str
    input_tokens: int
    output_tokens: int
    cost_micros: int | None
    last_turn: TurnSummary | None = None


@dataclass(frozen=True, slots=True)
class TurnSummary:
    """A line of the list of turns. ``number`` is 0 where the turn never got one."""

    conversation_id: int
    turn_id: str
    started_at: datetime
    status: str
    error: str
    caller_number: str
    channel_id: str
    prompt_id: int | None
    prompt_name: str
    prompt_version: int | None
    model: str
    number: int
    action: str
    latency_ms: int
    elapsed_ms: int
    first_text_ms: float | None
    input_tokens: int
    output_tokens: int
    cost_micros: int | None
    caller_text: str
    answer_text: str


@dataclass(frozen=True, slots=True)
class TurnDetail:
    """A whole turn. ``tools`` and ``spans`` have the fields of :mod:`app.history.record`."""

    summary: TurnSummary
    caller_name: str
    called_number: str
    detail: str
    action_data: str
    output: dict[str, Any]
    variables: dict[str, str]
    returned: dict[str, str]
    tools: list[dict[str, Any]]
    spans: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class PromptUse:
    """How often turns used a prompt within some time.

    Attributes:
        by_version: Turns by the version that they used; versions without any are not in it.
        last_at: When the last of them began; None: there was none.
    """

    turns: int
    by_version: Mapping[int, int]
    last_at: datetime | None


@dataclass(frozen=True, slots=True)
class Bucket:
    """Some minutes of statistics.

    Attributes:
        turns: All that began within them.
        errors: Those that ended neither ``OK`` nor ``ABANDONED``.
        abandoned: Those whose caller hung up before the answer.
        p50_ms, p95_ms: Until the answer was ready, of the turns that ended ``OK``, rounded to ten; None where there
            was none.
    """

    start: datetime
    turns: int = 0
    errors: int = 0
    abandoned: int = 0
    p50_ms: int | None = None
    p95_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Statistics:
    """A span of time, whole and in buckets of equal length, also where nothing happened."""

    since: datetime
    until: datetime
    bucket_minutes: int
    total: Bucket
    buckets: tuple[Bucket, ...]
