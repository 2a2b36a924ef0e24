"""What differs between a turn of a call and the same turn replayed. Pure."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from app.history.record import ABANDONED, UNDELIVERED, ToolCallRecord
from app.history.records import TurnDetail
from app.rehearsal.events import Finished
from app.rehearsal.recorded import NOT_RECORDED

# Words of an answer that are compared; more take too long, and nobody listens to them.
_MOST_WORDS: Final = 200

# Statuses of a turn that no dialplan ever saw.
_NOT_DELIVERED: Final = {
    ABANDONED: "the caller hung up before the answer; AI_STATUS would be",
    UNDELIVERED: "the answer was not delivered; AI_STATUS would be",
}

What = Literal["status", "action", "output", "tools", "unrecorded", "answer"]


@dataclass(frozen=True, slots=True)
class TurnFacts:
    """What can be compared of a turn. ``answer`` is what the caller heard."""

    answer: str
    status: str
    error: str
    detail: str
    action: str
    action_data: str
    model: str
    prompt_version: str
    input_tokens: int
    output_tokens: int
    cost_micros: int | None
    latency_ms: int
    first_text_ms: float | None
    output: Mapping[str, Any] = field(default_factory=dict)
    tools: tuple[ToolCallRecord, ...] = ()


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that differs, in words for the operator."""

    what: What
    summary: str


def facts_then(turn: TurnDetail, tools: tuple[ToolCallRecord, ...]) -> TurnFacts:
    """Of the call's turn."""
    summary = turn.summary
    return TurnFacts(
        answer=summary.answer_text,
        status=summary.status,
        error=summary.error,
        detail=turn.detail,
        action=summary.action,
        action_data=turn.action_data,
        model=summary.model,
        prompt_version=f"{summary.prompt_name}:{summary.prompt_version or ''}".strip(":"),
        input_tokens=summary.input_tokens,
        output_tokens=summary.output_tokens,
        cost_micros=summary.cost_micros,
        latency_ms=summary.latency_ms,
        first_text_ms=summary.first_text_ms,
        output=turn.output,
        tools=tools,
    )


def facts_now(finished: Finished) -> TurnFacts:
    """Of the replayed one."""
    outcome = finished.outcome
    return TurnFacts(
        answer=outcome.text,
        status=outcome.status.value,
        error=outcome.error,
        detail=outcome.detail,
        action=outcome.action,
        action_data=outcome.action_data,
        model=finished.model,
        prompt_version=outcome.prompt_version,
        input_tokens=finished.usage.input_tokens,
        output_tokens=finished.usage.output_tokens,
        cost_micros=finished.cost_micros,
        latency_ms=outcome.latency_ms,
        first_text_ms=finished.first_text_ms,
        output=outcome.output,
        tools=finished.tools,
    )


def differences(before: TurnFacts, now: TurnFacts) -> tuple[Difference, ...]:
    """The weightiest first. That an answer has other words comes last: models seldom say a thing twice alike."""
    found: list[Difference] = []
    if before.status != now.status:
        why = f" ({now.error})" if now.error else ""
        was = _NOT_DELIVERED.get(before.status, f"AI_STATUS was {before.status}, is")
        found.append(Difference("status", f"{was} {now.status}{why}"))
    old, new = _action(before), _action(now)
    if old != new:
        found.append(Difference("action", f"the action was {old}, is {new}"))
    found += [Difference("output", words) for words in _fields(before.output, now.output)]
    found += [Difference("tools", words) for words in _tools(before.tools, now.tools)]
    unrecorded = [tool.name for tool in now.tools if tool.error == NOT_RECORDED]
    if unrecorded:
        names = ", ".join(dict.fromkeys(unrecorded))
        found.append(Difference("unrecorded", f"no recorded result for {names}; the model was told so"))
    if _words(before.answer) != _words(now.answer):
        alike = round(similarity(before.answer, now.answer) * 100)
        found.append(Difference("answer", f"the answer has other words ({alike} % alike)"))
    return tuple(found)


def similarity(one: str, other: str) -> float:
    """From 0 to 1, by the words that two texts share in the same order."""
    return difflib.SequenceMatcher(None, _words(one)[:_MOST_WORDS], _words(other)[:_MOST_WORDS], autojunk=False).ratio()


def _words(text: str) -> list[str]:
    return text.casefold().split()


def _action(facts: TurnFacts) -> str:
    if not facts.action:
        return "none"
    return f"{facts.action} {facts.action_data}".strip()


def _fields(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    return [
        f"the field {name} was {_short(before.get(name))}, is {_short(now.get(name))}"
        for name in dict.fromkeys((*before, *now))
        if before.get(name) != now.get(name)
    ]


def _tools(before: Sequence[ToolCallRecord], now: Sequence[ToolCallRecord]) -> list[str]:
    old, new = [tool.name for tool in before], [tool.name for tool in now]
    if sorted(old) != sorted(new):
        return [f"tools called were {_names(old)}, are {_names(new)}"]
    with_others = [
        name
        for name in dict.fromkeys(old)
        if _arguments(tool for tool in before if tool.name == name)
        != _arguments(tool for tool in now if tool.name == name)
    ]
    return [f"{name} was called with other arguments" for name in with_others]


def _arguments(tools: Any) -> list[str]:
    return sorted(json.dumps(dict(tool.arguments), sort_keys=True, default=str) for tool in tools)


def _names(names: Sequence[str]) -> str:
    return ", ".join(names) or "none"


def _short(value: Any) -> str:
    text = "nothing" if value is None else json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 80 else text[:77] + "..."
