"""Which tools use a secret: of each tool the newest version, which calls use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import and_, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.models.tool import ToolRow, ToolVersionRow
from app.tools.auth.definition import Secret, SecretName
from app.tools.definition import ToolDefinition
from app.tools.records import definition_of
from app.tools.vault.references import may_name_secrets, named_secrets, secret_mistakes


@dataclass(frozen=True, slots=True)
class UsingTool:
    """A tool that names the secret.

    Attributes:
        fields: Where, such as ``authorisation.client_secret``.
        refused: Why the secret is not sent there although the tool names it; empty: it is.
    """

    id: int
    name: str
    enabled: bool
    fields: Sequence[str]
    refused: str = ""


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
    return found


def _refused(tool: ToolDefinition, name: SecretName, servers: Sequence[str]) -> str:
    # All the others may go anywhere here: this is about the one.
    known = {each: Secret("", 0) for _, each in named_secrets(tool)} | {name: Secret("", 0, frozenset(servers))}
    return " ".join(dict.fromkeys(each.message for each in secret_mistakes(tool, known)))
