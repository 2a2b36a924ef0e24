"""Templates: one environment for all pages, with what they share."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from app.api.parts import find_parts
from app.schemas.problem import Problem

FOLDER: Final = Path(__file__).resolve().parent


def _moment(when: datetime | None) -> str | Markup:
    """A point in time: how long ago, for people; the exact one for machines and on pointing at it."""
    if when is None:
        return ""
    exact = when.astimezone(UTC)
    return Markup('<time datetime="{}" title="{}">{}</time>').format(
        exact.isoformat(timespec="seconds"), f"{exact:%Y-%m-%d %H:%M:%S} UTC", _ago(datetime.now(UTC) - exact)
    )


def _ago(passed: Any) -> str:
    seconds = max(0, int(passed.total_seconds()))
    if seconds < 10:
        return "just now"
    for unit, size in (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1)):
        if seconds >= size:
            count = seconds // size
            return f"{count} {unit}{'s' if count != 1 else ''} ago"
    raise AssertionError(seconds)


ENVIRONMENT: Final = Environment(
    loader=FileSystemLoader(FOLDER / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
ENVIRONMENT.filters["moment"] = _moment


def render(request: Request, template: str, *, status_code: int = 200, **values: Any) -> HTMLResponse:
    """The page. ``here`` is its address, for the navigation."""
    parts = find_parts(request)
    html = ENVIRONMENT.get_template(template).render(
        here=request.url.path.rstrip("/"), version=parts.version if parts else "", **values
    )
    return HTMLResponse(html, status_code)


def error_page(request: Request, problem: Problem) -> HTMLResponse:
    """What :mod:`app.api.problems` shows below ``/ui``."""
    return render(request, "error.html", status_code=problem.status, problem=problem)
