"""Turns of the playground: what is tried, and what comes of it."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from app.agent.events import ActionRequested, TextDelta, ToolFinished, ToolSlow, ToolStarted
from app.rehearsal.choice import Draft, PromptChoice, Published, ToolChoice, Version
from app.rehearsal.events import Finished, RehearsalEvent, Started
from app.rehearsal.rehearsal import TurnPlan
from app.schemas.calls import SpanBody, ToolCallBody
from app.schemas.prompts import PromptCreate
from app.schemas.tools import ToolCreate

Id = Annotated[int, Field(ge=1, le=2**31 - 1)]
ToolName = Annotated[str, Field(max_length=100)]
VariableName = Annotated[str, Field(min_length=1, max_length=80, pattern=r"^[^\x00-\x1f]+$")]
VariableValue = Annotated[str, Field(max_length=4_000)]


class DraftPrompt(PromptCreate):
    """A prompt as it stands in an editor, not saved. What does not belong to it is passed over."""

    model_config = ConfigDict(extra="ignore")


class DraftTool(ToolCreate):
    """A tool as it stands in an editor, not saved. `***` stands for the stored secret of the tool of its name."""

    model_config = ConfigDict(extra="ignore")


class PromptChoiceBody(BaseModel):
    """Which prompt: `name` (the version that calls use), `id` with or without `version` (the newest), or `draft`.
    Empty: the default prompt."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"name": "reception"},
                {"id": 1, "version": 2},
                {"draft": {"name": "reception", "content": "You are the receptionist of Example Ltd."}},
            ]
        },
    )

    name: str | None = Field(default=None, max_length=100, description="The published version of this prompt.")
    id: Id | None = Field(default=None, description="A prompt, published or not.")
    version: Id | None = Field(default=None, description="Which of its versions; null: the newest.")
    draft: DraftPrompt | None = Field(default=None, description="One that nobody saved.")

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        given = [word for word in ("name", "id", "draft") if getattr(self, word) is not None]
        if len(given) > 1:
            raise ValueError(f"give one of {' and '.join(given)}, not both")
        if self.version is not None and self.id is None:
            raise ValueError("a version needs the id of its prompt")
        return self

    def choice(self) -> PromptChoice:
        """As the room takes it."""
        if self.draft is not None:
            return Draft(self.draft.draft())
        if self.id is not None:
            return Version(self.id, self.version)
        return Published(self.name)


class RehearsedFields(BaseModel):
    """What a turn of the playground and a replay have in common."""

    model: str | None = Field(
        default=None,
        max_length=200,
        description="`provider` or `provider:model` in place of the prompt's; null: the prompt's.",
        examples=["gemini"],
    )
    tools: list[ToolName] | None = Field(
        default=None,
        max_length=500,
        description="Names of the tools to offer, disabled ones too; null: what the prompt says.",
        examples=[["get_order_status"]],
    )
    draft_tools: list[DraftTool] = Field(
        default_factory=list,
        max_length=50,
        description="Tools that nobody saved; each in place of the one of its name. Needs the permission edit_tools.",
    )
    timeout: float | None = Field(
        default=None,
        ge=0.1,
        le=300,
        allow_inf_nan=False,
        description="Seconds until the answer must be there; null: the prompt's, then `AI_TURN_TIMEOUT`.",
        examples=[8],
    )

    def tool_choice(self, *, off: bool = False) -> ToolChoice:
        """As the room takes it. Raises ToolInvalid."""
        drafts = tuple(draft.definition() for draft in self.draft_tools)
        return ToolChoice(None if self.tools is None else tuple(self.tools), drafts, off)


