"""Who uses a secret: tools, of each the newest version, which calls use; and MCP servers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Literal

from sqlalchemy import and_, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.models.mcp import McpServerRow
from app.models.tool import ToolRow, ToolVersionRow
from app.tools.auth.definition import Secret, SecretName, secret_fields
from app.tools.auth.destinations import program_of, server_of, strangers
from app.tools.definition import ToolDefinition
from app.tools.mcp.definition import McpServer
from app.tools.mcp.placeholders import secrets_named
from app.tools.mcp.rules import server_from
from app.tools.records import definition_of
from app.tools.vault.references import may_name_secrets, named_secrets, secret_mistakes


@dataclass(frozen=True, slots=True)
class UsingTool:
    """A tool, or an MCP server, that names the secret.

    Attributes:
        kind: ``tool`` or ``mcp_server``, which the id is of.
        fields: Where, such as ``authorisation.client_secret``.
        refused: Why the secret is not sent there although the tool names it; empty: it is.
    """

    id: int
    name: str
    enabled: bool
    fields: Sequence[str]
    refused: str = ""
    kind: Literal["tool", "mcp_server"] = "tool"


async def tools_by_secret(
    session: AsyncSession, servers: Mapping[SecretName, Sequence[str]]
) -> dict[SecretName, list[UsingTool]]:
    """The tools that name each secret, by name of the tool; of secrets that nothing names, nothing.

    Args:
        servers: The secrets asked for, with the servers that may get them.
    """
    newest = and_(ToolVersionRow.tool_id == ToolRow.id, ToolVersionRow.number == ToolRow.version)
    rows = await session.execute(
        select(ToolRow, ToolVersionRow).join(ToolVersionRow, newest).order_by(ToolRow.name_key)
    )
    found: dict[SecretName, list[UsingTool]] = {}
    for row, version in rows:
        if not may_name_secrets(version.request, version.options):
            continue
        tool = definition_of(row, version)
        places = named_secrets(tool)
        for name in dict.fromkeys(name for _, name in places):
            if name in servers:
                fields = [field for field, each in places if each == name]
                refused = _refused(tool, name, servers[name])
                found.setdefault(name, []).append(UsingTool(row.id, row.name, row.enabled, fields, refused))
    await _add_servers(session, servers, found)
    return found


async def _add_servers(
    session: AsyncSession, servers: Mapping[SecretName, Sequence[str]], found: dict[SecretName, list[UsingTool]]
) -> None:
    for row in await session.scalars(select(McpServerRow).order_by(McpServerRow.name_key)):
        server = server_from(
            id=row.id,
            revision=row.revision,
            name=row.name,
            transport=row.transport,
            settings=row.settings,
            enabled=row.enabled,
        )
        places = [(f"authorisation.{field}", name) for field, name in secret_fields(server.authorisation)]
        for part, values in (("headers", server.headers), ("env", server.env)):
            for key, value in values.items():
                with suppress(ValueError):  # braces that name nothing name no secret
                    places += [(f"{part}.{key}", name) for name in secrets_named([value])]
        for name in dict.fromkeys(name for _, name in places):
            if name in servers:
                fields = [field for field, each in places if each == name]
                user = UsingTool(row.id, row.name, row.enabled, fields, _server_refused(server, name, servers[name]))
                found.setdefault(name, []).append(replace(user, kind="mcp_server"))


def _server_refused(server: McpServer, name: SecretName, allowed: Sequence[str]) -> str:
    place = server_of(server.url) if server.transport == "http" else program_of(server.command)
    if place not in allowed:
        return f"The secret {name} may not be sent to {place}. Add it to the servers of the secret."
    if server.transport != "http":
        return ""
    known = {name: Secret("", 0, frozenset(allowed))}
    return " ".join(each.message for each in strangers(server.authorisation, server.url, known))


def _refused(tool: ToolDefinition, name: SecretName, servers: Sequence[str]) -> str:
    # All the others may go anywhere here: this is about the one.
    known = {each: Secret("", 0) for _, each in named_secrets(tool)} | {name: Secret("", 0, frozenset(servers))}
    return " ".join(dict.fromkeys(each.message for each in secret_mistakes(tool, known)))
