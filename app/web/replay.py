"""Replay: what callers once said, to another prompt, model or set of tools, and what differs."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse
from pydantic import Field

from app.api.access import needs
from app.api.parts import Parts, PartsDep
from app.core.permissions import Permission
from app.history.errors import ConversationNotFound
from app.history.records import ConversationSummary
from app.rehearsal.replay import MOST_CONVERSATIONS, MOST_TURNS
from app.web.call_words import STATUSES
from app.web.calls import clip, kept_words
from app.web.pages import render

router = APIRouter(prefix="/ui/replay")

# Recent ones to choose from; those further back are chosen on the pages of calls.
_RECENT: Final = 20
_MOST_PROMPTS: Final = 500

Ids = Annotated[list[Annotated[int, Field(ge=1, le=2**31 - 1)]], Query(max_length=MOST_CONVERSATIONS)]


@router.get("")
@needs(Permission.PLAYGROUND)
async def page(request: Request, parts: PartsDep, conversation: Annotated[Ids | None, Query()] = None) -> HTMLResponse:
    """The conversations that the address names, and what they can be replayed with."""
    chosen, missing = await _chosen(parts, list(dict.fromkeys(conversation or [])))
    known = {each.id for each in chosen}
    recent = (await parts.history.conversations(limit=_RECENT)).items
    prompts = (await parts.prompts.list(limit=_MOST_PROMPTS)).items
    return render(
        request,
        "replay/page.html",
        chosen=chosen,
        missing=missing,
        recent=[each for each in recent if each.id not in known],
        prompts=prompts,
        models=_models(parts),
        statuses=STATUSES,
        history=kept_words(parts.settings),
        clip=clip,
        most=MOST_CONVERSATIONS,
        most_turns=MOST_TURNS,
    )


async def _chosen(parts: Parts, ids: list[int]) -> tuple[list[ConversationSummary], list[int]]:
    found: list[ConversationSummary] = []
    missing: list[int] = []
    for each in ids:
        try:
            found.append((await parts.history.conversation(each, limit=1))[0])
        except ConversationNotFound:
            missing.append(each)
    return found, missing


def _models(parts: Parts) -> list[str]:
    """What the field for the model proposes."""
    return [f"{each.name}:{each.default_model}" for each in parts.models.statuses() if each.configured]
