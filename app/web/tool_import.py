"""Tools out of the OpenAPI document of another service: paste or upload it, look, choose, import."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse
from starlette.responses import Response

from app.api.access import needs
from app.api.guard import UserDep
from app.api.parts import PartsDep
from app.api.tool_import import import_openapi
from app.core.permissions import Permission
from app.schemas.tool_import import OpenApiImport, OpenApiResult
from app.web.forms import Form
from app.web.pages import done, render
from app.web.tool_rows import HEADERS, rows, texts

router = APIRouter(prefix="/ui/tools")

_STATES: Final = {
    "new": ("ok", "New"),
    "changed": ("warning", "There already: gets a new version"),
    "unchanged": ("off", "There already, the same"),
    "impossible": ("error", "Cannot be imported"),
}


@router.get("/import")
@needs(Permission.EDIT_TOOLS)
async def ask(request: Request) -> HTMLResponse:
    """Which document?"""
    return _page(request, Form())


@router.post("/import")
@needs(Permission.EDIT_TOOLS)
async def import_document(request: Request, parts: PartsDep, user: UserDep) -> Response:
    """What the document offers; with the second button, the operations that were chosen become tools."""
    form = await Form.read(request)
    if uploaded := form.files.get("file", ""):
        form.values["document"] = uploaded.replace("\r\n", "\n")
    if not form.text("document").strip():
        form.note("document", "Paste the document, or choose its file.")
        return _page(request, form)
    asked = {"document": form.text("document"), "base_url": form.optional("base_url"), "headers": texts(form, HEADERS)}
    chosen = form.many("operation")
    if form.text("step") == "import" and not chosen:
        form.note("operation", "Choose at least one operation.")
    elif form.text("step") == "import":
        body = await asyncio.to_thread(form.build, OpenApiImport, {**asked, "operations": chosen, "update": True})
        if body is not None:
            async with form.noting():
                return done(request, "/ui/tools", _said(await import_openapi(parts, user, body)))
    offered = await _offered(parts, user, asked, form)
    return _page(request, form, offered)


async def _offered(parts: PartsDep, user: UserDep, asked: Mapping[str, object], form: Form) -> OpenApiResult | None:
    looking = Form()
    body = await asyncio.to_thread(looking.build, OpenApiImport, asked)
    if body is not None:
        async with looking.noting():
            return await import_openapi(parts, user, body)
    for field, message in looking.errors.items():
        form.note(field, message)
    form.status = looking.status
    return None


def _said(result: OpenApiResult) -> str:
    imported = result.imported or []
    counts = [
        (sum(each.outcome == outcome for each in imported), words)
        for outcome, words in (("created", "new"), ("updated", "with a new version"), ("unchanged", "as before"))
    ]
    parts = ", ".join(f"{count} {words}" for count, words in counts if count)
    return f"Imported {len(imported)} tool{'' if len(imported) == 1 else 's'}: {parts}."


def _page(request: Request, form: Form, offered: OpenApiResult | None = None) -> HTMLResponse:
    chosen = form.many("operation")
    again = offered is not None and form.text("step") == "import"
    operations = [] if offered is None else offered.operations
    ticked = {each.id for each in operations if (each.id in chosen if again else each.state == "new")}
    return render(
        request,
        "tools/import.html",
        status_code=200 if form.ok else form.status,
        form=form,
        offered=offered,
        ticked=ticked,
        states=_STATES,
        headers=rows(form, HEADERS),
    )
