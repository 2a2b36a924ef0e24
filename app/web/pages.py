"""Templates: one environment for all pages, with what they share."""

from __future__ import annotations

import base64
import binascii
import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import urlencode

from fastapi import Request
from fastapi.responses import HTMLResponse, RedirectResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from app.accounts.identity import User
from app.api.headers import policy_with_styles
from app.api.parts import find_parts
from app.core.permissions import Permission
from app.schemas.problem import Problem

FOLDER: Final = Path(__file__).resolve().parent

Level = Literal["ok", "warning", "error"]

_FLASH: Final = "flash"
# Browsers keep cookies of 4 kB; names in a message may be long, and base64 adds a third.
_MAX_MESSAGE: Final = 500


@dataclass(frozen=True, slots=True)
class Flash:
    """What the page before has to say, shown once."""

    level: Level
    text: str


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


def _number(value: float | None) -> str:
    """1,234 or 12.5; nothing for None."""
    if value is None:
        return ""
    return f"{value:,.1f}" if isinstance(value, float) and not value.is_integer() else f"{int(value):,}"


def _ms(value: float | None) -> str:
    """Milliseconds as people read them: 85 ms, 1.24 s."""
    if value is None:
        return ""
    return f"{value:,.0f} ms" if value < 1000 else f"{value / 1000:,.2f} s"


ENVIRONMENT: Final = Environment(
    loader=FileSystemLoader(FOLDER / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
ENVIRONMENT.filters |= {"moment": _moment, "number": _number, "ms": _ms}


def render(request: Request, template: str, *, status_code: int = 200, **values: Any) -> HTMLResponse:
    """The page, with what every template may use:

    - ``user``: who is signed in, or None on the page that says so; ``may("edit_prompts")``: whether they may.
    - ``here``: the page's address, for the navigation; ``link(page=2)``: its query with changes, None removes.
    - ``flash``: what the page before had to say, or None.
    - ``nonce``: what a style that a script adds must carry.
    """
    parts = find_parts(request)
    nonce = secrets.token_urlsafe(16)
    user = request.scope.get("user")
    # A part of a page that renews itself must not take the message from the page that shows it. Nor must the page that
    # asks for the login: browsers go on by themselves to the one that was wanted.
    flash = None if user is None or "hx-request" in request.headers else _flash_of(request)
    html = ENVIRONMENT.get_template(template).render(
        here=request.url.path.rstrip("/"),
        link=_linker(request),
        version=parts.version if parts else "",
        user=user,
        may=_may(user),
        flash=flash,
        nonce=nonce,
        **values,
    )
    response = HTMLResponse(html, status_code, {"Content-Security-Policy": policy_with_styles(nonce)})
    if flash is not None:
        response.delete_cookie(_FLASH, path="/ui")
    return response


def done(request: Request, address: str, message: str, level: Level = "ok") -> RedirectResponse:
    """After a form was carried out: on to ``address``, which shows ``message`` once. Loading that page again does not
    send the form again."""
    response = RedirectResponse(address, 303)
    text = message if len(message) <= _MAX_MESSAGE else message[: _MAX_MESSAGE - 1] + "…"
    # As it is, not as ASCII: six or twelve characters for one would be more than a cookie holds.
    value = base64.urlsafe_b64encode(json.dumps([level, text], ensure_ascii=False).encode(errors="replace")).decode()
    response.set_cookie(
        _FLASH, value, max_age=60, path="/ui", httponly=True, samesite="strict", secure=request.url.scheme == "https"
    )
    return response


def error_page(request: Request, problem: Problem) -> HTMLResponse:
    """What :mod:`app.api.problems` shows below ``/ui``."""
    sent = request.method == "POST" and "hx-request" not in request.headers
    return render(request, "error.html", status_code=problem.status, problem=problem, sent=sent)


def _flash_of(request: Request) -> Flash | None:
    try:
        level, text = json.loads(base64.urlsafe_b64decode(request.cookies.get(_FLASH, "")))
    except (binascii.Error, ValueError, TypeError, RecursionError):
        return None
    return Flash(level, str(text)) if level in ("ok", "warning", "error") else None


def _may(user: User | None) -> Callable[[str], bool]:
    return lambda permission: user is not None and user.may(Permission(permission))


def _linker(request: Request) -> Callable[..., str]:
    def link(**changes: Any) -> str:
        kept = [(name, value) for name, value in request.query_params.multi_items() if name not in changes and value]
        kept += [(name, str(value)) for name, value in changes.items() if value is not None]
        return "?" + urlencode(kept)

    return link
