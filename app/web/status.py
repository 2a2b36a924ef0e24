"""The status page: what an operator looks at first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from app.api.access import needs
from app.api.parts import Parts, PartsDep
from app.api.reading import obstacles_of, read_status
from app.core.permissions import Permission
from app.schemas.status import StatusBody
from app.web.pages import render

router = APIRouter(prefix="/ui")

_ARI_WORDS: Final = {
    "not_configured": "Not configured",
    "connecting": "Connecting",
    "connected": "Connected",
    "waiting": "Not connected",
    "replaced": "Replaced",
    "closed": "Closed",
}
_DIALPLAN: Final = "asterisk-ai dialplan"
_PROVIDER_WORDS: Final = {"ok": "Ready", "off": "Not configured", "error": "Failing", "warning": "Slow"}


@dataclass(frozen=True, slots=True)
class Step:
    """One of the steps from an empty installation to an answered call.

    Attributes:
        command: What to type, if that does it.
    """

    done: bool
    text: str
    command: str = ""


@router.get("")
@needs(Permission.READ)
async def page(request: Request, parts: PartsDep) -> HTMLResponse:
    """The whole page."""
    return render(request, "status.html", **await _values(parts))


@router.get("/status")
@needs(Permission.READ)
async def renewed(request: Request, parts: PartsDep) -> HTMLResponse:
    """The part of it that renews itself."""
    return render(request, "status_parts.html", **await _values(parts))


async def _values(parts: Parts) -> dict[str, Any]:
    status = await read_status(parts)
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
        "steps": _steps(parts, status),
    }


def _steps(parts: Parts, status: StatusBody) -> list[Step]:
    name = parts.models.default.provider
    has_model = name != "demo" and any(p.name == name and p.configured for p in status.providers)
    served = status.calls is not None and status.calls.served > 0
    return [
        Step(True, f"A language model is chosen: {status.model.default}.")
        if has_model
        else Step(
            False,
            "Choose a language model: set OPENAI_API_KEY, GEMINI_API_KEY or ANTHROPIC_API_KEY in .env, and restart.",
        ),
        _asterisk_step(status),
        Step(True, "The dialplan sends calls here. To add more extensions, print the lines for them:", _DIALPLAN)
        if served
        else Step(False, "Add an extension to your dialplan. This prints it, ready to paste; then call it:", _DIALPLAN),
        Step(False, "Whenever you like, have a conversation without a telephone:", "asterisk-ai chat"),
    ]


def _asterisk_step(status: StatusBody) -> Step:
    if status.ari.state == "connected":
        return Step(True, "Asterisk is connected.")
    if status.ari.state == "not_configured":
        return Step(
            False,
            "Connect Asterisk: set ASTERISK_ARI_URL, ASTERISK_ARI_USERNAME and ASTERISK_ARI_PASSWORD in .env, and "
            "restart. This checks them, and says what to type where something is missing:",
            "asterisk-ai doctor",
        )
    return Step(False, "Get the connection to Asterisk up. This finds out what is missing:", "asterisk-ai doctor")
