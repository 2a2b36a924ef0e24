"""MCP servers: registered, tried, and their tools chosen one by one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Request
from fastapi.responses import HTMLResponse
from starlette.responses import Response

from app.accounts.identity import User
from app.api.access import needs
from app.api.guard import UserDep
from app.api.mcp_work import draft_of, listed, refuse_program, take
from app.api.parts import Parts, PartsDep
from app.api.tool_work import providers_of
from app.core.permissions import Permission
from app.schemas.mcp import ListedToolBody, McpServerUpdate
from app.tools.definition import NAME_PATTERN, McpCall, ToolDefinition
from app.tools.errors import ToolFailure, ToolInvalid
from app.tools.mcp.errors import NOT_INSTALLED, McpNotInstalled, McpServerConflict
from app.tools.mcp.opening import is_installed
from app.tools.mcp.store import McpServerRecord
from app.web.forms import Form
from app.web.pages import done, render
from app.web.tool_options import LOGINS, shown_options, typed_options
from app.web.tool_rows import EXTRA, Lines, columns, rows, texts

router = APIRouter(prefix="/ui/mcp")

Id = Annotated[int, Path(ge=1, le=2**31 - 1)]

_HEADERS: Final = Lines("header", "headers", "header")
_ENV: Final = Lines("env", "env", "variable")
_STATES: Final = {
    "new": ("ok", "New"),
    "added": ("off", "In the catalogue"),
    "changed": ("warning", "Changed at the server"),
    "gone": ("error", "Gone from the server"),
    "impossible": ("error", "Cannot be taken"),
}
_SESSIONS: Final = {
    "idle": ("off", "Not connected"),
    "connecting": ("off", "Connecting"),
    "connected": ("ok", "Connected"),
    "error": ("error", "Cannot be reached"),
}


@router.get("")
@needs(Permission.READ)
async def servers(request: Request, parts: PartsDep) -> HTMLResponse:
    """All of them, with the state of their sessions; nothing is connected for it."""
    records = await parts.mcp_servers.list()
    return render(
        request,
        "mcp/list.html",
        servers=records,
        statuses={each.server.id: parts.mcp_sessions.status(each.server.id) for each in records},
        sessions=_SESSIONS,
        tools=_tools_at(parts),
        hint="" if is_installed() else NOT_INSTALLED,
    )


@router.get("/new")
@needs(Permission.EDIT_TOOLS)
async def new(request: Request, parts: PartsDep, user: UserDep) -> HTMLResponse:
    """The form for a new one."""
    return _form_page(request, parts, user, Form.of({"enabled": True, "transport": "http"}))


@router.post("/new")
@needs(Permission.EDIT_TOOLS)
async def create(request: Request, parts: PartsDep, user: UserDep) -> Response:
    """Register it, and go on to what it offers."""
    form = await Form.read(request)
    body = _typed(form)
    if body is not None:
        async with form.noting():
            refuse_program(user, body.transport)
            record = await _noted(form, parts, body, user, None)
    if form.ok and body is not None:
        return done(request, f"/ui/mcp/{record.server.id}/tools", f"{record.server.name} is registered.")
    return _form_page(request, parts, user, form)


@router.get("/{server_id}")
@needs(Permission.EDIT_TOOLS)
async def edit(request: Request, parts: PartsDep, user: UserDep, server_id: Id) -> HTMLResponse:
    """The form with what is stored."""
    record = await parts.mcp_servers.get(server_id)
    return _form_page(request, parts, user, _shown(record), record)


@router.post("/{server_id}")
@needs(Permission.EDIT_TOOLS)
async def save(request: Request, parts: PartsDep, user: UserDep, server_id: Id) -> Response:
    """Of two who change it at once the second is told, and keeps what they typed."""
    form = await Form.read(request)
    record = await parts.mcp_servers.get(server_id)
    body = _typed(form)
    if body is not None:
        async with form.noting():
            refuse_program(user, body.transport, record.server.transport)
            await _noted(form, parts, body, user, record)
    if form.ok:
        return done(request, "/ui/mcp", f"Saved: {body.name if body else ''}.")
    if isinstance(form.refused, McpServerConflict):
        form.values["expected_revision"] = str(record.server.revision)
    return _form_page(request, parts, user, form, record)


@router.get("/{server_id}/tools")
@needs(Permission.EDIT_TOOLS)
async def tools(request: Request, parts: PartsDep, server_id: Id) -> HTMLResponse:
    """What it offers now."""
    return await _tools_page(request, parts, await parts.mcp_servers.get(server_id), Form())


@router.post("/{server_id}/tools")
@needs(Permission.EDIT_TOOLS)
async def choose(request: Request, parts: PartsDep, user: UserDep, server_id: Id) -> Response:
    """Take what was chosen."""
    form = await Form.read(request)
    record = await parts.mcp_servers.get(server_id)
    chosen = {tool: form.optional(f"name.{tool}") for tool in form.many("tool")[:200]}
    if not chosen:
        form.note("tool", "Choose at least one tool.")
    for name in chosen.values():
        if name is not None and not re.fullmatch(NAME_PATTERN, name):
            form.note("tool", f"The name {name[:64]} has letters, digits, _ and -, and begins with a letter.")
    if form.ok:
        async with form.noting():
            taken = await take(parts, record, chosen, by=user.name)
    if form.ok:
        added = [row.definition.name for _, row, outcome in taken if outcome == "created"]
        renewed = [row.definition.name for _, row, outcome in taken if outcome == "updated"]
        words = [f"Added {', '.join(added)}."] if added else []
        words += [f"Taken over: the parameters of {', '.join(renewed)}."] if renewed else []
        return done(request, "/ui/tools", " ".join(words) or "Nothing had changed.")
    return await _tools_page(request, parts, record, form)


@router.get("/{server_id}/delete")
@needs(Permission.EDIT_TOOLS)
async def ask_to_delete(request: Request, parts: PartsDep, server_id: Id) -> HTMLResponse:
    """What could not be called any more then."""
    return await _delete_page(request, parts, await parts.mcp_servers.get(server_id), Form())


@router.post("/{server_id}/delete")
@needs(Permission.EDIT_TOOLS)
async def delete(request: Request, parts: PartsDep, user: UserDep, server_id: Id) -> Response:
    """Delete it."""
    form = await Form.read(request)
    record = await parts.mcp_servers.get(server_id)
    async with form.noting():
        refuse_program(user, record.server.transport)
        await parts.mcp_servers.delete(server_id, by=user.name, force=form.flag("force"))
    if form.ok:
        return done(request, "/ui/mcp", f"{record.server.name} is deleted.")
    return await _delete_page(request, parts, record, form)


async def _noted(
    form: Form, parts: Parts, body: McpServerUpdate, user: User, record: McpServerRecord | None
) -> McpServerRecord:
    """The server as it is stored now; each mistake beside its field."""
    try:
        draft = draft_of(parts, body)
    except ToolInvalid as error:
        for mistake in error.mistakes:
            form.note(mistake.field, mistake.message)
        raise
    if record is None:
        return await parts.mcp_servers.create(draft, by=user.name)
    return await parts.mcp_servers.save(record.server.id, draft, by=user.name, expected=body.expected_revision)


def _typed(form: Form) -> McpServerUpdate | None:
    stdio = form.text("transport") == "stdio"
    data: dict[str, Any] = {
        "name": form.text("name"),
        "transport": form.text("transport") or "http",
        "enabled": form.flag("enabled"),
        "expected_revision": form.whole("expected_revision"),
    }
    if stdio:
        args = [line for line in form.text("args").split("\n") if line.strip()]
        data |= {"command": form.text("command"), "args": args, "env": texts(form, _ENV)}
    else:
        data |= {
            "url": form.text("url").strip(),
            "headers": texts(form, _HEADERS),
            "authorisation": typed_options(form)["authorisation"],
        }
    return form.build(McpServerUpdate, data)


def _shown(record: McpServerRecord) -> Form:
    server = record.server
    # The login's fields are those of a tool.
    like = ToolDefinition(0, 0, "", "", {}, McpCall(0, ""), authorisation=server.authorisation)
    login = {name: each for name, each in shown_options(like).items() if name.startswith(("authorisation", "extra"))}
    return Form.of(
        {
            "name": server.name,
            "transport": server.transport,
            "url": server.url,
            "command": server.command,
            "args": "\n".join(server.args),
            "enabled": server.enabled,
            "expected_revision": server.revision,
            **columns(_HEADERS, server.headers),
            **columns(_ENV, server.env),
            **login,
        }
    )


def _form_page(
    request: Request, parts: Parts, user: User, form: Form, record: McpServerRecord | None = None
) -> HTMLResponse:
    programs = user.may(Permission.MANAGE_SECRETS)
    return render(
        request,
        "mcp/edit.html",
        status_code=200 if form.ok else form.status,
        form=form,
        record=record,
        programs=programs or (record is not None and record.server.transport == "stdio"),
        # With the stored one, which may not be allowed any more: it is not to change unseen.
        commands=[(each, each) for each in sorted({*parts.settings.stdio_commands, form.text("command")} - {""})],
        headers=rows(form, _HEADERS),
        env=rows(form, _ENV),
        extra=rows(form, EXTRA),
        logins=LOGINS,
        secret_names=sorted(parts.secret_catalog.current()),
    )


async def _tools_page(request: Request, parts: Parts, record: McpServerRecord, form: Form) -> HTMLResponse:
    found: list[ListedToolBody] = []
    reason = ""
    status = 200 if form.ok else form.status
    try:
        providers = providers_of(parts)
        found = [ListedToolBody.of(each, providers) for each in await listed(parts, record)]
    except (ToolFailure, McpNotInstalled) as error:
        reason = str(error)  # a page that says how it stands, and no error of its own
    return render(
        request,
        "mcp/tools.html",
        status_code=status,
        form=form,
        server=record.server,
        status=parts.mcp_sessions.status(record.server.id),
        reason=reason,
        tools=found,
        states=_STATES,
        ticked=set(form.many("tool")),
    )


async def _delete_page(request: Request, parts: Parts, record: McpServerRecord, form: Form) -> HTMLResponse:
    return render(
        request,
        "mcp/delete.html",
        status_code=200 if form.ok else form.status,
        form=form,
        server=record.server,
        users=await parts.mcp_servers.tools_of(record.server.id),
    )


def _tools_at(parts: Parts) -> Mapping[int, list[ToolDefinition]]:
    found: dict[int, list[ToolDefinition]] = {}
    for tool in parts.tool_catalog.all():
        if isinstance(tool.request, McpCall):
            found.setdefault(tool.request.server, []).append(tool)
    return found
