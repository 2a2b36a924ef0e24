"""Tools in requests and answers."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from app.schemas.tool_parts import (
    AnyLoginBody,
    AnyRequestBody,
    BehaviourBody,
    NoLoginBody,
    ResultBody,
    login_body,
    request_body,
)
from app.tools.definition import NAME_PATTERN, ToolDefinition
from app.tools.provider_rules import SchemaWarning, warnings_of
from app.tools.records import ToolRecord, ToolSummary, ToolVersionSummary
from app.tools.secrets import hidden, secret_fields
from app.tools.validation import MAX_DESCRIPTION_CHARS, parse_definition


class ToolFields(BaseModel):
    """What an operator writes."""

    name: str = Field(pattern=NAME_PATTERN, description="As the model calls it.", examples=["get_order_status"])
    description: str = Field(
        min_length=1,
        max_length=MAX_DESCRIPTION_CHARS,
        description="What it does and when to use it: the model decides by it.",
        examples=["Looks up where an order is. Use it when the caller has said the order number."],
    )
    parameters: dict[str, Any] = Field(
        description="JSON Schema of the arguments: an object with properties.",
        examples=[{"type": "object", "properties": {"order_id": {"type": "string"}}, "required": ["order_id"]}],
    )
    request: AnyRequestBody = Field(
        description="What it does when it is called. Without `kind`, it is an HTTP request.",
        examples=[{"method": "GET", "url": "https://shop.example.com/orders/{{ order_id }}"}],
    )
    bound: dict[str, Any] = Field(
        default_factory=dict,
        description="Parameters that the model neither sees nor fills: `{{ call.name }}`, or a value as it stands.",
        examples=[{"customer": "{{ call.caller_number }}"}],
    )
    result: ResultBody = Field(default_factory=ResultBody)
    behaviour: BehaviourBody = Field(default_factory=BehaviourBody)
    authorisation: AnyLoginBody = Field(
        default_factory=NoLoginBody,
        description="How its requests are authorised. Secrets stand there by their names.",
        examples=[{"type": "bearer", "token": "shop-token"}],
    )
    enabled: bool = Field(default=True, description="Whether models are offered it.")


class ToolCreate(ToolFields):
    """A new tool."""

    model_config = ConfigDict(extra="forbid")

    note: Annotated[str, Field(max_length=500)] = Field(default="", description="Why this version was made.")

    def definition(self) -> ToolDefinition:
        """As the store takes it. Raises ToolInvalid."""
        fields = self.model_dump(exclude={"note", "expected_version", "authorisation"})
        # A field that is null is one that was left out.
        fields["authorisation"] = self.authorisation.model_dump(exclude_none=True)
        return parse_definition(fields)


class ToolUpdate(ToolCreate):
    """A new version of a tool, whole: a field that is left out goes back to its default. Only
    `enabled`, when it is left out, stays as it is."""

    expected_version: int | None = Field(
        default=None, ge=1, description="The version when you read it; instead of `If-Match`.", examples=[3]
    )


class EnabledBody(BaseModel):
    """Whether models are offered a tool."""

    model_config = ConfigDict(extra="forbid")

    enabled: bool


class ToolSummaryBody(BaseModel):
    """A line of the list."""

    id: int = Field(examples=[1])
    name: str = Field(examples=["get_order_status"])
    enabled: bool
    version: int = Field(examples=[1])
    created_at: datetime
    updated_at: datetime
    updated_by: str = Field(examples=["admin"])
    description: str = Field(description="The beginning of it.", examples=["Looks up where an order is."])
    kind: Literal["http", "mcp", "python"]
    method: str = Field(description="Empty for other kinds than `http`.", examples=["GET"])
    url: str = Field(
        description="Secrets are `***`. Empty for other kinds than `http`.",
        examples=["https://shop.example.com/orders/{{ order_id }}"],
    )
    target: str = Field(
        description="What it calls, in a line for people.",
        examples=["GET https://shop.example.com/orders/{{ order_id }}"],
    )

    @classmethod
    def of(cls, summary: ToolSummary) -> ToolSummaryBody:
        """From the store's."""
        return cls(**asdict(summary))


class WarningBody(BaseModel):
    """What a provider would not take of the parameters, or would ignore."""

    provider: str = Field(
        description="Its name; `every` where it does not depend on the provider.", examples=["gemini"]
    )
    field: str = Field(examples=["parameters.properties.floor"])
    message: str = Field(
        description="What happens, and what to change.",
        examples=['Gemini wants "items" for a list: say what it holds, such as "items": {"type": "string"}.'],
    )

    @classmethod
    def of(cls, warning: SchemaWarning) -> WarningBody:
        """From the rules'."""
        return cls(**asdict(warning))


class ToolBody(ToolFields):
    """A tool with one of its versions, usually the newest. Secrets are shown as `***`; a save that sends `***` back
    keeps them, as long as the address has the same scheme, host and port."""

    id: int = Field(examples=[1])
    version: int = Field(description="Of the fields here.", examples=[1])
    latest_version: int = Field(examples=[1])
    note: str
    created_at: datetime = Field(description="When this version was made.")
    created_by: str = Field(examples=["admin"])
    updated_at: datetime = Field(description="When the tool was last changed.")
    secrets: list[str] = Field(
        description="The fields that hold a stored secret, shown as `***`.",
        examples=[["request.headers.Authorization"]],
    )
    warnings: list[WarningBody] = Field(
        description="What the providers that are configured would not take or would ignore.", examples=[[]]
    )

    @classmethod
    def of(cls, record: ToolRecord, providers: Collection[str] = ()) -> ToolBody:
        """From the store's, with its secrets masked. Built without validation: what is stored is shown, even if the
        limits changed since.

        Args:
            providers: Names of those that are configured, for the warnings.
        """
        definition, summary = hidden(record.definition), record.summary
        return cls.model_construct(
            name=definition.name,
            description=definition.description,
            parameters=dict(definition.parameters),
            request=request_body(definition.request),
            bound=dict(definition.bound),
            result=ResultBody.model_construct(**asdict(definition.result)),
            behaviour=BehaviourBody.model_construct(**asdict(definition.behaviour)),
            authorisation=login_body(definition.authorisation),
            enabled=definition.enabled,
            id=definition.id,
            version=definition.version,
            latest_version=summary.version,
            note=record.note,
            created_at=record.created_at,
            created_by=record.created_by,
            updated_at=summary.updated_at,
            secrets=secret_fields(record.definition.request),
            warnings=[WarningBody.of(warning) for warning in warnings_of(definition, providers)],
        )


class ToolVersionBody(BaseModel):
    """A line of the list of versions."""

    number: int = Field(examples=[1])
    note: str
    created_at: datetime
    created_by: str = Field(examples=["admin"])

    @classmethod
    def of(cls, version: ToolVersionSummary) -> ToolVersionBody:
        """From the store's."""
        return cls(**asdict(version))
