"""Importing tools from an OpenAPI document."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from app.schemas.tool_parts import AnyRequestBody, request_body
from app.schemas.tools import WarningBody
from app.tools.definition import ToolDefinition
from app.tools.openapi.document import MAX_JSON_BYTES
from app.tools.secrets import hidden

State = Literal["new", "changed", "unchanged", "impossible"]

_DOCUMENT = """openapi: 3.0.3
info: {title: Shop, version: "1"}
servers: [{url: "https://shop.example.com"}]
paths:
  /orders/{id}:
    get:
      operationId: getOrder
      summary: Say where an order is
      parameters: [{name: id, in: path, required: true, schema: {type: string}}]
"""


class OpenApiImport(BaseModel):
    """A document, and what to take from it."""

    model_config = ConfigDict(extra="forbid")

    document: str = Field(
        min_length=1, max_length=MAX_JSON_BYTES, description="Its text, JSON or YAML.", examples=[_DOCUMENT]
    )
    base_url: str | None = Field(
        default=None,
        max_length=2_000,
        description="In place of the server that the document names; needed where it names none, or only a path.",
        examples=["https://shop.example.com"],
    )
    headers: dict[str, str] = Field(
        default_factory=dict,
        description="Headers of each tool, for keys and tokens.",
        examples=[{"Authorization": "Bearer ..."}],
    )
    operations: list[str] | None = Field(
        default=None,
        max_length=200,
        description="The `id`s of the operations to import; null: only show what there is.",
        examples=[["getOrder"]],
    )
    update: bool = Field(
        default=False, description="Give tools that are there already a new version, where they differ."
    )


class DraftTool(BaseModel):
    """The tool that an operation would become; secrets are `***`."""

    name: str = Field(examples=["getOrder"])
    description: str = Field(examples=["Say where an order is"])
    parameters: dict[str, Any]
    request: AnyRequestBody

    @classmethod
    def of(cls, definition: ToolDefinition) -> DraftTool:
        """From the room's."""
        shown = hidden(definition)
        return cls.model_construct(
            name=shown.name,
            description=shown.description,
            parameters=dict(shown.parameters),
            request=request_body(shown.request),
        )


class OperationBody(BaseModel):
    """An operation of the document."""

    id: str = Field(examples=["getOrder"])
    method: str = Field(examples=["GET"])
    path: str = Field(examples=["/orders/{id}"])
    summary: str = Field(examples=["Say where an order is"])
    tags: list[str] = Field(examples=[["orders"]])
    deprecated: bool
    tool: DraftTool | None = Field(description="Null: it cannot be imported; `problems` says why.")
    problems: list[str] = Field(
        description="What is lost, or is left to do.",
        examples=[["It wants an API key: add it as the header X-Api-Key."]],
    )
    warnings: list[WarningBody]
    exists: bool = Field(description="There is a tool of that name.")
    state: State = Field(description="What importing it with `update` would do.")


class ImportedToolBody(BaseModel):
    """What became of an operation."""

    operation: str = Field(examples=["getOrder"])
    tool_id: int = Field(examples=[2])
    name: str = Field(examples=["getOrder"])
    outcome: Literal["created", "updated", "unchanged"]


class OpenApiResult(BaseModel):
    """What a document offers, and what was imported of it."""

    title: str = Field(examples=["Shop"])
    version: str = Field(examples=["1"])
    server: str = Field(description="The address that all paths are below.", examples=["https://shop.example.com"])
    servers: list[str] = Field(description="Those that the document names.")
    problems: list[str] = Field(description="What concerns the document as a whole.")
    operations: list[OperationBody]
    imported: list[ImportedToolBody] | None = Field(description="Null: no operations were chosen.")
