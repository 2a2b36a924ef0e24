"""``/api/mcp/servers``: MCP servers as a source of tools."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Response

from app.api.access import needs
from app.api.guard import UserDep
from app.api.mcp_work import draft_of, listed, refuse_program, take
from app.api.parts import PartsDep
from app.api.responses import BODY, NO_BODY, problems
from app.api.tool_work import providers_of
from app.core.permissions import Permission
from app.schemas.mcp import (
    ChosenTools,
    ListedToolBody,
    ListedToolsBody,
    McpServerBody,
    McpServerFields,
    McpServersBody,
    McpServerUpdate,
    SessionBody,
    TakenToolBody,
    TakenToolsBody,
)
from app.tools.errors import ToolFailure
from app.tools.mcp.errors import NOT_INSTALLED, McpNotInstalled
from app.tools.mcp.opening import is_installed

router = APIRouter(prefix="/mcp/servers", tags=["mcp"])

Id = Annotated[int, Path(ge=1, le=2**31 - 1, examples=[1])]
Force = Annotated[bool, Query(description="Also where tools are called at it, which fail from then on.")]


@router.get("", summary="List MCP servers")
@needs(Permission.READ)
async def list_servers(parts: PartsDep) -> McpServersBody:
    """All of them, with the state of their sessions. Nothing is connected for it."""
    records = await parts.mcp_servers.list()
    installed = is_installed()
    return McpServersBody(
        items=[McpServerBody.of(each, parts.mcp_sessions.status(each.server.id)) for each in records],
        installed=installed,
        hint="" if installed else NOT_INSTALLED,
        commands=sorted(parts.settings.stdio_commands),
    )


@router.post("", status_code=201, summary="Register an MCP server", responses={**BODY, **problems(409)})
@needs(Permission.EDIT_TOOLS)
async def create_server(parts: PartsDep, user: UserDep, body: McpServerFields, response: Response) -> McpServerBody:
    """It is connected to when its tools are listed or called. One that is run as a program on this machine is for
    administrators, and its program must be one that `MCP_STDIO_COMMANDS` names."""
    refuse_program(user, body.transport)
    record = await parts.mcp_servers.create(draft_of(parts, body), by=user.name)
    response.headers["Location"] = f"/api/mcp/servers/{record.server.id}"
    return McpServerBody.of(record, parts.mcp_sessions.status(record.server.id))


@router.get("/{server_id}", summary="Read an MCP server", responses=problems(404, 422))
@needs(Permission.READ)
async def get_server(parts: PartsDep, server_id: Id) -> McpServerBody:
    """With the state of its session."""
    return McpServerBody.of(await parts.mcp_servers.get(server_id), parts.mcp_sessions.status(server_id))


@router.put("/{server_id}", summary="Change an MCP server", responses={**BODY, **problems(404, 409)})
@needs(Permission.EDIT_TOOLS)
async def save_server(parts: PartsDep, user: UserDep, server_id: Id, body: McpServerUpdate) -> McpServerBody:
    """Its session is closed, and opened anew at the next call. Its tools stay as they are."""
    before = await parts.mcp_servers.get(server_id)
    refuse_program(user, body.transport, before.server.transport)
    record = await parts.mcp_servers.save(
        server_id, draft_of(parts, body), by=user.name, expected=body.expected_revision
    )
    return McpServerBody.of(record, parts.mcp_sessions.status(server_id))


@router.delete(
    "/{server_id}", status_code=204, summary="Delete an MCP server", responses={**NO_BODY, **problems(404, 409)}
)
@needs(Permission.EDIT_TOOLS)
async def delete_server(parts: PartsDep, user: UserDep, server_id: Id, force: Force = False) -> None:
    """One whose tools are in the catalogue is kept, and the answer names them; `force` deletes it all the same."""
    before = await parts.mcp_servers.get(server_id)
    refuse_program(user, before.server.transport)
    await parts.mcp_servers.delete(server_id, by=user.name, force=force)


@router.post("/{server_id}/check", summary="Try the connection", responses={**NO_BODY, **problems(404)})
@needs(Permission.EDIT_TOOLS)
async def check_server(parts: PartsDep, server_id: Id) -> SessionBody:
    """Connects now, also within the pause after a failure, and asks for the tools. What is wrong stands in `reason`."""
    record = await parts.mcp_servers.get(server_id)
    try:
        await listed(parts, record)
    except (ToolFailure, McpNotInstalled) as error:
        return SessionBody(state="error", reason=str(error), server="", protocol="", tools=0)
    return SessionBody.of(parts.mcp_sessions.status(server_id))


@router.get("/{server_id}/tools", summary="List what an MCP server offers", responses=problems(404, 409, 422, 502))
@needs(Permission.EDIT_TOOLS)
async def list_server_tools(parts: PartsDep, server_id: Id) -> ListedToolsBody:
    """It is asked now. Each tool with what it is in the catalogue, and what would become of it."""
    found = await listed(parts, await parts.mcp_servers.get(server_id))
    providers = providers_of(parts)
    return ListedToolsBody(tools=[ListedToolBody.of(each, providers) for each in found])


@router.post("/{server_id}/tools", summary="Take tools of an MCP server", responses={**BODY, **problems(404, 409, 502)})
@needs(Permission.EDIT_TOOLS)
async def take_server_tools(parts: PartsDep, user: UserDep, server_id: Id, body: ChosenTools) -> TakenToolsBody:
    """New ones are added to the catalogue; of one that is there already the parameters are taken over as they are at
    the server now. All or none."""
    record = await parts.mcp_servers.get(server_id)
    taken = await take(parts, record, {each.tool: each.name for each in body.tools}, by=user.name)
    return TakenToolsBody(
        tools=[
            TakenToolBody(tool=tool, tool_id=row.definition.id, name=row.definition.name, outcome=outcome)
            for tool, row, outcome in taken
        ]
    )
