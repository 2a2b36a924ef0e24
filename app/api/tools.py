"""``/api/tools``."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Path, Query, Response

from app.api.access import needs
from app.api.guard import UserDep
from app.api.parts import PartsDep
from app.api.preconditions import IfMatch, conflict, expected_version, set_etag
from app.api.responses import BODY, problems
from app.api.tool_work import Id, providers_of
from app.core.permissions import Permission
from app.schemas.page import Limit, Offset, PageBody, Search, Sorting
from app.schemas.tools import EnabledBody, ToolBody, ToolCreate, ToolSummaryBody, ToolUpdate, ToolVersionBody
from app.tools.errors import ToolConflict

router = APIRouter(prefix="/tools", tags=["tools"])

Number = Annotated[int, Path(ge=1, le=2**31 - 1, description="Number of the version.", examples=[1])]
Enabled = Annotated[bool | None, Query(description="Only those that are enabled, or only those that are not.")]


@router.get("", summary="List tools", responses=problems(422))
@needs(Permission.READ)
async def list_tools(
    parts: PartsDep,
    offset: Offset = 0,
    limit: Limit = 50,
    search: Search = "",
    enabled: Enabled = None,
    sort: Sorting = "name",
) -> PageBody[ToolSummaryBody]:
    """A page at a time."""
    page = await parts.tools.list(offset=offset, limit=limit, search=search, enabled=enabled, sort=sort)
    items = [ToolSummaryBody.of(summary) for summary in page.items]
    return PageBody(items=items, total=page.total, offset=offset, limit=limit)


@router.post("", status_code=201, summary="Create a tool", responses={**BODY, **problems(409)})
@needs(Permission.EDIT_TOOLS)
async def create_tool(parts: PartsDep, user: UserDep, body: ToolCreate, response: Response) -> ToolBody:
    """As version 1; models are offered it from the next turn on."""
    record = await parts.tools.create(await asyncio.to_thread(body.definition), by=user.name, note=body.note)
    response.headers["Location"] = f"/api/tools/{record.definition.id}"
    set_etag(response, record.summary.version)
    return ToolBody.of(record, providers_of(parts))


@router.get("/{tool_id}", summary="Read a tool", responses=problems(404, 422))
@needs(Permission.READ)
async def get_tool(parts: PartsDep, tool_id: Id, response: Response) -> ToolBody:
    """The `ETag` goes into `If-Match` when you save."""
    record = await parts.tools.get(tool_id)
    set_etag(response, record.summary.version)
    return ToolBody.of(record, providers_of(parts))


@router.put("/{tool_id}", summary="Save a tool", responses={**BODY, **problems(404, 409, 412, 428)})
@needs(Permission.EDIT_TOOLS)
async def save_tool(
    parts: PartsDep, user: UserDep, tool_id: Id, body: ToolUpdate, response: Response, if_match: IfMatch = None
) -> ToolBody:
    """As a new version. Say which version you made it from, by `If-Match` or `expected_version`."""
    expected = expected_version(if_match, body.expected_version)
    definition = await asyncio.to_thread(body.definition)
    try:
        record = await parts.tools.save(
            tool_id,
            definition,
            by=user.name,
            expected_version=expected,
            note=body.note,
            keep_enabled="enabled" not in body.model_fields_set,
        )
    except ToolConflict as error:
        raise conflict(error, if_match) from error
    set_etag(response, record.summary.version)
    return ToolBody.of(record, providers_of(parts))


@router.delete(
    "/{tool_id}", status_code=204, summary="Delete a tool", responses=problems(400, 403, 404, 412, 413, 415, 422)
)
@needs(Permission.EDIT_TOOLS)
async def delete_tool(parts: PartsDep, user: UserDep, tool_id: Id, if_match: IfMatch = None) -> None:
    """With all its versions. Prompts that name it go on without it."""
    try:
        await parts.tools.delete(tool_id, expected_version=expected_version(if_match, required=False), by=user.name)
    except ToolConflict as error:
        raise conflict(error, if_match) from error


@router.post("/{tool_id}/enabled", summary="Enable or disable a tool", responses={**BODY, **problems(404)})
@needs(Permission.EDIT_TOOLS)
async def set_enabled(parts: PartsDep, user: UserDep, tool_id: Id, body: EnabledBody, response: Response) -> ToolBody:
    """Holds from the next turn on, and makes no new version."""
    record = await parts.tools.set_enabled(tool_id, body.enabled, by=user.name)
    set_etag(response, record.summary.version)
    return ToolBody.of(record, providers_of(parts))


@router.get("/{tool_id}/versions", summary="List a tool's versions", responses=problems(404, 422))
@needs(Permission.READ)
async def list_versions(
    parts: PartsDep, tool_id: Id, offset: Offset = 0, limit: Limit = 50
) -> PageBody[ToolVersionBody]:
    """Newest first."""
    page = await parts.tools.versions(tool_id, offset=offset, limit=limit)
    items = [ToolVersionBody.of(version) for version in page.items]
    return PageBody(items=items, total=page.total, offset=offset, limit=limit)


@router.get("/{tool_id}/versions/{number}", summary="Read one version of a tool", responses=problems(404, 422))
@needs(Permission.READ)
async def get_version(parts: PartsDep, tool_id: Id, number: Number) -> ToolBody:
    """A version as it was saved; name and enabling are the tool's of today."""
    return ToolBody.of(await parts.tools.version(tool_id, number), providers_of(parts))
