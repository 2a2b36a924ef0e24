"""Replays: which conversations, with what, and what differs."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from app.rehearsal.difference import TurnFacts
from app.rehearsal.replay import MOST_CONVERSATIONS, ReplayPlan
from app.rehearsal.replay_events import (
    ConversationFailed,
    ConversationReplayed,
    ReplayDone,
    ReplayEvent,
    ReplayStarted,
    TurnReplayed,
)
from app.schemas.calls import ToolCallBody
from app.schemas.playground import Id, PromptChoiceBody, RehearsedFields, tool_of


class ReplayBody(RehearsedFields):
    """What is replayed."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"conversations": [17], "prompt": {"id": 1, "version": 4}},
                {"conversations": [17, 18], "model": "gemini", "tools_mode": "recorded"},
            ]
        },
    )

    conversations: list[Annotated[int, Field(ge=1, le=2**31 - 1)]] = Field(
        min_length=1, max_length=MOST_CONVERSATIONS, description="Ids, as in `/api/calls`.", examples=[[17]]
    )
    prompt: PromptChoiceBody | None = Field(
        default=None, description="Null: of each turn the prompt that it had then, as it is published now."
    )
    tools_mode: Literal["recorded", "live", "off"] = Field(
        default="recorded",
        description="`recorded`: a call of the same tool with equal arguments gets the stored result, and of any other "
        "the model is told that there is none; `live`: tools are really called; `off`: the model is offered none.",
    )
    masked: bool = Field(
        default=False, description="Replay also where `HISTORY_REDACT` masked parts of what the caller said."
    )

    def plan(self) -> ReplayPlan:
        """As the room takes it. Raises ToolInvalid."""
        return ReplayPlan(
            conversations=tuple(dict.fromkeys(self.conversations)),
            prompt=None if self.prompt is None else self.prompt.choice(),
            model=self.model or None,
            tools=self.tool_choice(),
            tools_mode=self.tools_mode,
            masked=self.masked,
            timeout=self.timeout,
        )


class TurnFactsBody(BaseModel):
    """A turn, then or now."""

    answer: str = Field(description="What the caller heard.", examples=["It arrives tomorrow."])
    status: str = Field(examples=["OK"])
    error: str = Field(examples=[""])
    detail: str = Field(examples=[""])
    action: str = Field(examples=[""])
    action_data: str = Field(examples=[""])
    model: str = Field(examples=["openai:gpt-6-luna"])
    prompt_version: str = Field(examples=["reception:3"])
    input_tokens: int = Field(examples=[400])
    output_tokens: int = Field(examples=[30])
    cost_micros: int | None = Field(examples=[160])
    latency_ms: int = Field(examples=[820])
    first_text_ms: float | None = Field(examples=[410.5])
    output: dict[str, Any] = Field(examples=[{}])
    tools: list[ToolCallBody]


class DifferenceInTurn(BaseModel):
    """One thing that differs."""

    what: Literal["status", "action", "output", "tools", "unrecorded", "answer"]
    summary: str = Field(examples=["the action was none, is transfer support"])


class ReplayedTurnBody(BaseModel):
    """A turn, then and now."""

    conversation: Id = Field(examples=[17])
    number: int = Field(description="In the conversation, of the turns in which somebody spoke.", examples=[1])
    turn_id: str = Field(description="Of the call's turn.", examples=["5f3c0a9be1d24c77"])
    caller_text: str = Field(examples=["Where is my order?"])
    original: TurnFactsBody
    replayed: TurnFactsBody
    differs: bool = Field(description="In more than the words of the answer.")
    differences: list[DifferenceInTurn] = Field(description="The weightiest first.")


class SumsBody(BaseModel):
    """Sums over turns."""

    ok: int = Field(description="Turns that ended `OK`.", examples=[3])
    input_tokens: int = Field(examples=[1200])
    output_tokens: int = Field(examples=[90])
    cost_micros: int | None = Field(examples=[480])
    latency_ms: int = Field(examples=[2400])


class ReplayedConversationBody(BaseModel):
    """A row of the table."""

    conversation: Id = Field(examples=[17])
    turns: int = Field(examples=[3])
    different: int = Field(description="Turns that differ in more than the words of the answer.", examples=[1])
    unrecorded: int = Field(description="Tool calls without a recorded result.", examples=[0])
    original: SumsBody
    replayed: SumsBody


class FailedConversationBody(BaseModel):
    """A conversation that could not be replayed."""

    conversation: Id = Field(examples=[18])
    code: str = Field(examples=["texts_not_kept"])
    detail: str


class ReplayDoneBody(BaseModel):
    """All conversations together."""

    conversations: int = Field(examples=[2])
    failed: int = Field(examples=[0])
    turns: int = Field(examples=[5])
    different: int = Field(examples=[1])
    unrecorded: int = Field(examples=[0])
    original: SumsBody
    replayed: SumsBody


class ReplayResultBody(BaseModel):
    """A whole replay."""

    turns: list[ReplayedTurnBody]
    conversations: list[ReplayedConversationBody]
    failed: list[FailedConversationBody]
    total: ReplayDoneBody


def replay_event_of(event: ReplayEvent) -> tuple[str, dict[str, Any]]:
    """A server-sent event: its name and its data."""
    match event:
        case ReplayStarted():
            rows = [
                {"conversation": each, "turns": turns, "left_out": event.left_out[each]}
                for each, turns in event.turns.items()
            ]
            return "started", {"conversations": rows}
        case TurnReplayed():
            return "turn", {
                "conversation": event.conversation,
                "number": event.number,
                "turn_id": event.turn_id,
                "caller_text": event.caller_text,
                "original": _facts(event.original),
                "replayed": _facts(event.replayed),
                "differs": event.differs,
                "differences": [asdict(each) for each in event.differences],
            }
        case ConversationReplayed():
            return "conversation", asdict(event)
        case ConversationFailed():
            detail = str(event.error)
            return "conversation_failed", {
                "conversation": event.conversation,
                "code": event.error.code,
                "detail": detail,
            }
        case ReplayDone():
            return "done", asdict(event)


def _facts(facts: TurnFacts) -> dict[str, Any]:
    simple = {name: getattr(facts, name) for name in TurnFactsBody.model_fields if name not in ("output", "tools")}
    return {**simple, "output": dict(facts.output), "tools": [tool_of(tool) for tool in facts.tools]}
