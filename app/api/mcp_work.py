"""What the API and the pages of MCP servers have in common."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace

from app.accounts.identity import User
from app.api.parts import Parts
from app.api.problems import ProblemError
from app.core.permissions import Permission
from app.schemas.mcp import McpServerFields
from app.schemas.problem import FieldProblem
from app.tools.definition import ToolDefinition
from app.tools.errors import ToolInvalid, ToolNameTaken
from app.tools.mcp.errors import McpUnavailable
from app.tools.mcp.listing import Listed, compare
from app.tools.mcp.rules import McpServerDraft
from app.tools.mcp.store import McpServerRecord
from app.tools.records import ToolRecord
from app.tools.writes import ImportedTool, Outcome

# A person waits for it.
LIST_SECONDS = 30.0


def refuse_program(user: User, *transports: str) -> None:
    """A program that runs on this machine is for administrators only. Raises ProblemError (403)."""
    if "stdio" in transports and not user.may(Permission.MANAGE_SECRETS):
        raise ProblemError(
            403, "forbidden", "Only an administrator may register, change or delete a server that is run as a program."
        )


def draft_of(parts: Parts, body: McpServerFields) -> McpServerDraft:
    """The server that somebody typed. Raises ToolInvalid."""
    return body.draft(commands=parts.settings.stdio_commands, secrets=parts.secret_catalog.current())


async def listed(parts: Parts, record: McpServerRecord) -> list[Listed]:
    """What the server offers now, beside the catalogue. Raises ToolFailure, McpNotInstalled."""
    server = record.server
    try:
        async with asyncio.timeout(LIST_SECONDS):
            offered = await parts.mcp_sessions.tools(server.id, now=True)
    except TimeoutError as error:
        raise McpUnavailable(
            f"The MCP server {server.name} did not list its tools within {LIST_SECONDS:g} s."
        ) from error
    return await asyncio.to_thread(compare, server, offered, parts.tool_catalog.all())


async def take(
    parts: Parts, record: McpServerRecord, chosen: Mapping[str, str | None], *, by: str
) -> list[tuple[str, ToolRecord, Outcome]]:
    """Make tools of what was chosen, all or none.

    Args:
        chosen: By the name at the server: the name that it gets; None: as proposed.

    Raises:
        ProblemError: 422; something that was chosen cannot be taken.
        ToolInvalid, ToolNameTaken
    """
    found = {each.name: each for each in await listed(parts, record)}
    drafts, errors = [], []
    for index, (tool, name) in enumerate(chosen.items()):
        each = found.get(tool)
        if each is None or each.state in ("gone", "impossible"):
            words = f"The server has no tool {tool[:100]} that can be taken. {' '.join(each.notes) if each else ''}"
            errors.append(FieldProblem(field=f"tools.{index}", message=words.strip(), type=ToolInvalid.code))
        else:
            drafts.append((tool, _import(each, name)))
    if errors:
        raise ProblemError(422, ToolInvalid.code, errors[0].message, errors=tuple(errors))
    note = f"From the MCP server {record.server.name}"
    brought = await parts.tools.bring_in([draft for _, draft in drafts], by=by, note=note, update=True)
    return [(tool, row, outcome) for (tool, _), (row, outcome) in zip(drafts, brought, strict=True)]


def _import(each: Listed, name: str | None) -> ImportedTool:
    if each.existing is not None:
        wanted = each.proposal or each.existing
        return ImportedTool(wanted, lambda there: replace(there, parameters=wanted.parameters))
    assert each.proposal is not None
    return ImportedTool(replace(each.proposal, name=name or each.proposal.name), _taken)


def _taken(there: ToolDefinition) -> ToolDefinition:
    raise ToolNameTaken(f"There is a tool named {there.name} already. Give this one another name.")
