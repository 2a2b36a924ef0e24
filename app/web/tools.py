"""Tools: the list, and one tool with its versions. What changes a tool is in :mod:`app.web.tool_edit`."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import HTMLResponse

from app.api.access import needs
from app.api.parts import Parts, PartsDep, get_parts
from app.core.permissions import Permission
from app.db.audit import MASK
from app.schemas.page import Search, Sorting
from app.tools.auth.definition import Authorisation
from app.tools.definition import Behaviour, McpCall, RequestSpec, ResultSpec, ToolDefinition
from app.tools.records import ToolRecord, ToolSummary
from app.tools.secrets import hidden, secret_fields
from app.tools.stored import kind_of, options_form
from app.web.pages import render
from app.web.tool_form import document_of, pretty

router = APIRouter(prefix="/ui/tools")

PAGE_SIZE: Final = 50

Id = Annotated[int, Path(ge=1, le=2**31 - 1)]
Number = Annotated[int, Path(ge=1, le=2**31 - 1)]
NumberOfPage = Annotated[int, Query(ge=1, le=20_000)]
Enabled = Annotated[Literal["", "yes", "no"], Query()]

_TYPES: Final = {
    "string": "text",
    "integer": "whole number",
    "number": "number",
    "boolean": "yes or no",
    "array": "list",
    "object": "object",
}


@dataclass(frozen=True, slots=True)
class Parameter:
    """A line of a tool's parameters, for who reads them."""

    name: str
    type: str
    required: bool
    description: str


@dataclass(frozen=True, slots=True)
class Side:
    """One of two versions that are compared."""

    number: int
    by: str
    note: str
    text: str


@router.get("")
@needs(Permission.READ)
async def listing(
    request: Request,
    parts: PartsDep,
    page: NumberOfPage = 1,
    search: Search = "",
    enabled: Enabled = "",
    sort: Sorting = "name",
) -> HTMLResponse:
    """The tools."""
    found = await parts.tools.list(
        offset=(page - 1) * PAGE_SIZE,
        limit=PAGE_SIZE,
        search=search.strip(),
        enabled=None if enabled == "" else enabled == "yes",
        sort=sort,
    )
    return render(
        request,
        "tools/list.html",
        tools=found.items,
        definitions=shown_definitions(parts, {tool.id for tool in found.items}),
        target_of=partial(target_of, parts),
        total=found.total,
        page=page,
        size=PAGE_SIZE,
        search=search,
        enabled=enabled,
        sort=sort,
        back=request.url.query,
    )


@router.get("/{tool_id}/versions")
@needs(Permission.READ)
async def versions(request: Request, parts: PartsDep, tool_id: Id, page: NumberOfPage = 1) -> HTMLResponse:
    """The versions of a tool, newest first."""
    record = await parts.tools.get(tool_id)
    found = await parts.tools.versions(tool_id, offset=(page - 1) * PAGE_SIZE, limit=PAGE_SIZE)
    return render(
        request,
        "tools/versions.html",
        tool=record.summary,
        versions=found.items,
        total=found.total,
        page=page,
        size=PAGE_SIZE,
    )


@router.get("/{tool_id}/versions/{number}")
@needs(Permission.READ)
async def version(request: Request, parts: PartsDep, tool_id: Id, number: Number) -> HTMLResponse:
    """One version, to look at."""
    return show(request, await parts.tools.version(tool_id, number))


@router.get("/{tool_id}/compare")
@needs(Permission.READ)
async def compare(
    request: Request,
    parts: PartsDep,
    tool_id: Id,
    left: Annotated[int | None, Query(ge=1, le=2**31 - 1)] = None,
    right: Annotated[int | None, Query(ge=1, le=2**31 - 1)] = None,
) -> HTMLResponse:
    """Two versions side by side: the newest and the one before it, where the address names none."""
    right = right or (await parts.tools.get(tool_id)).definition.version
    left = left or max(1, right - 1)
    first, second = await parts.tools.version(tool_id, left), await parts.tools.version(tool_id, right)
    sides = await asyncio.to_thread(lambda: (_side(first), _side(second)))
    return render(request, "tools/compare.html", tool=first.summary, left=sides[0], right=sides[1])


def show(request: Request, record: ToolRecord) -> HTMLResponse:
    """The page of a version for who only reads."""
    definition = hidden(record.definition)
    request_part = definition.request
    body, body_kind = (request_part.json_body, "") if isinstance(request_part, RequestSpec) else (None, "")
    if isinstance(request_part, RequestSpec) and request_part.body is not None:
        body, body_kind = request_part.body.fields or request_part.body.text, request_part.body.kind
    return render(
        request,
        "tools/view.html",
        tool=record.summary,
        record=record,
        number=definition.version,
        definition=definition,
        parameters=_parameters(definition.parameters),
        schema=pretty(definition.parameters),
        kind=kind_of(request_part),
        target_of=partial(target_of, get_parts(request)),
        body="" if body is None else body if isinstance(body, str) and body_kind else pretty(body),
        body_kind=body_kind,
        options=list(_options(definition)),
        secrets=secret_fields(record.definition.request),
        mask=MASK,
    )


def _options(definition: ToolDefinition) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """The parts besides the request that are not as usual: a title, and what is set, by the paths of its fields."""
    usual = options_form(
        replace(definition, bound={}, result=ResultSpec(), behaviour=Behaviour(), authorisation=Authorisation())
    )
    titles = {
        "authorisation": "Login",
        "bound": "Bound parameters",
        "result": "What the model sees",
        "behaviour": "Behaviour",
    }
    now = options_form(definition)
    for part, title in titles.items():
        facts = [
            (f"{part}.{name}", value if isinstance(value, str) else pretty(value))
            for name, value in now[part].items()
            if value != usual[part].get(name)
        ]
        if facts:
            yield title, facts


def target_of(parts: Parts, tool: ToolSummary, definition: ToolDefinition | None) -> str:
    """What it calls, in a line for people, with the name of its MCP server."""
    called = definition.request if definition is not None else None
    server = parts.mcp_catalog.find(called.server) if isinstance(called, McpCall) else None
    if server is None or not isinstance(called, McpCall):
        return tool.target
    return f"{called.tool} of the MCP server {server.name}"


def shown_definitions(parts: Parts, ids: Collection[int]) -> Mapping[int, ToolDefinition]:
    """The tools with these ids, without their secrets; a secret may stand in the query of an address."""
    return {tool.id: hidden(tool) for tool in parts.tool_catalog.all() if tool.id in ids}


def _side(record: ToolRecord) -> Side:
    return Side(record.definition.version, record.created_by, record.note, document_of(record.definition))


def _parameters(schema: Mapping[str, Any]) -> list[Parameter]:
    required, properties = schema.get("required"), schema.get("properties")
    names = required if isinstance(required, list) else []
    if not isinstance(properties, Mapping):
        return []
    return [Parameter(name, _type(part), name in names, _description(part)) for name, part in properties.items()]


def _type(schema: Any) -> str:
    if not isinstance(schema, Mapping):
        return "anything"
    allowed, kind = schema.get("enum"), schema.get("type")
    if isinstance(allowed, list):
        return "one of " + ", ".join(str(each) for each in allowed)
    return _TYPES.get(kind, "see the schema") if isinstance(kind, str) else "see the schema"


def _description(schema: Any) -> str:
    words = schema.get("description") if isinstance(schema, Mapping) else None
    return words if isinstance(words, str) else ""
