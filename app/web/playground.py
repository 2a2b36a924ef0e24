"""The playground: talking to prompts without a telephone. A script talks to ``/api/playground/turns``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from app.api.access import needs
from app.api.parts import Parts, PartsDep
from app.core.permissions import Permission
from app.prompts.errors import PromptNotFound
from app.web.call_words import ERRORS, STATUSES, TOOL_ERRORS
from app.web.pages import render

router = APIRouter(prefix="/ui/playground")

# Prompts in the choice of a column; an installation with more names the one it wants in the address.
PROMPTS_SHOWN: Final = 1_000


@router.get("")
@needs(Permission.PLAYGROUND)
async def playground(request: Request, parts: PartsDep) -> HTMLResponse:
    """One column, or as many as the address names versions or models."""
    found = await parts.prompts.list(limit=PROMPTS_SHOWN)
    try:
        default = parts.prompt_catalog.get(None).name
    except PromptNotFound:
        default = None
    return render(
        request,
        "playground/page.html",
        prompts=found.items,
        default=default,
        models=models_to_choose(parts),
        default_model=str(parts.models.default),
        words=words(),
        timeout=parts.settings.ai_turn_timeout,
    )


def models_to_choose(parts: Parts) -> list[str]:
    """The default model of each provider that can be used."""
    return [f"{each.name}:{each.default_model}" for each in parts.models.statuses() if each.configured]


def words() -> Mapping[str, Any]:
    """What statuses and errors mean, for a script to say."""
    return {
        "statuses": {name: asdict(each) for name, each in STATUSES.items()},
        "errors": {name: asdict(each) for name, each in ERRORS.items()},
        "tool_errors": dict(TOOL_ERRORS),
    }
