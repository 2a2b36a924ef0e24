"""MCP servers in requests and answers."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from app.schemas.tools import WarningBody
from app.tools.auth.definition import Secrets
from app.tools.auth.parsing import stored_form
from app.tools.definition import NAME_PATTERN
from app.tools.mcp.definition import SessionStatus
from app.tools.mcp.listing import Listed
from app.tools.mcp.rules import McpServerDraft, parse_server
from app.tools.mcp.store import McpServerRecord
from app.tools.provider_rules import warnings_of


class McpServerFields(BaseModel):
    """A server as somebody types it."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, max_length=100, examples=["shop"])
    transport: Literal["http", "stdio"] = Field(
        default="http", description="`http`: streamable HTTP. `stdio`: a program on this machine; administrators only."
    )
    url: str = Field(default="", max_length=2_000, examples=["https://mcp.shop.example.com/mcp"])
    headers: dict[str, str] = Field(
        default_factory=dict,
        description="`{{ secret.NAME }}` stands for a secret.",
        examples=[{"X-Tenant": "main"}],
    )
    authorisation: dict[str, Any] = Field(
        default_factory=lambda: {"type": "none"},
        description="As that of a tool; secrets stand there by their names.",
        examples=[{"type": "none"}],
    )
    command: str = Field(
        default="", max_length=1_000, description="One that `MCP_STDIO_COMMANDS` names.", examples=[""]
    )
    args: list[str] = Field(default_factory=list, max_length=50, examples=[[]])
    env: dict[str, str] = Field(default_factory=dict, examples=[{}])
    enabled: bool = True

    def draft(self, *, commands: Collection[str], secrets: Secrets) -> McpServerDraft:
        """The room's. Raises ToolInvalid."""
        return parse_server(self.model_dump(), commands=commands, secrets=secrets)


class McpServerUpdate(McpServerFields):
    """A change, and what it was made from."""

    expected_revision: int | None = Field(
        default=None, description="The `revision` that you changed; null: save in any case.", examples=[3]
    )


class SessionBody(BaseModel):
    """How it stands with the session."""

    state: Literal["idle", "connecting", "connected", "error"] = Field(
        description="`idle`: not connected, which is no fault; it connects at the next call."
    )
    reason: str = Field(examples=[""])
    server: str = Field(description="What the server calls itself.", examples=["shop 1.2.0"])
    protocol: str = Field(examples=["2025-11-25"])
    tools: int = Field(description="How many it offers.", examples=[4])

    @classmethod
    def of(cls, status: SessionStatus) -> SessionBody:
        """From the room's."""
        return cls(
            state=status.state,
            reason=status.reason,
            server=status.server,
            protocol=status.protocol,
            tools=status.tools,
        )


class McpServerBody(BaseModel):
    """A registered server. It holds no secret."""

    id: int = Field(examples=[1])
    revision: int = Field(examples=[3])
    name: str = Field(examples=["shop"])
    transport: Literal["http", "stdio"]
    url: str = Field(examples=["https://mcp.shop.example.com/mcp"])
    headers: dict[str, str]
    authorisation: dict[str, Any]
    command: str = Field(examples=[""])
    args: list[str]
    env: dict[str, str]
    enabled: bool
    session: SessionBody
    created_at: datetime
    created_by: str = Field(examples=["admin"])
    updated_at: datetime
    updated_by: str = Field(examples=["admin"])

    @classmethod
    def of(cls, record: McpServerRecord, status: SessionStatus) -> McpServerBody:
        """From the room's."""
        server = record.server
        return cls(
            id=server.id,
            revision=server.revision,
            name=server.name,
            transport=server.transport,
            url=server.url,
            headers=dict(server.headers),
            authorisation=stored_form(server.authorisation),
            command=server.command,
            args=list(server.args),
            env=dict(server.env),
            enabled=server.enabled,
            session=SessionBody.of(status),
            created_at=record.created_at,
            created_by=record.created_by,
            updated_at=record.updated_at,
            updated_by=record.updated_by,
        )


class McpServersBody(BaseModel):
    """All servers."""

    items: list[McpServerBody]
    installed: bool = Field(description="Whether the packages for MCP are there; without them no server can be used.")
    hint: str = Field(description="What to install, where they are not.", examples=[""])
    commands: list[str] = Field(description="The programs that `MCP_STDIO_COMMANDS` names.", examples=[[]])


class ListedToolBody(BaseModel):
    """A tool of the server beside the catalogue."""

    tool: str = Field(description="Its name at the server.", examples=["order_status"])
    title: str = Field(examples=["Order status"])
    description: str = Field(description="The server's words.", examples=["Say where an order is."])
    state: Literal["new", "added", "changed", "gone", "impossible"] = Field(
        description="`changed`: its parameters are others at the server now. `gone`: the server offers it no more."
    )
    name: str = Field(description="In the catalogue, or proposed for it.", examples=["shop_order_status"])
    tool_id: int | None = Field(description="Of the catalogue.", examples=[None])
    read_only: bool | None
    destructive: bool | None
    idempotent: bool | None
    parameters: dict[str, Any] | None = Field(description="As models would get them; null: nothing to take over.")
    needs_confirmation: bool = Field(description="Proposed: the caller is asked before it runs.")
    notes: list[str]
    warnings: list[WarningBody]

    @classmethod
    def of(cls, listed: Listed, providers: Collection[str]) -> ListedToolBody:
        """From the room's."""
        offered, proposal, existing = listed.offered, listed.proposal, listed.existing
        shown = existing or proposal
        return cls(
            tool=listed.name,
            title=offered.title if offered else "",
            description=offered.description if offered else "",
            state=listed.state,
            name=shown.name if shown else "",
            tool_id=existing.id if existing else None,
            read_only=offered.read_only if offered else None,
            destructive=offered.destructive if offered else None,
            idempotent=offered.idempotent if offered else None,
            parameters=dict(proposal.parameters) if proposal else None,
            needs_confirmation=bool(proposal and proposal.behaviour.needs_confirmation),
            notes=list(listed.notes),
            warnings=[] if proposal is None else [WarningBody.of(each) for each in warnings_of(proposal, providers)],
        )


class ListedToolsBody(BaseModel):
    """What a server offers now."""

    tools: list[ListedToolBody]


class ChosenTool(BaseModel):
    """A tool to take."""

    model_config = ConfigDict(extra="forbid")

    tool: str = Field(min_length=1, max_length=200, description="Its name at the server.", examples=["order_status"])
    name: str | None = Field(
        default=None,
        pattern=NAME_PATTERN,
        description="As models call it; null: as proposed. Of a tool that is there already it stays.",
        examples=["shop_order_status"],
    )


class ChosenTools(BaseModel):
    """What to take of a server's tools."""

    model_config = ConfigDict(extra="forbid")

    tools: list[ChosenTool] = Field(min_length=1, max_length=200)


class TakenToolBody(BaseModel):
    """What became of a chosen tool."""

    tool: str = Field(examples=["order_status"])
    tool_id: int = Field(examples=[4])
    name: str = Field(examples=["shop_order_status"])
    outcome: Literal["created", "updated", "unchanged"]


class TakenToolsBody(BaseModel):
    """What became of the chosen tools."""

    tools: list[TakenToolBody]
