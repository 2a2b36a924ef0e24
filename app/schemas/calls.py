"""The history of calls in answers."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from app.history.records import TurnDetail
from app.schemas.page import PageBody


class TurnBody(BaseModel):
    """A line of the list of turns."""

    model_config = ConfigDict(from_attributes=True)

    conversation_id: int = Field(examples=[17])
    turn_id: str = Field(description="As in the log.", examples=["5f3c0a9be1d24c77"])
    started_at: datetime
    status: str = Field(
        description="`AI_STATUS`; `ABANDONED`: the caller hung up first; `UNDELIVERED`: Asterisk did not take it.",
        examples=["OK"],
    )
    error: str = Field(description="`AI_ERROR`.", examples=[""])
    caller_number: str = Field(examples=["+4915112345678"])
    channel_id: str = Field(examples=["1763801234.17"])
    prompt_id: int | None = Field(examples=[1])
    prompt_name: str = Field(examples=["receptionist"])
    prompt_version: int | None = Field(examples=[3])
    model: str = Field(examples=["openai:gpt-6-luna"])
    number: int = Field(description="In its conversation; 0: it never got one.", examples=[1])
    action: str = Field(examples=[""])
    latency_ms: int = Field(description="Until the answer was ready; 0: there was none.", examples=[820])
    elapsed_ms: int = Field(description="Until the channel was back in the dialplan.", examples=[835])
    first_text_ms: float | None = Field(description="Until the model's first text.", examples=[410.5])
    input_tokens: int = Field(examples=[400])
    output_tokens: int = Field(examples=[30])
    cost_micros: int | None = Field(examples=[160])
    caller_text: str = Field(examples=["Where is my order?"])
    answer_text: str = Field(examples=["It arrives tomorrow."])


class ConversationBody(BaseModel):
    """A line of the list of conversations. Counts, tokens and cost are of all turns, also of those deleted for age."""

    model_config = ConfigDict(from_attributes=True)

    id: int = Field(examples=[17])
    pbx: str = Field(description="Names the Asterisk.", examples=["pbx-1"])
    key: str = Field(description="`UNIQUEID` as the dialplan passed it.", examples=["1763801234.17"])
    caller_number: str = Field(examples=["+4915112345678"])
    caller_name: str = Field(examples=["Ada"])
    started_at: datetime
    last_at: datetime = Field(description="When its last turn began.")
    turns: int = Field(examples=[3])
    failed_turns: int = Field(description="Neither `OK` nor `ABANDONED`.", examples=[0])
    last_status: str = Field(examples=["OK"])
    prompt_name: str = Field(description="Of the last turn that had one.", examples=["receptionist"])
    input_tokens: int = Field(examples=[1200])
    output_tokens: int = Field(examples=[90])
    cost_micros: int | None = Field(
        description="Millionths of the currency of `HISTORY_PRICES`; null: no model had a price.", examples=[480]
    )
    last_turn: TurnBody | None = Field(default=None, description="Null: it was deleted for its age.")


class ToolRequestBody(BaseModel):
    """The request of a tool call as it was sent, with secrets masked."""

    method: str = Field(examples=["GET"])
    url: str = Field(examples=["https://shop.example/orders/A1234"])
    headers: dict[str, str] = Field(examples=[{"Authorization": "***"}])
    body: str | None = Field(examples=[None])


class ToolCallBody(BaseModel):
    """A tool call: what the model asked for, and what it was told."""

    name: str = Field(examples=["get_order_status"])
    arguments: dict[str, Any] = Field(examples=[{"order_id": "A1234"}])
    result: str = Field(examples=['{"status": "shipped"}'])
    ok: bool
    error: str | None = Field(
        description="The code of what went wrong; `confirmation_needed`, with `ok`: it waits for the caller's yes.",
        examples=[None],
    )
    start_ms: float = Field(examples=[300.1])
    elapsed_ms: float = Field(examples=[120.4])
    request: ToolRequestBody | None = Field(default=None, description="Null: nothing was sent, or it is not kept.")
    http_status: int | None = Field(default=None, description="Null: there was no response.", examples=[200])
    filler: str = Field(
        default="", description="The sentence for the caller that fell due while it ran; empty: none.", examples=[""]
    )
    action: bool = Field(
        default=False,
        description="It is an action that was done over ARI at the turn's end; `result` says what became of it.",
    )


class SpanBody(BaseModel):
    """A part of a turn's time; parts may lie within each other."""

    part: str = Field(
        description="`ari`, `memory`, `model`, `first_text`, `tool`, `confirmation`, `filler`, `action` or `delivery`.",
        examples=["model"],
    )
    name: str = Field(description="The tool or the model; `load` or `save`.", examples=["openai:gpt-6-luna"])
    start_ms: float = Field(description="From the turn's beginning.", examples=[2.3])
    elapsed_ms: float = Field(examples=[810.0])


