"""Prompts, to look at."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse

from app.api.access import needs
from app.api.parts import PartsDep
from app.core.permissions import Permission
from app.web.pages import render

router = APIRouter(prefix="/ui")

PAGE_SIZE: Final = 50

PageNumber = Annotated[int, Query(ge=1, le=100_000)]


@router.get("/prompts")
@needs(Permission.READ)
async def prompts(request: Request, parts: PartsDep, page: PageNumber = 1) -> HTMLResponse:
    """The prompts, by name."""
    found = await parts.prompts.list(offset=(page - 1) * PAGE_SIZE, limit=PAGE_SIZE)
    return render(request, "prompts.html", prompts=found.items, total=found.total, page=page, size=PAGE_SIZE)