class PlaygroundTurn(RehearsedFields):
    """Words of a caller who is not there."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "text": "Where is my order A1042?",
                    "prompt": {"name": "reception"},
                    "variables": {"caller_number": "+4915112345678"},
                    "conversation": "tuesday-1",
                }
            ]
        },
    )

    text: str = Field(
        max_length=20_000,
        description="What the caller says. Empty: what a call gets where nothing was said.",
        examples=["Where is my order A1042?"],
    )
    prompt: PromptChoiceBody = Field(default_factory=PromptChoiceBody)
    variables: dict[VariableName, VariableValue] = Field(
        default_factory=dict,
        max_length=100,
        description="Call variables, for the prompt's text and the tools.",
        examples=[{"caller_number": "+4915112345678"}],
    )
    conversation: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z0-9_-]{1,64}$",
        description="Turns of yours with the same word share memory, for as long as calls do. Null: no memory.",
        examples=["tuesday-1"],
    )
    tools_mode: Literal["live", "off"] = Field(
        default="live", description="`live`: tools are really called; `off`: the model is offered none."
    )

    def plan(self, user: str) -> TurnPlan:
        """As the room takes it. Raises ToolInvalid."""
        return TurnPlan(
            text=self.text,
            prompt=self.prompt.choice(),
            # The word holds no colon, so a name that does cannot reach into somebody else's.
            conversation=None if self.conversation is None else f"playground:{user}:{self.conversation}",
            model=self.model or None,
            variables=dict(self.variables),
            tools=self.tool_choice(off=self.tools_mode == "off"),
            timeout=self.timeout,
        )


class StartedBody(BaseModel):
    """What is tried."""

    turn_id: str = Field(description="As in the log.", examples=["5f3c0a9be1d24c77"])
    prompt: str = Field(examples=["reception"])
    version: int | None = Field(description="Null: a draft.", examples=[3])
    model: str = Field(description="Asked first.", examples=["openai:gpt-6-luna"])
    tools: list[str] = Field(description="What the model is offered.", examples=[["get_order_status"]])
    timeout: float = Field(description="Seconds.", examples=[10])
    instructions: str = Field(
        description="What the model is told: the prompt with the call variables. A long one is cut.",
        examples=["You are the receptionist of Example Ltd. The caller's number is +4915112345678."],
    )


class StepBody(BaseModel):
    """One message of the model."""

    start_ms: float = Field(examples=[2.3])
    elapsed_ms: float = Field(examples=[410.0])
    input_tokens: int = Field(examples=[400])
    output_tokens: int = Field(examples=[30])


class TurnResultBody(BaseModel):
    """How the turn ended, as a call would have."""

    status: str = Field(description="`AI_STATUS`.", examples=["OK"])
    heard: str = Field(
        description="What the caller hears: the answer as it is spoken, or the fallback sentence.",
        examples=["It arrives tomorrow."],
    )
    text: str = Field(
        description="The answer as the model wrote it; empty where the turn failed.",
        examples=["It arrives **tomorrow**."],
    )
    variables: dict[str, str] = Field(
        description="All `AI_*` variables that the dialplan would get.",
        examples=[{"AI_STATUS": "OK", "AI_RESPONSE": "It arrives tomorrow."}],
    )
    action: str = Field(description="`AI_ACTION`.", examples=[""])
    action_data: str = Field(description="`AI_ACTION_DATA`.", examples=[""])
    output: dict[str, Any] = Field(description="The fields of the prompt's output schema.", examples=[{}])
    error: str = Field(description="`AI_ERROR`.", examples=[""])
    detail: str = Field(description="What went wrong, as a sentence.", examples=[""])
    model: str = Field(description="Which model answered; the second one after a fallback.", examples=["gemini:x"])
    turn: int = Field(description="Its number in the conversation; 0: it failed.", examples=[1])
    input_tokens: int = Field(examples=[400])
    output_tokens: int = Field(examples=[30])
    cost_micros: int | None = Field(
        description="Millionths of the currency of `HISTORY_PRICES`; null: the model has no price.", examples=[160]
    )
    latency_ms: int = Field(description="Until the answer was ready.", examples=[820])
    first_text_ms: float | None = Field(description="Until the model's first text.", examples=[410.5])
    tools: list[ToolCallBody]
    spans: list[SpanBody] = Field(description="Where the time went; a `step` is one message of the model.")
    steps: list[StepBody] = Field(description="The messages of the model, with their tokens.")


class PlaygroundResultBody(BaseModel):
    """A turn of the playground."""

    started: StartedBody
    result: TurnResultBody


def event_of(event: RehearsalEvent) -> tuple[str, dict[str, Any]]:
    """A server-sent event: its name and its data."""
    match event:
        case Started():
            return "started", started_of(event)
        case TextDelta():
            return "text", {"text": event.text}
        case ToolStarted():
            return "tool_started", {"call_id": event.call_id, "name": event.name, "arguments": dict(event.arguments)}
        case ToolSlow():
            return "tool_slow", {"call_id": event.call_id, "name": event.name, "text": event.text}
        case ToolFinished():
            return "tool_finished", {
                "call_id": event.call_id,
                "name": event.name,
                "ok": event.ok,
                "result": event.result,
                "error": event.error,
                "elapsed_ms": event.elapsed_ms,
            }
        case ActionRequested():
            return "action", {"action": event.action, "data": event.data}
        case Finished():
            return "done" if event.outcome.status == "OK" else "failed", result_of(event)


def started_of(started: Started) -> dict[str, Any]:
    """The fields of :class:`StartedBody`."""
    return {
        "turn_id": started.turn_id,
        "prompt": started.prompt,
        "version": started.version or None,
        "model": started.model,
        "tools": list(started.tools),
        "timeout": started.timeout,
        "instructions": started.instructions,
    }


def result_of(finished: Finished) -> dict[str, Any]:
    """The fields of :class:`TurnResultBody`."""
    outcome = finished.outcome
    steps = [span for span in finished.spans if span.part == "step"]
    return {
        "status": outcome.status.value,
        "heard": outcome.text,
        "text": finished.text,
        "variables": dict(finished.returned),
        "action": outcome.action,
        "action_data": outcome.action_data,
        "output": dict(outcome.output),
        "error": outcome.error,
        "detail": outcome.detail,
        "model": finished.model,
        "turn": outcome.turn,
        "input_tokens": finished.usage.input_tokens,
        "output_tokens": finished.usage.output_tokens,
        "cost_micros": finished.cost_micros,
        "latency_ms": outcome.latency_ms,
        "first_text_ms": finished.first_text_ms,
        "tools": [tool_of(tool) for tool in finished.tools],
        "spans": [
            {"part": span.part, "name": span.name, "start_ms": span.start_ms, "elapsed_ms": span.elapsed_ms}
            for span in finished.spans
        ],
        "steps": [
            {
                "start_ms": step.start_ms,
                "elapsed_ms": step.elapsed_ms,
                "input_tokens": usage.input_tokens,
                "output_tokens": usage.output_tokens,
            }
            for step, usage in zip(steps, finished.step_usage, strict=True)
        ],
    }


def tool_of(tool: Any) -> dict[str, Any]:
    """The fields of :class:`~app.schemas.calls.ToolCallBody`."""
    return {name: getattr(tool, name) for name in ToolCallBody.model_fields}
