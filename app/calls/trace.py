"""What a turn leaves behind: collected while it runs, made into one record when it ends, in whatever way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol

from app.agent.events import Done, ToolFinished, ToolSlow, ToolStarted, Usage
from app.agent.progress import Progress
from app.calls.actions import Acted
from app.calls.delivery import Delivery
from app.calls.outcome import Outcome
from app.history.record import ABANDONED, INTERRUPTED, Span, ToolCallRecord, TurnRecord
from app.prompts.prompt import Prompt
from app.tools.conduct import CONFIRMATION_NEEDED

if TYPE_CHECKING:
    from app.calls.call import Call


class Journal(Protocol):
    """Who is told: :class:`app.history.journal.Journal`. Its methods return at once and never raise."""

    def turn_started(
        self, turn_id: str, *, conversation: str, caller_number: str, prompt: str, caller_text: str, at: datetime
    ) -> None:
        """The words are there, and the agent begins."""

    def tool_finished(self, turn_id: str, tool: ToolCallRecord) -> None:
        """A tool of the turn answered, or failed."""

    def turn_ended(self, record: TurnRecord) -> None:
        """The turn ended."""


@dataclass(slots=True)
class Trace:
    """What is known of a turn so far.

    Attributes:
        agent_ms: Milliseconds from the turn's beginning until the agent's.
        done: The agent's last event; None while there is none, or where the turn failed.
        progress: What the agent came to, also where it failed.
    """

    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    prompt: Prompt | None = None
    caller_text: str = ""
    agent_ms: float = 0.0
    done: Done | None = None
    progress: Progress = field(default_factory=Progress)
    tools: list[ToolCallRecord] = field(default_factory=list)
    spans: list[Span] = field(default_factory=list)
    # Calls of tools that have begun: by their ids, with the milliseconds at which they did.
    _begun: dict[str, tuple[ToolStarted, float]] = field(default_factory=dict)
    _said: dict[str, str] = field(default_factory=dict)  # fillers, by the ids of their calls

    def tool_started(self, event: ToolStarted, now_ms: float) -> None:
        """A tool is called."""
        self._begun[event.call_id] = (event, now_ms)

    def tool_slow(self, event: ToolSlow, now_ms: float) -> None:
        """A sentence would be said now, if this were a conversation by voice."""
        self._said[event.call_id] = event.text
        self.spans.append(Span("filler", event.name, round(now_ms, 1), 0.0))

    def tool_finished(self, event: ToolFinished, now_ms: float) -> tuple[ToolCallRecord, Mapping[str, Any]]:
        """Keep a tool call that has just finished. Returns it, and the arguments as the model gave them."""
        begun, _ = self._begun.pop(event.call_id, (None, 0.0))
        arguments = begun.arguments if begun is not None else {}
        return self.tool(event, arguments, now_ms), arguments

    def interrupted(self, end_ms: float) -> list[ToolCallRecord]:
        """Keep the calls that had no result when the turn was over, at ``end_ms``. Returns them."""
        before = len(self.tools)
        for event, ms in self.progress.late:
            self.tool_finished(event, self.agent_ms + ms)
        self.progress.late.clear()
        for call_id, (begun, start) in self._begun.items():
            elapsed = max(0.0, end_ms - start)
            self._keep(
                ToolCallRecord(
                    name=begun.name,
                    arguments=dict(begun.arguments),
                    result="",
                    ok=False,
                    error=INTERRUPTED,
                    start_ms=round(start, 1),
                    elapsed_ms=round(elapsed, 1),
                    filler=self._said.get(call_id, ""),
                )
            )
        self._begun.clear()
        return self.tools[before:]

    def _keep(self, record: ToolCallRecord) -> None:
        self.tools.append(record)
        part = "confirmation" if record.error == CONFIRMATION_NEEDED else "tool"
        self.spans.append(Span(part, record.name, record.start_ms, record.elapsed_ms))

    def tool(self, event: ToolFinished, arguments: Mapping[str, Any], now_ms: float) -> ToolCallRecord:
        """Keep a tool call that has just finished."""
        start = max(0.0, now_ms - event.elapsed_ms)
        record = ToolCallRecord(
            name=event.name,
            arguments=dict(arguments),
            result=event.result,
            ok=event.ok,
            error=event.error,
            start_ms=round(start, 1),
            elapsed_ms=round(event.elapsed_ms, 1),
            request=None if event.request is None else asdict(event.request),
            http_status=event.http_status,
            filler=self._said.pop(event.call_id, ""),
        )
        self._keep(record)
        return record

    def part(self, part: str, start_ms: float, now_ms: float, name: str = "") -> None:
        """Keep a part that has just ended."""
        self.spans.append(Span(part, name, round(start_ms, 1), round(now_ms - start_ms, 1)))

    def delivered(self, start_ms: float, now_ms: float, acted: Sequence[ToolCallRecord]) -> None:
        """Keep the handing over, with the actions that were done in its middle."""
        if not acted:
            self.part("delivery", start_ms, now_ms)
            return
        self.part("delivery", start_ms, acted[0].start_ms)
        for record in acted:
            self.tools.append(record)
            self.spans.append(Span("action", record.name, record.start_ms, record.elapsed_ms))
        self.part("delivery", acted[-1].start_ms + acted[-1].elapsed_ms, now_ms)


def record_of_action(acted: Acted, started: float) -> ToolCallRecord:
    """An action that was done over ARI, or not, as the history keeps tools. ``started``: the turn's, in loop time."""
    return ToolCallRecord(
        name=acted.action.action,
        arguments={"data": acted.action.data} if acted.action.data else {},
        result=acted.detail or "done",
        ok=acted.ok,
        error=acted.error or None,
        start_ms=round((acted.start - started) * 1000, 1),
        elapsed_ms=round((acted.end - acted.start) * 1000, 1),
        action=True,
    )


