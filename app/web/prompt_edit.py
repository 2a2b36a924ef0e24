"""Creating and editing prompts, saving and publishing them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse
from starlette.responses import Response

from app.api.access import needs
from app.api.guard import UserDep
from app.api.parts import Parts, PartsDep
from app.api.problems import status_for
from app.api.prompt_check import CALL_VARIABLES, doubts_of, known_variables
from app.api.prompt_files import model_problem
from app.core.errors import GatewayError
from app.core.permissions import Permission
from app.db.errors import DatabaseError
from app.models.names import name_key
from app.prompts.draft import PromptDraft
from app.prompts.errors import PromptConflict, PromptNameTaken, PromptNotFound
from app.prompts.records import PromptRecord, draft_of
from app.schemas.prompt_fields import Finding, read_fields
from app.web.action_words import KINDS, WAYS
from app.web.forms import Form
from app.web.pages import done, render
from app.web.prompt_form import (
    Change,
    action_rows,
    changes_between,
    form_of,
    labels_of,
    new_form,
    note_findings,
    typed_of,
)
from app.web.prompts import Id, show

router = APIRouter(prefix="/ui/prompts")

# What sends the form.
PUBLISH, DRAFT = "publish", "draft"
MAX_CONTENT_CHARS: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Conflict:
    """What somebody else did meanwhile, beside what was typed here.

    Attributes:
        number: The version that a save would go over.
        theirs: From the version that this editor began with to that one.
        yours: From that one to what was typed.
    """

    number: int
    by: str
    theirs: list[Change]
    yours: list[Change]


@router.get("/new")
@needs(Permission.EDIT_PROMPTS)
async def new(request: Request, parts: PartsDep) -> HTMLResponse:
    """An empty form."""
    return await _page(request, parts, new_form())


@router.post("/new")
@needs(Permission.EDIT_PROMPTS)
async def create(request: Request, parts: PartsDep, user: UserDep) -> Response:
    """Version 1, or the form again."""
    form = await Form.read(request)
    publish = form.text("action") != DRAFT
    draft = await _draft(parts, form)
    _refuse_default_draft(form, publish, published=False)
    if form.ok:
        async with form.noting():
            record = await parts.prompts.create(draft, by=user.name, publish=publish)
            return await _saved(request, parts, form, record, user.name, publish=publish)
        _note_taken(form)
    return await _page(request, parts, form)


@router.get("/{prompt_id}")
@needs(Permission.READ)
async def edit(
    request: Request,
    parts: PartsDep,
    user: UserDep,
    prompt_id: Id,
    version: Annotated[int | None, Query(ge=1, le=2**31 - 1)] = None,
) -> HTMLResponse:
    """The form of a prompt for who may edit it, the prompt to look at for others; ``version``: begin from that one."""
    record = await parts.prompts.get(prompt_id)
    begun = record if version in (None, record.prompt.version) else await parts.prompts.version(prompt_id, version or 0)
    if not user.may(Permission.EDIT_PROMPTS):
        return show(request, begun)
    form = await asyncio.to_thread(form_of, begun.prompt)
    doubts = doubts_of(parts, draft_of(begun.prompt))
    older = None if begun is record else begun.prompt.version
    return await _page(request, parts, form, record, doubts=doubts, from_version=older)


@router.post("/{prompt_id}")
@needs(Permission.EDIT_PROMPTS)
async def save(request: Request, parts: PartsDep, user: UserDep, prompt_id: Id) -> Response:
    """A new version, or the form again: with what is wrong, or with what somebody else did meanwhile."""
    form = await Form.read(request)
    expected, in_force = form.whole("expected_version") or 0, form.whole("expected_published") or 0
    publish = form.text("action") != DRAFT
    draft = await _draft(parts, form)
    _refuse_default_draft(form, publish, published=bool(in_force))
    if form.ok:
        async with form.noting():
            record = await parts.prompts.save(
                prompt_id,
                draft,
                by=user.name,
                expected_version=expected,
                expected_published=in_force,
                publish=publish,
            )
            return await _saved(request, parts, form, record, user.name, publish=publish)
        _note_taken(form)
    try:
        current = await parts.prompts.get(prompt_id)
    except PromptNotFound:
        form.status = 409
        form.errors[""] = "Somebody deleted this prompt in the meantime. What you typed is below: save it as a new one."
        return await _page(request, parts, form)
    except DatabaseError as error:
        return await _unread(request, parts, form, prompt_id, error)
    conflict = None
    if isinstance(form.refused, PromptConflict):
        try:
            conflict = await _conflict(parts, current, draft, expected)
        except DatabaseError as error:
            return await _unread(request, parts, form, prompt_id, error)
        form.values["expected_version"] = str(current.summary.latest_version)
        form.values["expected_published"] = str(current.summary.published_version or 0)
    return await _page(request, parts, form, current, conflict=conflict)


async def _unread(request: Request, parts: Parts, form: Form, prompt_id: int, error: DatabaseError) -> HTMLResponse:
    """The form as it was typed, while the database cannot say what the prompt is like; it can be sent again."""
    form.status = status_for(error)
    form.errors.setdefault("", str(error))
    form.errors[""] += " Nothing that you typed is lost: it is below. Save it again once the database answers."
    return await _page(request, parts, form, prompt_id=prompt_id)


async def _draft(parts: Parts, form: Form) -> PromptDraft:
    """What was typed; with all that is wrong noted, and stand-ins for it."""
    draft, findings = await asyncio.to_thread(read_fields, typed_of(form))
    note_findings(form, findings)
    if problem := model_problem(parts.models, draft.model):
        form.note("model", problem)
    return draft


def _refuse_default_draft(form: Form, publish: bool, *, published: bool) -> None:
    if form.flag("default") and not publish and not published:
        form.note("default", "Calls need something to use: publish it to make it the default.")


def _note_taken(form: Form) -> None:
    if isinstance(form.refused, PromptNameTaken):
        form.errors["name"] = form.errors.pop("")


async def _conflict(parts: Parts, current: PromptRecord, draft: PromptDraft, expected: int) -> Conflict:
    """Compared is what a save would go over: the newest version, or, after a rollback, the one that calls use."""
    prompt_id, summary = current.prompt.id, current.summary
    theirs, by = current, current.created_by
    if expected == summary.latest_version and summary.published_version:
        theirs = await parts.prompts.version(prompt_id, summary.published_version)
        by = summary.updated_by
    try:
        begun = (await parts.prompts.version(prompt_id, expected)).prompt if expected else theirs.prompt
    except PromptNotFound:  # a number that the page never had
        begun = theirs.prompt
    return Conflict(
        theirs.prompt.version,
        by,
        await asyncio.to_thread(changes_between, begun, theirs.prompt),
        await asyncio.to_thread(changes_between, theirs.prompt, draft),
    )


async def _saved(
    request: Request, parts: Parts, form: Form, record: PromptRecord, by: str, *, publish: bool
) -> Response:
    number = record.summary.latest_version
    if form.flag("default") and not record.summary.is_default:
        try:
            record = await parts.prompts.set_default(record.prompt.id, by=by)
        except GatewayError as error:  # the version is there: shown again, the form would be saved a second time
            message = f"Version {number} is saved, but it is not the default: {error}"
            return done(request, f"/ui/prompts/{record.prompt.id}", message, "warning")
    if not publish:
        message = f"Version {number} is saved as a draft. Calls do not use it until it is published."
    elif record.summary.is_default:
        message = f"Version {number} is published. Calls that name no prompt use it from their next turn on."
    else:
        message = (
            f"Version {number} is published. Calls that name {record.summary.name} use it from their next turn on."
        )
    return done(request, f"/ui/prompts/{record.prompt.id}", message)


async def _page(
    request: Request,
    parts: Parts,
    form: Form,
    record: PromptRecord | None = None,
    *,
    prompt_id: int | None = None,
    doubts: list[Finding] | None = None,
    from_version: int | None = None,
    conflict: Conflict | None = None,
) -> HTMLResponse:
    summary = record.summary if record else None
    if record is not None and summary is not None:
        form.values.setdefault("expected_version", str(summary.latest_version))
        form.values.setdefault("expected_published", str(summary.published_version or 0))
        prompt_id = summary.id
    values: dict[str, Any] = {
        "prompt": summary,
        "record": record,
        "form": form,
        "prompt_id": prompt_id,
        "action": f"/ui/prompts/{prompt_id}" if prompt_id else "/ui/prompts/new",
        "rows": action_rows(form),
        "tools": _tools(parts, form),
        "models": [each for each in parts.models.statuses() if each.configured],
        "default_model": str(parts.models.default),
        "default_timeout": parts.settings.ai_turn_timeout,
        "variables": await _variables(parts),
        "doubts": doubts or [],
        "labels": labels_of(form),
        "kinds": KINDS,
        "ways": WAYS,
        "from_version": from_version,
        "conflict": conflict,
        "max_content": MAX_CONTENT_CHARS,
    }
    return render(request, "prompts/edit.html", status_code=200 if form.ok else form.status, **values)


async def _variables(parts: Parts) -> Mapping[str, str]:
    try:
        return await known_variables(parts)
    except DatabaseError:  # they help to write, and nothing more
        return CALL_VARIABLES


def _tools(parts: Parts, form: Form) -> list[tuple[str, str]]:
    """All tools, and those that the prompt names and that are not there: unticking them is the operator's to do."""
    chosen = {name_key(name): name for name in form.many("tools")}
    options = []
    for tool in parts.tool_catalog.all():
        # The name as the prompt has it, so that its box is found ticked.
        name = chosen.pop(name_key(tool.name), tool.name)
        options.append((name, name if tool.enabled else f"{name} (disabled)"))
    return options + [(name, f"{name} (there is no such tool)") for name in chosen.values()]
