"""Working on tools: checking, trying and copying them, and who uses them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from app.schemas.tools import WarningBody
from app.tools.definition import NAME_PATTERN
from app.tools.errors import Mistake
from app.tools.exchange import ShownRequest, ShownResponse
from app.tools.usage import ToolUsage

_TYPED: dict[str, Any] = {
    "name": "get_order_status",
    "description": "Looks up where an order is.",
    "parameters": {"type": "object", "properties": {"order_id": {"type": "string"}}},
    "request": {"method": "GET", "url": "ftp://shop.example.com/orders/{{ order_id }}"},
}


class TypedTool(BaseModel):
    """A tool as it was typed, right or wrong. `parameters` may be the text in the editor."""

    model_config = ConfigDict(extra="ignore", json_schema_extra={"examples": [_TYPED]})

    name: Any = None
    description: Any = None
    parameters: Any = Field(default=None, description="The JSON Schema, or its text.")
    request: Any = None
    bound: Any = None
    result: Any = None
    behaviour: Any = None
    authorisation: Any = None
    enabled: Any = True

    def fields(self) -> dict[str, Any]:
        """As :func:`app.tools.validation.check_definition` takes them."""
        return {name: getattr(self, name) for name in TypedTool.model_fields}


class ToolCheck(TypedTool):
    """A tool to look at."""

    tool_id: int | None = Field(
        default=None,
        ge=1,
        le=2**31 - 1,
        description="The tool that is edited: its name is its own, its secrets are kept.",
    )


class ToolProblem(BaseModel):
    """What is wrong with a field."""

    field: str = Field(examples=["request.url"])
    message: str = Field(examples=["The URL begins with http:// or https://."])

    @classmethod
    def of(cls, mistake: Mistake) -> ToolProblem:
        """From the room's."""
        return cls(field=mistake.field, message=mistake.message)


class ToolCheckResult(BaseModel):
    """What is wrong with a tool, and what providers would not take. Without problems it can be saved."""

    problems: list[ToolProblem]
    warnings: list[WarningBody]


class ToolTry(BaseModel):
    """A tool, saved or as it was typed, and what to call it with."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"tool_id": 1, "arguments": {"order_id": "A1042"}, "variables": {}}]},
    )

    tool: TypedTool | None = Field(default=None, description="A draft. With `tool_id` it keeps that tool's secrets.")
    tool_id: int | None = Field(default=None, ge=1, le=2**31 - 1)
    arguments: dict[str, Any] = Field(default_factory=dict, description="As a model would give them.")
    variables: dict[str, str] = Field(
        default_factory=dict,
        description="Call variables, for `{{ call.name }}`.",
        examples=[{"caller_number": "+49 30 123456"}],
    )
    confirmed: bool = Field(
        default=False,
        description="Really run a tool that needs confirmation in a call. Without it, such a tool is not run.",
    )

    @model_validator(mode="after")
    def _one_of_them(self) -> ToolTry:
        if self.tool is None and self.tool_id is None:
            raise ValueError("Give tool, a draft, or tool_id.")
        return self


class SentRequest(BaseModel):
    """The request as it was sent, after redirects the last one; secrets are `***`."""

    method: str = Field(examples=["GET"])
    url: str = Field(examples=["https://shop.example.com/orders/A1042"])
    headers: dict[str, str] = Field(examples=[{"Authorization": "***"}])
    body: str | None

    @classmethod
    def of(cls, shown: ShownRequest) -> SentRequest:
        """From the recorder's."""
        return cls(method=shown.method, url=shown.url, headers=dict(shown.headers), body=shown.body)


class ReceivedResponse(BaseModel):
    """What came back; secrets are `***`."""

    status: int = Field(examples=[200])
    headers: dict[str, str] = Field(examples=[{"Content-Type": "application/json"}])
    body: str = Field(examples=['{"status": "shipped"}'])
    truncated: bool = Field(description="There was more, or it broke off.")

    @classmethod
    def of(cls, shown: ShownResponse) -> ReceivedResponse:
        """From the recorder's."""
        return cls(status=shown.status, headers=dict(shown.headers), body=shown.body, truncated=shown.truncated)


class TryError(BaseModel):
    """Why the call failed."""

    code: str = Field(examples=["tool_timeout"])
    detail: str = Field(examples=["get_order_status: no complete answer from https://shop.example.com within 5.0 s"])


class Attempt(BaseModel):
    """One request, and what came back: a repeat and a redirect are each one of their own."""

    request: SentRequest
    response: ReceivedResponse | None = Field(description="Null: nothing came back.")


class ToolTryResult(BaseModel):
    """What happened."""

    attempts: list[Attempt] = Field(
        description="All that was sent, in order, at most 10; the last is `request` and `response`."
    )
    request: SentRequest | None = Field(description="Null: nothing was sent, since the arguments do not fit.")
    response: ReceivedResponse | None = Field(description="Null: nothing came back.")
    elapsed_ms: float = Field(examples=[41.8])
    for_model: str = Field(description="What a model would be told.", examples=['{"status":"shipped"}'])
    note: str = Field(default="", description="Why the model sees nothing of an answer that came.")
    error: TryError | None


class ToolCopy(BaseModel):
    """The name of a copy."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, StringConstraints(pattern=NAME_PATTERN)] = Field(examples=["get_order_status_test"])


class UsingPromptBody(BaseModel):
    """A prompt that names the tool."""

    id: int = Field(examples=[1])
    name: str = Field(examples=["receptionist"])
    published: bool = Field(description="In the version that calls use.")
    latest: bool = Field(description="In the newest version, which may be a draft.")


class ToolUsageBody(BaseModel):
    """Who uses a tool."""

    prompts: list[UsingPromptBody]
    with_all_tools: int = Field(description="Prompts that choose no tools, and so are offered all.", examples=[3])
    turns: int = Field(description="Turns that called it in the last 30 days.", examples=[128])
    failed: int = Field(description="Of its calls in them, those that went wrong.", examples=[2])
    last_used: datetime | None = Field(description="When such a turn last began.")

    @classmethod
    def of(cls, usage: ToolUsage) -> ToolUsageBody:
        """From the room's."""
        fields: Mapping[str, Any] = asdict(usage)
        return cls(**fields)
