"""The first start: from an empty installation to an answered call, in steps that tick themselves."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, StreamingResponse

from app.api.access import needs
from app.api.dialplan import Chosen
from app.api.examination import AT_ONCE
from app.api.guard import UserDep
from app.api.parts import Parts, PartsDep
from app.api.problems import ProblemError
from app.api.settings import read_settings
from app.api.setup import shared_setup
from app.api.streaming import stream
from app.core.permissions import Permission
from app.prompts.draft import PromptDraft
from app.prompts.errors import PromptNameTaken
from app.prompts.records import PromptRecord
from app.prompts.starters import STARTERS, find_starter
from app.web.dialplan import dialplan_values
from app.web.forms import Form
from app.web.pages import ENVIRONMENT, done, render

router = APIRouter(prefix="/ui/start")

# Names that are tried for a prompt whose own is taken: "reception 2" and so on.
_NAMES: Final = 50
# The checks of the doctor that a step is about.
_CHECKS: Final = {"model": ("models",), "asterisk": ("asterisk", "asterisk_files")}


@router.get("")
@needs(Permission.MANAGE_SETTINGS)
async def page(request: Request, parts: PartsDep, chosen: Chosen) -> HTMLResponse:
    """The steps."""
    setup = await shared_setup(parts)
    checked = request.query_params.get("checked", "")
    settings = await read_settings(parts)
    examination = parts.samples.examinations.last
    default = next((each for each in parts.prompt_catalog.all() if each.is_default), None)
    return render(
        request,
        "start/page.html",
        setup=setup,
        checked=checked,
        current=next((step.name for step in setup.steps if step.state == "todo"), ""),
        settings=settings,
        default=default,
        starters=STARTERS,
        examination=examination,
        findings={step: examination.of(*checks) if examination else [] for step, checks in _CHECKS.items()},
        user_in_asterisk=parts.settings.asterisk_ari_username or "asterisk-ai",
        password_made=parts.settings.web_ui_password is None,
        suggested="" if parts.settings.asterisk_ari_password else parts.samples.suggested_password,
        **await dialplan_values(parts, chosen),
    )


@router.get("/live")
@needs(Permission.MANAGE_SETTINGS)
async def live(parts: PartsDep) -> StreamingResponse:
    """How far it is, as it changes."""

    async def draw() -> bytes:
        values: dict[str, Any] = {"setup": await shared_setup(parts)}
        return ENVIRONMENT.get_template("start/live.html").render(**values).encode()

    # Every second: whoever makes the first call has an eye on the page.
    return await stream(parts.samples.watchers, "parts", lambda: parts.samples.rendered["start"].get(draw), every=1.0)


@router.post("/check")
@needs(Permission.MANAGE_SETTINGS)
async def check(request: Request, parts: PartsDep) -> RedirectResponse:
    """Have the doctor look, and ask the models; back to the step that wanted to know."""
    form = await Form.read(request)
    step = form.text("step") if form.text("step") in _CHECKS else "model"
    await parts.samples.examinations.get(parts.settings, online=True, no_older_than=AT_ONCE)
    return RedirectResponse(f"/ui/start?checked={step}#{step}", 303)


@router.post("/prompt")
@needs(Permission.EDIT_PROMPTS)
async def create(request: Request, parts: PartsDep, user: UserDep) -> RedirectResponse:
    """A draft from one of the templates; on to its editor."""
    form = await Form.read(request)
    starter = find_starter(form.text("template"))
    if starter is None:
        raise ProblemError(422, "template_unknown", "There is no such template. Choose one on the page before.")
    record = await _create(parts, starter.draft, by=user.name)
    return done(
        request,
        f"/ui/prompts/{record.prompt.id}",
        f"{record.prompt.name} is a draft: replace what is not true of you, then publish it.",
    )


async def _create(parts: Parts, draft: PromptDraft, *, by: str) -> PromptRecord:
    """Under the first name that is free.

    Raises:
        PromptNameTaken: none is.
    """
    for number in range(1, _NAMES):
        name = draft.name if number == 1 else f"{draft.name} {number}"
        with suppress(PromptNameTaken):
            return await parts.prompts.create(replace(draft, name=name), by=by, publish=False)
    raise PromptNameTaken(f"There are {_NAMES - 1} prompts named {draft.name} already; rename or delete some.")
