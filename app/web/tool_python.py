"""The functions of installed Python packages, from which tools are made."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from app.api.access import needs
from app.api.parts import PartsDep
from app.api.tool_python import list_functions
from app.core.permissions import Permission
from app.web.pages import render

router = APIRouter(prefix="/ui/tools")


@router.get("/python")
@needs(Permission.READ)
async def listing(request: Request, parts: PartsDep) -> HTMLResponse:
    """What there is, with the tools that are made of it already."""
    made: dict[str, list[tuple[int, str]]] = {}
    for tool in parts.tool_catalog.all():
        entry = getattr(tool.request, "entry", None)
        if entry is not None:
            made.setdefault(entry, []).append((tool.id, tool.name))
    return render(request, "tools/python.html", functions=await list_functions(parts), made=made)
