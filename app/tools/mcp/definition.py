"""A registered MCP server, frozen; and what such a server offers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from app.tools.auth.definition import Authorisation

Transport = Literal["http", "stdio"]

# What one answer of a server may have, of whatever kind; a tool's own limit comes on top.
MAX_MESSAGE_BYTES: Final = 5_000_000


@dataclass(frozen=True, slots=True)
class McpServer:
    """A server that tools come from. ``{{ secret.NAME }}`` stands for a secret in the values of headers and ``env``.

    Attributes:
        transport: ``http`` (streamable HTTP), with ``url``, ``headers`` and ``authorisation``; or ``stdio``, a program
            on this machine, with ``command``, ``args`` and ``env``.
        command: An absolute path that ``MCP_STDIO_COMMANDS`` names.
        revision: A greater one with each change; a session serves one revision only.
    """

    id: int
    revision: int
    name: str
    transport: Transport = "http"
    url: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    authorisation: Authorisation = field(default_factory=Authorisation)
    command: str = ""
    args: Sequence[str] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    enabled: bool = True


@dataclass(frozen=True, slots=True)
class OfferedTool:
    """A tool as its server describes it: words of somebody else, bounded in length, and not to be trusted.

    Attributes:
        schema: Of the arguments, as it came.
        read_only, destructive, idempotent: The server's own hints; None: it says nothing.
    """

    name: str
    title: str
    description: str
    schema: Mapping[str, Any]
    read_only: bool | None = None
    destructive: bool | None = None
    idempotent: bool | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What a call of a tool brought.

    Attributes:
        failed: The tool says that it could not do it.
    """

    content_type: str
    body: bytes
    failed: bool = False


@dataclass(frozen=True, slots=True)
class SessionStatus:
    """How it stands with a server's session.

    Attributes:
        state: ``idle``: not connected, which is no fault; it connects at the next call.
        reason: Why not, in ``error``.
        server: What it calls itself.
        tools: How many it offers.
    """

    state: Literal["idle", "connecting", "connected", "error"]
    reason: str = ""
    server: str = ""
    protocol: str = ""
    tools: int = 0
