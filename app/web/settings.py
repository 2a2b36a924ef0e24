"""The settings page: what is in force and why, what is wrong, and what goes into the dialplan."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Annotated, Final

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse

from app.api.access import needs
from app.api.dialplan import Chosen
from app.api.doctor import doctor_body
from app.api.examination import AT_ONCE
from app.api.parts import PartsDep
from app.api.settings import read_settings
from app.core.permissions import Permission
from app.schemas.settings import SettingBody
from app.web.dialplan import dialplan_values
from app.web.forms import Form
from app.web.pages import done, render

router = APIRouter(prefix="/ui/settings")

_SOURCES: Final = {
    "environment": "the environment",
    "file": "the file",
    "default": "the default",
    "program": "the program that started the service",
}


@router.get("")
@needs(Permission.MANAGE_SETTINGS)
async def page(
    request: Request,
    parts: PartsDep,
    chosen: Chosen,
    search: Annotated[str, Query(max_length=100)] = "",
    changed: bool = False,
) -> HTMLResponse:
    """The whole page. The doctor's findings are those of the last examination; the page asks for them where there was
    none, since looking takes seconds."""
    settings = await read_settings(parts)
    shown = [each for each in settings.settings if _matches(each, search) and (each.differs or not changed)]
    examination = parts.samples.examinations.last
    return render(
        request,
        "settings/page.html",
        settings=settings,
        groups=[(name, list(members)) for name, members in groupby(shown, key=lambda each: each.group)],
        search=search,
        changed=changed,
        pending=[each.name for each in settings.settings if each.pending],
        sources=_SOURCES,
        doctor=doctor_body(examination) if examination else None,
        **await dialplan_values(parts, chosen),
    )


@router.get("/doctor")
@needs(Permission.MANAGE_SETTINGS)
async def doctor(request: Request, parts: PartsDep) -> HTMLResponse:
    """The findings, for the page that waits for them."""
    examination = await parts.samples.examinations.get(parts.settings)
    return render(request, "settings/doctor.html", doctor=doctor_body(examination))


@router.post("/doctor")
@needs(Permission.MANAGE_SETTINGS)
async def examine(request: Request, parts: PartsDep) -> RedirectResponse:
    """Look again."""
    form = await Form.read(request)
    online = form.flag("online")
    examination = await parts.samples.examinations.get(parts.settings, online=online, no_older_than=AT_ONCE)
    wrong = _count(examination.findings, "fail")
    words = f"The doctor has looked again: {wrong} to mend." if wrong else "The doctor has looked again: nothing fails."
    return done(request, "/ui/settings#doctor", words, "error" if wrong else "ok")


def _count(findings: Sequence[object], level: str) -> int:
    return sum(getattr(finding, "level", None) == level for finding in findings)


def _matches(setting: SettingBody, search: str) -> bool:
    words = f"{setting.name} {setting.text} {setting.group} {setting.value or ''}".casefold()
    return all(word in words for word in search.casefold().split())
