"""``/api/tools/python``: the functions of installed packages that can become tools."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter

from app.api.access import needs
from app.api.parts import PartsDep
from app.core.permissions import Permission
from app.schemas.tool_python import PythonFunctionBody

router = APIRouter(prefix="/tools/python", tags=["tools"])


@router.get("", summary="List functions of Python packages")
@needs(Permission.READ)
async def list_functions(parts: PartsDep) -> list[PythonFunctionBody]:
    """What installed packages announce in the group `asterisk_ai.tools`; also what cannot be used, and why. To use one,
    create a tool with the request `{"kind": "python", "entry": ...}`."""
    found = await asyncio.to_thread(parts.python_tools.all)
    return [PythonFunctionBody.of(each) for each in found]
