"""Creating, editing, duplicating, switching and deleting tools."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Final
from urllib.parse import parse_qsl, urlencode

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse
from starlette.responses import Response

from app.api.access import needs
from app.api.guard import UserDep
from app.api.parts import Parts, PartsDep, get_parts
from app.api.problems import status_for
from app.api.tool_work import providers_of
from app.core.permissions import Permission
from app.db.audit import MASK
from app.db.errors import DatabaseError
from app.tools.definition import McpCall, ToolDefinition
from app.tools.errors import ToolConflict, ToolNameTaken, ToolNotFound
from app.tools.mcp.definition import McpServer
from app.tools.option_rules import LIMITS
from app.tools.provider_rules import SchemaWarning, warnings_of
from app.tools.records import ToolRecord
from app.tools.secrets import secret_fields
from app.tools.usage import USED_WITHIN, read_usage
from app.tools.validation import check_definition
from app.web.forms import Form
from app.web.pages import done, render
from app.web.tool_form import (
    BODIES,
    METHODS,
    document_of,
    fields_of,
    form_for_function,
    form_of,
    new_form,
    note_mistakes,
)
from app.web.tool_gist import gists
from app.web.tool_options import LOGINS, mistaken
from app.web.tool_rows import BOUND, EXTRA, FIELDS, HEADERS, QUERY, STATUSES, rows
from app.web.tools import Id, show, shown_definitions, target_of

router = APIRouter(prefix="/ui/tools")

# What every call has; docs/dialplan.md lists them.
CALL_VARIABLES: Final = ("caller_number", "caller_name", "called_number", "language", "channel_id", "channel_name")
_FILTERS: Final = frozenset({"page", "search", "enabled", "sort"})


@dataclass(frozen=True, slots=True)
class Conflict:
    """What somebody else saved meanwhile, beside what was typed here."""

    version: int
    by: str
    theirs: str
    yours: str


@router.get("/new")
@needs(Permission.EDIT_TOOLS)
async def new(request: Request, parts: PartsDep, python: Annotated[str, Query(max_length=300)] = "") -> HTMLResponse:
    """An empty form; ``python``: that of a tool which calls this function of an installed package."""
    found = await asyncio.to_thread(parts.python_tools.get, python) if python else None
    if found is None or found.function is None:
        return _page(request, new_form())
    return _page(request, form_for_function(found.name, found.function))


@router.post("/new")
@needs(Permission.EDIT_TOOLS)
async def create(request: Request, parts: PartsDep, user: UserDep) -> Response:
    """Version 1, or the form again."""
    form = await Form.read(request)
    definition = await _definition(form)
    if definition is not None:
        async with form.noting():
            record = await parts.tools.create(definition, by=user.name, note=form.text("note").strip())
            return _saved(request, parts, record)
        _note(form)
    return _page(request, form)


@router.get("/{tool_id}")
@needs(Permission.READ)
async def edit(
    request: Request,
    parts: PartsDep,
    user: UserDep,
    tool_id: Id,
    version: Annotated[int | None, Query(ge=1, le=2**31 - 1)] = None,
) -> HTMLResponse:
    """The form of a tool for who may edit it, the tool to look at for others; ``version``: begin from that one."""
    record = await parts.tools.get(tool_id)
    if not user.may(Permission.EDIT_TOOLS):
        return show(request, record)
    begun = record if version in (None, record.summary.version) else await parts.tools.version(tool_id, version or 0)
    form = await asyncio.to_thread(form_of, begun.definition)
    form.values["expected_version"] = str(record.summary.version)
    warnings = await asyncio.to_thread(warnings_of, begun.definition, providers_of(parts))
    older = None if begun is record else begun.definition.version
    return _page(request, form, record, warnings=warnings, from_version=older)


@router.post("/{tool_id}")
@needs(Permission.EDIT_TOOLS)
async def save(request: Request, parts: PartsDep, user: UserDep, tool_id: Id) -> Response:
    """A new version, or the form again: with what is wrong, or with what somebody else saved meanwhile."""
    form = await Form.read(request)
    expected = form.whole("expected_version") or 0
    definition = await _definition(form)
    if definition is not None:
        async with form.noting():
            note = form.text("note").strip()
            record = await parts.tools.save(tool_id, definition, by=user.name, expected_version=expected, note=note)
            return _saved(request, parts, record)
        _note(form)
    try:
        current = await parts.tools.get(tool_id)
    except ToolNotFound:
        form.status = 409
        form.errors[""] = "Somebody deleted this tool in the meantime. What you typed is below: save it as a new tool."
        return _page(request, form)
    except DatabaseError as error:
        form.status = status_for(error)
        form.errors.setdefault("", str(error))
        form.errors[""] += " Nothing that you typed is lost: it is below. Save it again once the database answers."
        return _page(request, form, tool_id=tool_id)
    conflict = None
    if definition is not None and isinstance(form.refused, ToolConflict):
        conflict = await asyncio.to_thread(_conflict, current, definition)
        form.values["expected_version"] = str(conflict.version)
    return _page(request, form, current, conflict=conflict)


@router.post("/{tool_id}/enabled")
@needs(Permission.EDIT_TOOLS)
async def switch(request: Request, parts: PartsDep, user: UserDep, tool_id: Id) -> Response:
    """Enable or disable it, from the list, which stays where it was."""
    form = await Form.read(request)
    back = _filters(form.text("back"))
    record = await parts.tools.set_enabled(tool_id, form.flag("enabled"), by=user.name)
    said = f"{record.summary.name} is {'enabled' if record.summary.enabled else 'disabled'} now."
    if "hx-request" not in request.headers:
        return done(request, f"/ui/tools{back}#tool-{tool_id}", said)
    return render(
        request,
        "tools/row.html",
        tool=record.summary,
        definition=shown_definitions(parts, {tool_id}).get(tool_id),
        target_of=partial(target_of, parts),
        back=back.removeprefix("?"),
        said=said,
    )


@router.get("/{tool_id}/duplicate")
@needs(Permission.EDIT_TOOLS)
async def ask_for_name(request: Request, parts: PartsDep, tool_id: Id) -> HTMLResponse:
    """Under which name?"""
    record = await parts.tools.get(tool_id)
    form = Form.of({"name": f"{record.summary.name[:59]}_copy"})
    return render(request, "tools/duplicate.html", tool=record.summary, form=form)


@router.post("/{tool_id}/duplicate")
@needs(Permission.EDIT_TOOLS)
async def duplicate(request: Request, parts: PartsDep, user: UserDep, tool_id: Id) -> Response:
    """A copy, on whose page one goes on."""
    form = await Form.read(request)
    record = await parts.tools.get(tool_id)
    name = form.text("name").strip()
    for mistake in check_definition({"name": name}).mistakes:
        if mistake.field == "name":
            form.note(mistake.field, mistake.message)
    if form.ok:
        async with form.noting():
            copy = await parts.tools.duplicate(tool_id, name, by=user.name)
            message = f"{copy.summary.name} is a copy of {record.summary.name}. It is disabled until you enable it."
            return done(request, f"/ui/tools/{copy.definition.id}", message)
        _note(form)
    return render(request, "tools/duplicate.html", status_code=form.status, tool=record.summary, form=form)


@router.get("/{tool_id}/delete")
@needs(Permission.EDIT_TOOLS)
async def ask_to_delete(request: Request, parts: PartsDep, tool_id: Id) -> HTMLResponse:
    """What would go with it?"""
    return await _deletion(request, parts, tool_id, Form())


@router.post("/{tool_id}/delete")
@needs(Permission.EDIT_TOOLS)
async def delete(request: Request, parts: PartsDep, user: UserDep, tool_id: Id) -> Response:
    """Away with it, unless somebody changed it since the question."""
    form = await Form.read(request)
    name = (await parts.tools.get(tool_id)).summary.name
    async with form.noting():
        await parts.tools.delete(tool_id, expected_version=form.whole("expected_version"), by=user.name)
        return done(request, "/ui/tools", f"{name} is deleted.")
    return await _deletion(request, parts, tool_id, form)


async def _deletion(request: Request, parts: Parts, tool_id: int, form: Form) -> HTMLResponse:
    record = await parts.tools.get(tool_id)
    usage = await read_usage(parts.database, tool_id)
    return render(
        request,
        "tools/delete.html",
        status_code=200 if form.ok else form.status,
        tool=record.summary,
        form=form,
        usage=usage,
        days=USED_WITHIN.days,
    )


async def _definition(form: Form) -> ToolDefinition | None:
    """What was typed as a tool; None, with all that is wrong noted, when it is none."""
    checked = await asyncio.to_thread(lambda: check_definition(fields_of(form)))
    for mistake in checked.mistakes:
        form.note(mistake.field, mistake.message)
    return checked.definition if form.ok else None


def _note(form: Form) -> None:
    """Put what the store refused beside its fields."""
    note_mistakes(form)
    if isinstance(form.refused, ToolNameTaken):
        form.errors["name"] = form.errors.pop("")


def _saved(request: Request, parts: Parts, record: ToolRecord) -> Response:
    name, number = record.summary.name, record.definition.version
    text = f"{name} is there." if number == 1 else f"Saved as version {number}."
    return done(request, f"/ui/tools/{record.definition.id}", text)


def _conflict(current: ToolRecord, definition: ToolDefinition) -> Conflict:
    version, by = current.definition.version, current.created_by
    return Conflict(version, by, document_of(current.definition), document_of(definition))


def _filters(query: str) -> str:
    """The filters of the list, and nothing else, as they go behind its address."""
    kept = urlencode([(name, value) for name, value in parse_qsl(query[:1000]) if name in _FILTERS])
    return f"?{kept}" if kept else ""


def _servers(parts: Parts) -> list[tuple[McpServer, list[str]]]:
    """The MCP servers, each with the names of tools that are known of it without asking it."""
    known: dict[int, set[str]] = {}
    for tool in parts.tool_catalog.all():
        if isinstance(tool.request, McpCall):
            known.setdefault(tool.request.server, set()).add(tool.request.tool)
    return [
        (server, sorted({*known.get(server.id, ()), *(each.name for each in parts.mcp_sessions.known(server.id))}))
        for server in parts.mcp_catalog.all()
    ]


def _page(
    request: Request,
    form: Form,
    record: ToolRecord | None = None,
    *,
    tool_id: int | None = None,
    warnings: tuple[SchemaWarning, ...] = (),
    from_version: int | None = None,
    conflict: Conflict | None = None,
) -> HTMLResponse:
    tool = record.summary if record else None
    if tool is not None:
        tool_id = tool.id
        label = f"Save as version {tool.version + 1}"
    else:
        label = "Save as a new version" if tool_id else "Create the tool"
    if conflict is not None:
        label = f"Save over version {conflict.version}"
    values: Mapping[str, Any] = {
        "tool": tool,
        "form": form,
        "tool_id": tool_id,
        "action": f"/ui/tools/{tool_id}" if tool_id else "/ui/tools/new",
        "saved_at": record.created_at if record else None,
        "saved_by": record.created_by if record else "",
        "secrets": secret_fields(record.definition.request) if record else [],
        "mask": MASK,
        "kind": form.text("request.kind") or "http",
        "methods": METHODS,
        "bodies": BODIES,
        "logins": LOGINS,
        "limits": LIMITS,
        "gists": gists(form),
        "mistaken": mistaken(form),
        "servers": _servers(get_parts(request)) if form.text("request.kind") == "mcp" else (),
        "lines": {each.part: rows(form, each) for each in (HEADERS, QUERY, FIELDS, STATUSES, EXTRA, BOUND)},
        "secret_names": sorted(get_parts(request).secret_catalog.current()),
        "call_variables": CALL_VARIABLES,
        "found_warnings": warnings,
        "from_version": from_version,
        "conflict": conflict,
        "save_label": label,
    }
    return render(request, "tools/edit.html", status_code=200 if form.ok else form.status, **values)
