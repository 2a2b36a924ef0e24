"""Prompts out of a file: what would change, and then the change."""

from __future__ import annotations

import asyncio
import hashlib

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse
from starlette.responses import Response

from app.api.access import needs
from app.api.guard import UserDep
from app.api.parts import PartsDep
from app.api.prompt_files import run_import
from app.core.permissions import Permission
from app.schemas.prompt_files import ImportBody, ImportResultBody
from app.web.forms import Form
from app.web.pages import done, render

router = APIRouter(prefix="/ui/prompts")

APPLY = "apply"


@router.get("/import")
@needs(Permission.EDIT_PROMPTS)
async def ask(request: Request) -> HTMLResponse:
    """Which file?"""
    return _page(request, Form.of({"note": "Imported"}))


@router.post("/import")
@needs(Permission.EDIT_PROMPTS)
async def import_prompts(request: Request, parts: PartsDep, user: UserDep) -> Response:
    """First what would change; the second press carries it out."""
    form = await Form.read(request)
    # A file that was chosen goes before the text, and becomes it, so that the second press sends what was looked at.
    if file := form.files.get("file", ""):
        form.values["text"] = file.replace("\r\n", "\n")
    if not form.text("text").strip():
        form.note("text", "Choose a file, or paste its text.")
        return _page(request, form)
    # What was changed since it was looked at is looked at again.
    digest = await asyncio.to_thread(_digest, form.text("text"))
    apply = form.text("action") == APPLY and form.text("seen") == digest
    form.values["seen"] = digest
    result: ImportResultBody | None = None
    async with form.noting():
        body = form.build(
            ImportBody, {"text": form.text("text"), "dry_run": not apply, "note": form.text("note").strip()}
        )
        if body is not None:
            _, result = await run_import(parts, body, by=user.name)
    if result is not None and apply and result.applied:
        return done(request, "/ui/prompts", _said(result))
    if form.errors:  # of a prompt, such as its default mark
        form.errors = {name if name in ("text", "note", "") else "text": said for name, said in form.errors.items()}
    return _page(request, form, result)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _said(result: ImportResultBody) -> str:
    counted = [
        f"{count} {word}"
        for word in ("created", "changed", "unchanged")
        if (count := sum(each.outcome == word for each in result.prompts))
    ]
    return f"The import is done: {', '.join(counted) or 'there was nothing in it'}."


def _page(request: Request, form: Form, result: ImportResultBody | None = None) -> HTMLResponse:
    wrong = result is not None and any(each.outcome == "error" for each in result.prompts)
    return render(
        request,
        "prompts/import.html",
        status_code=422 if wrong else 200 if form.ok else form.status,
        form=form,
        result=result,
        wrong=wrong,
        nothing=result is not None and all(each.outcome == "unchanged" for each in result.prompts),
    )
