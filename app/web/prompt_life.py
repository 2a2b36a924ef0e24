"""What else happens to a prompt: published, rolled back, made the default, copied, deleted."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse
from starlette.responses import Response

from app.api.access import needs
from app.api.guard import UserDep
from app.api.parts import Parts, PartsDep
from app.api.prompts import read_usage
from app.core.permissions import Permission
from app.prompts.errors import PromptNameTaken
from app.web.forms import Form
from app.web.pages import done, render
from app.web.prompt_form import changes_between
from app.web.prompts import Id

router = APIRouter(prefix="/ui/prompts")


@router.get("/{prompt_id}/publish")
@needs(Permission.EDIT_PROMPTS)
async def ask_to_publish(
    request: Request, parts: PartsDep, prompt_id: Id, version: Annotated[int, Query(ge=1, le=2**31 - 1)]
) -> HTMLResponse:
    """What would change for callers?"""
    return await _publication(request, parts, prompt_id, version, Form())


@router.post("/{prompt_id}/publish")
@needs(Permission.EDIT_PROMPTS)
async def publish(request: Request, parts: PartsDep, user: UserDep, prompt_id: Id) -> Response:
    """A draft goes live, or an older version comes back; unless somebody did it meanwhile with another."""
    form = await Form.read(request)
    version, expected = form.whole("version") or 1, form.whole("expected_published") or 0
    async with form.noting():
        await parts.prompts.publish(prompt_id, version, by=user.name, expected_published=expected)
        message = f"Version {version} is published. Calls use it from their next turn on."
        return done(request, f"/ui/prompts/{prompt_id}/versions", message)
    return await _publication(request, parts, prompt_id, version, form)


@router.post("/{prompt_id}/default")
@needs(Permission.EDIT_PROMPTS)
async def make_default(request: Request, parts: PartsDep, user: UserDep, prompt_id: Id) -> Response:
    """Calls that name no prompt use it."""
    record = await parts.prompts.set_default(prompt_id, by=user.name)
    message = f"{record.summary.name} is the default now: calls that name no prompt use it."
    return done(request, f"/ui/prompts/{prompt_id}", message)


@router.get("/{prompt_id}/duplicate")
@needs(Permission.EDIT_PROMPTS)
async def ask_for_name(request: Request, parts: PartsDep, prompt_id: Id) -> HTMLResponse:
    """Under which name?"""
    summary = await parts.prompts.summary(prompt_id)
    form = Form.of({"name": f"{summary.name[:95]} copy"})
    return render(request, "prompts/duplicate.html", prompt=summary, form=form)


@router.post("/{prompt_id}/duplicate")
@needs(Permission.EDIT_PROMPTS)
async def duplicate(request: Request, parts: PartsDep, user: UserDep, prompt_id: Id) -> Response:
    """A copy, on whose page one goes on."""
    form = await Form.read(request)
    summary = await parts.prompts.summary(prompt_id)
    async with form.noting():
        copy = await parts.prompts.duplicate(prompt_id, form.text("name").strip(), by=user.name)
        message = f"{copy.summary.name} is a copy of {summary.name}. It is a draft until you publish it."
        return done(request, f"/ui/prompts/{copy.prompt.id}", message)
    if isinstance(form.refused, PromptNameTaken):
        form.errors["name"] = form.errors.pop("")
    return render(request, "prompts/duplicate.html", status_code=form.status, prompt=summary, form=form)


@router.get("/{prompt_id}/delete")
@needs(Permission.EDIT_PROMPTS)
async def ask_to_delete(request: Request, parts: PartsDep, prompt_id: Id) -> HTMLResponse:
    """What would go with it?"""
    return await _deletion(request, parts, prompt_id, Form())


@router.post("/{prompt_id}/delete")
@needs(Permission.EDIT_PROMPTS)
async def delete(request: Request, parts: PartsDep, user: UserDep, prompt_id: Id) -> Response:
    """Away with it, unless somebody changed it since the question."""
    form = await Form.read(request)
    name = (await parts.prompts.summary(prompt_id)).name
    async with form.noting():
        await parts.prompts.delete(
            prompt_id,
            expected_version=form.whole("expected_version"),
            expected_published=form.whole("expected_published"),
            by=user.name,
        )
        return done(request, "/ui/prompts", f"{name} is deleted. Calls that name it get AI_STATUS=NO_PROMPT.")
    return await _deletion(request, parts, prompt_id, form)


async def _publication(request: Request, parts: Parts, prompt_id: int, number: int, form: Form) -> HTMLResponse:
    chosen = await parts.prompts.version(prompt_id, number)
    in_force = chosen.summary.published_version
    changes = []
    if in_force is not None and in_force != number:
        present = await parts.prompts.version(prompt_id, in_force)
        changes = await asyncio.to_thread(changes_between, present.prompt, chosen.prompt)
    return render(
        request,
        "prompts/publish.html",
        status_code=200 if form.ok else form.status,
        prompt=chosen.summary,
        chosen=chosen,
        number=number,
        in_force=in_force,
        changes=changes,
        form=form,
    )


async def _deletion(request: Request, parts: Parts, prompt_id: int, form: Form) -> HTMLResponse:
    summary = await parts.prompts.summary(prompt_id)
    return render(
        request,
        "prompts/delete.html",
        status_code=200 if form.ok else form.status,
        prompt=summary,
        usage=await read_usage(parts, prompt_id),
        others=(await parts.prompts.list(limit=1)).total - 1,
        form=form,
    )
