"""Which tools sign in with a secret: of each tool the newest version, which calls use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import and_, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.models.tool import ToolRow, ToolVersionRow
from app.tools.auth.definition import Secret, SecretName, secret_fields, secret_names
from app.tools.auth.destinations import strangers
from app.tools.definition import RequestSpec
from app.tools.records import definition_of


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
        # Only those with a login are read whole: most have none, and a schema may have a megabyte.
        if not _names_any(version.options):
            continue
        tool = definition_of(row, version)
        for name in secret_names(tool.authorisation):
            if name in servers:
                fields = [f"authorisation.{field}" for field, each in secret_fields(tool.authorisation) if each == name]
                refused = ""
                if isinstance(tool.request, RequestSpec):
                    known = {name: Secret("", 0, frozenset(servers[name]))}
                    refused = " ".join(each.message for each in strangers(tool.authorisation, tool.request.url, known))
                found.setdefault(name, []).append(UsingTool(row.id, row.name, row.enabled, fields, refused))
    return found


def _names_any(options: Mapping[str, object]) -> bool:
    authorisation = options.get("authorisation")
    return isinstance(authorisation, Mapping) and (
        authorisation.get("type", "none") != "none" or "client_certificate" in authorisation
    )
