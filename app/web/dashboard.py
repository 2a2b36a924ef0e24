"""The dashboard: what an operator looks at first, renewed while it is looked at."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, StreamingResponse

from app.api.access import needs
from app.api.guard import UserDep
from app.api.parts import Parts, PartsDep
from app.api.reading import obstacles_of, read_statistics
from app.api.samples import RANGES
from app.api.setup import shared_setup
from app.api.status import shared_status
from app.api.streaming import stream
from app.core.permissions import Permission
from app.db.errors import DatabaseError
from app.schemas.calls import StatisticsBody
from app.schemas.setup import SetupBody
from app.web.pages import ENVIRONMENT, render

router = APIRouter(prefix="/ui")

_ARI_WORDS: Final = {
    "not_configured": "Not configured",
    "connecting": "Connecting",
    "connected": "Connected",
    "waiting": "Not connected",
    "replaced": "Replaced",
    "closed": "Closed",
}
_PROVIDER_WORDS: Final = {"ok": "Ready", "off": "Not configured", "error": "Failing", "warning": "Slow"}
_RANGES: Final = tuple(zip(RANGES, ("1 hour", "24 hours", "7 days"), strict=True))

Hours = Annotated[int, Query(description="1, 24 or 168; another number is taken for 24.")]


@router.get("")
@needs(Permission.READ)
async def page(request: Request, parts: PartsDep, user: UserDep, hours: Hours = 24) -> HTMLResponse:
    """The whole page."""
    setup = await _setup(parts) if user.may(Permission.MANAGE_SETTINGS) else None
    return render(request, "dashboard/page.html", setup=setup, **await _state(parts), **await _charts(parts, hours))


@router.get("/status/live")
@needs(Permission.READ)
async def live(parts: PartsDep) -> StreamingResponse:
    """The parts of the page that show the state, as they change. Drawn once for all who look."""

    async def draw() -> bytes:
        return ENVIRONMENT.get_template("dashboard/live.html").render(**await _state(parts)).encode()

    return await stream(parts.samples.watchers, "parts", lambda: parts.samples.rendered["dashboard"].get(draw))


@router.get("/charts")
@needs(Permission.READ)
async def charts(request: Request, parts: PartsDep, hours: Hours = 24) -> HTMLResponse:
    """The numbers of the charts, which the page fetches again now and then."""
    return render(request, "dashboard/charts.html", **await _charts(parts, hours))


async def _setup(parts: Parts) -> SetupBody | None:
    """None where it cannot be told: the page then has greater worries to show."""
    try:
        return await shared_setup(parts)
    except DatabaseError:
        return None


async def _state(parts: Parts) -> dict[str, Any]:
    status = await shared_status(parts)
    default = next((p for p in status.providers if p.name == parts.models.default.provider), None)
    if default is not None and default.name == "demo":
        level, word = "warning", "Demonstration"
    elif default is None or not default.configured:
        level, word = "error", "Cannot be used"
    else:
        level, word = default.level, _PROVIDER_WORDS[default.level]
    return {
        "status": status,
        "reasons": obstacles_of(parts),
        "model_level": level,
        "model_word": word,
        "ari_words": _ARI_WORDS,
        "provider_words": _PROVIDER_WORDS,
    }


async def _charts(parts: Parts, hours: int) -> dict[str, Any]:
    hours = hours if hours in RANGES else 24
    try:
        statistics = await read_statistics(parts, hours)
    except DatabaseError:
        statistics = None
    return {
        "hours": hours,
        "ranges": _RANGES,
        "statistics": statistics,
        "busiest": _busiest(statistics),
        "slowest": _slowest(statistics),
    }


def _busiest(statistics: StatisticsBody | None) -> Any:
    """The bucket with the most turns; None: there was none."""
    with_turns = [each for each in statistics.buckets if each.turns] if statistics else []
    return max(with_turns, key=lambda each: each.turns, default=None)


def _slowest(statistics: StatisticsBody | None) -> Any:
    """The bucket in which callers waited longest; None: nobody was answered."""
    with_answers = [each for each in statistics.buckets if each.p95_ms is not None] if statistics else []
    return max(with_answers, key=lambda each: each.p95_ms or 0, default=None)
