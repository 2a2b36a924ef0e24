"""``/healthz``, ``/readyz`` and ``/metrics``: for load balancers, supervisors and Prometheus."""

from __future__ import annotations

from fastapi import APIRouter, Depends, Request
from fastapi.responses import PlainTextResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel, Field

from app.api.access import needs
from app.api.guard import signed_in
from app.api.parts import find_parts
from app.api.reading import obstacles_of
from app.api.responses import problems
from app.core.metrics import REGISTRY
from app.core.permissions import Permission
from app.schemas.status import ReadinessBody

router = APIRouter(tags=["health"])


class HealthBody(BaseModel):
    """The process lives."""

    status: str = Field(examples=["ok"])


@router.get("/healthz", summary="Is the process alive?")
async def healthz() -> HealthBody:
    """Answers as long as the event loop runs. It asks no other part: restarting us would not mend those."""
    return HealthBody(status="ok")


@router.get(
    "/readyz",
    summary="Can calls be served?",
    responses={503: {"model": ReadinessBody, "description": "Not now; `reasons` says why."}},
)
async def readyz(request: Request, response: Response) -> ReadinessBody:
    """200 once the tables are migrated, prompts and tools are loaded, and Asterisk, if configured, is connected."""
    parts = find_parts(request)
    reasons = obstacles_of(parts) if parts else ["The service is starting."]
    response.status_code = 503 if reasons else 200
    return ReadinessBody(ready=not reasons, reasons=reasons)


@router.get(
    "/metrics",
    summary="Metrics for Prometheus",
    response_class=PlainTextResponse,
    dependencies=[Depends(signed_in)],
    responses=problems(401, 429, 500, 503),
)
@needs(Permission.READ)
async def metrics() -> Response:
    """Needs the login, since a proxy in front easily shows it to everybody: ``basic_auth`` in the scrape configuration.
    Labels hold no numbers of callers and nothing that was said."""
    return Response(generate_latest(REGISTRY), media_type=CONTENT_TYPE_LATEST)
