"""Secrets in requests and answers. A value goes in, and never comes out."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from app.tools.vault.records import SecretRecord
from app.tools.vault.usage import UsingTool

_SERVERS = (
    "Where it may be sent. What stands after the host is left away, so the address of a tool can be pasted. "
    "A program that runs as an MCP server is written `program:/absolute/path`, as `MCP_STDIO_COMMANDS` has it."
)
# Characters; the store counts bytes, and says what it takes.
_MAX_VALUE = 65_536


class SecretCreate(BaseModel):
    """A new secret."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(
        max_length=64,
        description="Letters, digits, `-`, `_` and `.`; unique in any case. Tools name it so.",
        examples=["crm-token"],
    )
    value: SecretStr = Field(max_length=_MAX_VALUE, description="Never shown again.", examples=["k7mf2qxv9htawc3e"])
    servers: list[str] = Field(max_length=50, description=_SERVERS, examples=[["https://crm.example.com"]])
    description: str = Field(default="", max_length=500, examples=["Read access to customers; from the CRM's admin"])


class SecretValue(BaseModel):
    """Another value for a secret."""

    model_config = ConfigDict(extra="forbid")

    value: SecretStr = Field(max_length=_MAX_VALUE, description="Never shown again.", examples=["wc3e9htak7mf2qxv"])


class SecretChange(BaseModel):
    """What is to change besides the value; a field that is left out, or null, stays as it is."""

    model_config = ConfigDict(extra="forbid")

    servers: list[str] | None = Field(
        default=None, max_length=50, description=_SERVERS, examples=[["https://crm.example.com"]]
    )
    description: str | None = Field(default=None, max_length=500, examples=["Read access to customers"])


class SecretUserBody(BaseModel):
    """A tool whose newest version names the secret, or an MCP server that does."""

    kind: Literal["tool", "mcp_server"] = Field(examples=["tool"])
    id: int = Field(examples=[1])
    name: str = Field(examples=["find_customer"])
    enabled: bool
    fields: list[str] = Field(examples=[["authorisation.token"]])
    refused: str = Field(description="Why the secret is not sent although the tool names it; empty: it is.")

    @classmethod
    def of(cls, user: UsingTool) -> SecretUserBody:
        """From the store's."""
        return cls(
            kind=user.kind,
            id=user.id,
            name=user.name,
            enabled=user.enabled,
            fields=list(user.fields),
            refused=user.refused,
        )


class SecretBody(BaseModel):
    """A secret, without its value."""

    name: str = Field(examples=["crm-token"])
    description: str
    servers: list[str] = Field(examples=[["https://crm.example.com:443"]])
    readable: bool = Field(description="False: tools that need it cannot be called; `problem` says why.")
    problem: str = Field(examples=[""])
    value_set_at: datetime = Field(description="When a person last set the value.")
    rotated_at: datetime | None = Field(description="When an authorisation server last replaced it; null: never since.")
    created_at: datetime
    created_by: str = Field(examples=["admin"])
    updated_at: datetime
    updated_by: str = Field(examples=["admin"])
    used_by: list[SecretUserBody]

    @classmethod
    def of(cls, record: SecretRecord, users: Sequence[UsingTool]) -> SecretBody:
        """From the store's."""
        return cls(
            name=record.name,
            description=record.description,
            servers=list(record.servers),
            readable=not record.problem,
            problem=record.problem and f"The secret {record.problem}",
            value_set_at=record.value_set_at,
            rotated_at=record.rotated_at,
            created_at=record.created_at,
            created_by=record.created_by,
            updated_at=record.updated_at,
            updated_by=record.updated_by,
            used_by=[SecretUserBody.of(user) for user in users],
        )
