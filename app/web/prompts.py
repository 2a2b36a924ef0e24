"""Prompts: the list, and the versions of one. What changes a prompt is in :mod:`app.web.prompt_edit`."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import HTMLResponse

from app.api.access import needs
from app.api.parts import Parts, PartsDep
from app.api.prompts import read_usage
from app.core.permissions import Permission
from app.prompts.errors import PromptNotFound
from app.prompts.portable import written
from app.prompts.records import PromptRecord, PromptState
from app.schemas.page import Search, Sorting
from app.web.action_words import TITLES
from app.web.pages import render
from app.web.prompt_form import LABELS, changes_between, words

router = APIRouter(prefix="/ui/prompts")

PAGE_SIZE: Final = 50

Id = Annotated[int, Path(ge=1, le=2**31 - 1)]
Number = Annotated[int, Path(ge=1, le=2**31 - 1)]
NumberOfPage = Annotated[int, Query(ge=1, le=20_000)]
State = Annotated[Literal["", "published", "pending", "draft"], Query()]

STATES: Final = (("", "all"), ("published", "published"), ("pending", "with a newer draft"), ("draft", "only drafts"))
_STATE: Final[dict[str, PromptState]] = {"published": "published", "pending": "pending", "draft": "draft"}


@router.get("")
@needs(Permission.READ)
async def listing(
    request: Request,
    parts: PartsDep,
    page: NumberOfPage = 1,
    search: Search = "",
    state: State = "",
    sort: Sorting = "name",
) -> HTMLResponse:
    """The prompts."""
    found = await parts.prompts.list(
        offset=(page - 1) * PAGE_SIZE, limit=PAGE_SIZE, search=search.strip(), sort=sort, state=_STATE.get(state)
    )
    return render(
        request,
        "prompts/list.html",
        prompts=found.items,
        total=found.total,
        page=page,
        size=PAGE_SIZE,
        search=search,
        state_now=state,
        states=STATES,
        sort=sort,
        without_default=_has_no_default(parts),
    )


@router.get("/{prompt_id}/versions")
@needs(Permission.READ)
async def versions(request: Request, parts: PartsDep, prompt_id: Id, page: NumberOfPage = 1) -> HTMLResponse:
    """The versions of a prompt, newest first."""
    summary = await parts.prompts.summary(prompt_id)
    found = await parts.prompts.versions(prompt_id, offset=(page - 1) * PAGE_SIZE, limit=PAGE_SIZE)
    return render(
        request,
        "prompts/versions.html",
        prompt=summary,
        usage=await read_usage(parts, prompt_id),
        versions=found.items,
        total=found.total,
        page=page,
        size=PAGE_SIZE,
    )


@router.get("/{prompt_id}/versions/{number}")
@needs(Permission.READ)
async def version(request: Request, parts: PartsDep, prompt_id: Id, number: Number) -> HTMLResponse:
    """One version, to look at."""
    return show(request, await parts.prompts.version(prompt_id, number))


@router.get("/{prompt_id}/compare")
@needs(Permission.READ)
async def compare(
    request: Request,
    parts: PartsDep,
    prompt_id: Id,
    left: Annotated[int | None, Query(ge=1, le=2**31 - 1)] = None,
    right: Annotated[int | None, Query(ge=1, le=2**31 - 1)] = None,
) -> HTMLResponse:
    """Two versions side by side: the newest and the one before it, where the address names none."""
    right = right or (await parts.prompts.summary(prompt_id)).latest_version
    left = left or max(1, right - 1)
    one, other = await parts.prompts.version(prompt_id, left), await parts.prompts.version(prompt_id, right)
    changes = await asyncio.to_thread(changes_between, one.prompt, other.prompt)
    return render(request, "prompts/compare.html", prompt=one.summary, left=one, right=other, changes=changes)


def show(request: Request, record: PromptRecord) -> HTMLResponse:
    """The page of a version for who only reads."""
    values: dict[str, Any] = written(record.prompt)
    facts = [
        (LABELS[name], words(name, values[name]))
        for name in ("model", "temperature", "timeout", "greeting", "fallback", "tools")
    ]
    return render(
        request,
        "prompts/view.html",
        prompt=record.summary,
        record=record,
        number=record.prompt.version,
        content=record.prompt.content,
        facts=facts,
        actions=record.prompt.actions,
        titles=TITLES,
        output_schema=words("output_schema", values["output_schema"]) if values["output_schema"] is not None else "",
        metadata=words("metadata", values["metadata"]) if values["metadata"] else "",
    )


def _has_no_default(parts: Parts) -> bool:
    try:
        parts.prompt_catalog.get(None)
    except PromptNotFound:
        return True
    return False