def record_of(
    call: Call,
    pbx: str,
    outcome: Outcome | None,
    *,
    returned: Mapping[str, str] | None = None,
    status: str = "",
    error: str = "",
    detail: str = "",
) -> TurnRecord:
    """The record of a turn that has just ended.

    Args:
        outcome: What the caller got, or should have got; None: the caller hung up before there was one.
        returned: The variables that went back; None: the channel did not go back with any.
        status: Where it did not go back as the outcome has it; ``error`` and ``detail`` say why.
    """
    trace = call.trace
    agent = _agent_part(trace)
    return TurnRecord(
        turn_id=call.turn_id,
        conversation=f"{pbx}:{call.conversation}",
        pbx=pbx,
        shown_conversation=call.conversation,
        channel_id=call.channel.id,
        caller_number=call.variables.get("caller_number", ""),
        caller_name=call.variables.get("caller_name", ""),
        called_number=call.variables.get("called_number", ""),
        prompt_id=trace.prompt.id if trace.prompt else None,
        prompt_name=trace.prompt.name if trace.prompt else "",
        prompt_version=trace.prompt.version if trace.prompt else None,
        status=status or (outcome.status.value if outcome else ABANDONED),
        error=error or (outcome.error if outcome else ""),
        detail=detail or (outcome.detail if outcome else ""),
        model=(outcome.model if outcome else "") or agent.model,
        number=(outcome.turn if outcome else 0) or (trace.done.turn if trace.done else 0),
        caller_text=trace.caller_text or call.arguments.text or "",
        answer_text=outcome.text if outcome else "",
        action=outcome.action if outcome else "",
        action_data=outcome.action_data if outcome else "",
        started_at=trace.started_at,
        latency_ms=outcome.latency_ms if outcome else 0,
        elapsed_ms=call.elapsed_ms(),
        first_text_ms=agent.first_text_ms,
        input_tokens=agent.usage.input_tokens,
        output_tokens=agent.usage.output_tokens,
        output=outcome.output if outcome else {},
        variables=call.variables,
        returned=returned or {},
        tools=tuple(trace.tools),
        spans=tuple(sorted((*trace.spans, *agent.spans), key=lambda span: span.start_ms)),
    )


def with_interrupted_tools(record: TurnRecord, trace: Trace) -> TurnRecord:
    """The record of a turn, with the calls of tools that had no result at its end: those that were finished after it,
    and those that were broken off."""
    late = trace.interrupted(record.elapsed_ms)
    if not late:
        return record
    spans = [Span("tool", tool.name, tool.start_ms, tool.elapsed_ms) for tool in late]
    return replace(
        record,
        tools=(*record.tools, *late),
        spans=tuple(sorted((*record.spans, *spans), key=lambda span: span.start_ms)),
    )


def record_of_orphan(
    channel_id: str, turn_id: str, pbx: str, delivery: Delivery, *, started_at: datetime, elapsed_ms: int
) -> TurnRecord:
    """The record of a channel that was found without a turn, and released: of the call nothing else is known."""
    outcome = delivery.outcome
    return TurnRecord(
        turn_id=turn_id,
        conversation=f"{pbx}:{channel_id}",
        pbx=pbx,
        shown_conversation=channel_id,
        channel_id=channel_id,
        caller_number="",
        caller_name="",
        called_number="",
        prompt_id=None,
        prompt_name="",
        prompt_version=None,
        status=outcome.status.value,
        error=outcome.error,
        detail=outcome.detail,
        model="",
        number=0,
        caller_text="",
        answer_text=outcome.text,
        action="",
        action_data="",
        started_at=started_at,
        latency_ms=0,
        elapsed_ms=elapsed_ms,
        first_text_ms=None,
        input_tokens=0,
        output_tokens=0,
        returned=delivery.variables,
    )


@dataclass(frozen=True, slots=True)
class _AgentPart:
    """What the agent did, from its last event, or from how far it came."""

    model: str
    usage: Usage
    first_text_ms: float | None
    spans: tuple[Span, ...]


def _agent_part(trace: Trace) -> _AgentPart:
    known = trace.done or trace.progress
    begin = trace.agent_ms
    spans = [Span(each.part, each.name, round(begin + each.start_ms, 1), each.elapsed_ms) for each in known.timings]
    if known.first_text_ms is not None:
        spans.append(Span("first_text", "", round(begin, 1), known.first_text_ms))
    return _AgentPart(known.model, known.usage, known.first_text_ms, tuple(spans))
