"""``/api/status``: the state of the service, for programs."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import StreamingResponse

from app.api.access import needs
from app.api.parts import Parts, PartsDep
from app.api.reading import read_status
from app.api.responses import problems
from app.api.streaming import stream
from app.core.permissions import Permission
from app.schemas.status import StatusBody

router = APIRouter(tags=["status"])


@router.get("/status", summary="Read the state of the service")
@needs(Permission.READ)
async def status(parts: PartsDep) -> StatusBody:
    """Which Asterisk, model, memory and database are in use, and why; and what does not work."""
    return await read_status(parts)


async def shared_status(parts: Parts) -> StatusBody:
    """As it was within the last seconds, read once for all who ask."""
    return await parts.samples.status.get(lambda: read_status(parts))


@router.get(
    "/status/live",
    summary="Watch the state of the service",
    response_class=StreamingResponse,
    responses={
        200: {
            "description": "Server-sent events every two seconds: `status`, with what `/api/status` says; `same` where "
            "nothing changed; `trouble` with a sentence.",
            "content": {
                "text/event-stream": {
                    "schema": {"type": "string"},
                    "example": 'event: status\ndata: {"service": {"version": "0.1.0"}}\n\n',
                }
            },
        },
        **problems(503),
    },
)
@needs(Permission.READ)
async def live(parts: PartsDep) -> StreamingResponse:
    """Until you leave or the service stops. However many watch, the state is read once."""

    async def encode() -> bytes:
        return (await shared_status(parts)).model_dump_json().encode()

    return await stream(parts.samples.watchers, "status", lambda: parts.samples.rendered["api"].get(encode))
