"""``/api/status``: the state of the service, for programs."""

from __future__ import annotations

from fastapi import APIRouter

from app.api.access import needs
from app.api.parts import PartsDep
from app.api.reading import read_status
from app.core.permissions import Permission
from app.schemas.status import StatusBody

router = APIRouter(tags=["status"])


@router.get("/status", summary="Read the state of the service")
@needs(Permission.READ)
async def status(parts: PartsDep) -> StatusBody:
    """What the status page shows: Asterisk, calls, database, memory, models, providers."""
    return await read_status(parts)