class TurnDetailBody(TurnBody):
    """A whole turn."""

    caller_name: str = Field(examples=["Ada"])
    called_number: str = Field(examples=["100"])
    detail: str = Field(description="What went wrong, as a sentence.", examples=[""])
    action_data: str = Field(examples=[""])
    output: dict[str, Any] = Field(description="The fields of the prompt's output schema.", examples=[{}])
    variables: dict[str, str] = Field(
        description="The call variables of prompt and tools.", examples=[{"caller_name": "Ada"}]
    )
    returned: dict[str, str] = Field(
        description="The channel variables that went back.", examples=[{"AI_STATUS": "OK"}]
    )
    tools: list[ToolCallBody]
    spans: list[SpanBody] = Field(description="Where the time went.")

    @classmethod
    def of(cls, turn: TurnDetail) -> TurnDetailBody:
        """From the store's. Built without validation: what is stored is shown."""
        return cls.model_construct(
            **TurnBody.model_validate(turn.summary).__dict__,
            caller_name=turn.caller_name,
            called_number=turn.called_number,
            detail=turn.detail,
            action_data=turn.action_data,
            output=turn.output,
            variables=turn.variables,
            returned=turn.returned,
            tools=[_tool(tool) for tool in turn.tools],
            spans=[SpanBody.model_construct(**span) for span in turn.spans],
        )


class ConversationDetailBody(ConversationBody):
    """A conversation with its turns, in the order of time."""

    history: PageBody[TurnDetailBody]


class RunningTurnBody(BaseModel):
    """A turn that has not ended yet."""

    turn_id: str = Field(description="As in the log.", examples=["5f3c0a9be1d24c77"])
    conversation: str = Field(description="`UNIQUEID` as the dialplan passed it.", examples=["1763801234.17"])
    caller_number: str = Field(examples=["+4915112345678"])
    prompt: str = Field(examples=["receptionist"])
    caller_text: str = Field(examples=["Where is my order?"])
    started_at: datetime
    tools: list[str] = Field(description="Called so far.", examples=[["get_order_status"]])


class NowBody(BaseModel):
    """What this instance is doing."""

    turns: list[RunningTurnBody] = Field(description="Running, the oldest first.")


class BucketBody(BaseModel):
    """Some minutes of statistics."""

    model_config = ConfigDict(from_attributes=True)

    start: datetime
    turns: int = Field(examples=[12])
    errors: int = Field(description="Neither `OK` nor `ABANDONED`.", examples=[1])
    abandoned: int = Field(description="The caller hung up before the answer.", examples=[0])
    p50_ms: int | None = Field(description="Half of the `OK` turns had their answer by then.", examples=[780])
    p95_ms: int | None = Field(examples=[1900])


class StatisticsBody(BaseModel):
    """Turns over time, also where nothing happened."""

    model_config = ConfigDict(from_attributes=True)

    since: datetime
    until: datetime
    bucket_minutes: int = Field(examples=[15])
    total: BucketBody
    buckets: list[BucketBody]


def _tool(tool: dict[str, Any]) -> ToolCallBody:
    request = tool.get("request")
    sent = ToolRequestBody.model_construct(**request) if request else None
    return ToolCallBody.model_construct(**{**tool, "request": sent})
