"""What happened in calls: the list, one conversation, and what happens now."""

from __future__ import annotations

import asyncio
import json
import shlex
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse

from app.api.access import needs
from app.api.calls import Id
from app.api.parts import Parts, PartsDep
from app.core.permissions import Permission
from app.core.settings import Settings
from app.history.errors import ConversationNotFound, TurnNotFound
from app.history.records import ConversationSummary, TurnDetail
from app.web.call_query import PERIODS, STATUS_CHOICES, CallQuery
from app.web.call_words import ERRORS, STATUSES, TOOL_ERRORS, ErrorWords, StatusWords, status_words
from app.web.pages import render
from app.web.waterfall import Waterfall, waterfall

router = APIRouter(prefix="/ui/calls")

PAGE_SIZE: Final = 50
# Turns on one page of a conversation: most have fewer.
TURNS: Final = 25
# A turn is written half a second after its end; who comes from the live page waits for it.
WRITTEN_WITHIN: Final = 1.2
_ASK_EVERY: Final = 0.15

PageNumber = Annotated[int, Query(ge=1, le=10_000)]


@dataclass(frozen=True, slots=True)
class TurnView:
    """One turn of the page, with what the templates cannot work out."""

    detail: TurnDetail
    status: StatusWords
    error: ErrorWords | None
    times: Waterfall
    log_hint: str
    prompt_exists: bool


@router.get("")
@needs(Permission.READ)
async def calls(request: Request, parts: PartsDep) -> HTMLResponse:
    """The conversations that the address asks for."""
    query = CallQuery.read(request.query_params.multi_items())
    found = await parts.history.conversations(
        query.which, offset=(query.page - 1) * PAGE_SIZE, limit=PAGE_SIZE, sort=query.sort
    )
    return render(
        request,
        "calls/list.html",
        query=query,
        conversations=found.items,
        total=found.total,
        size=PAGE_SIZE,
        periods=PERIODS,
        status_choices=STATUS_CHOICES,
        prompts=sorted(prompt.name for prompt in parts.prompt_catalog.all()),
        tools=sorted(tool.name for tool in parts.tool_catalog.all()),
        lasted=lasted,
        **_shared(parts),
    )


@router.get("/live")
@needs(Permission.READ)
async def live(request: Request, parts: PartsDep) -> HTMLResponse:
    """What happens now; a script keeps it up to date."""
    return render(request, "calls/live.html", **_shared(parts))


@router.get("/turns/{turn_id}")
@needs(Permission.READ)
async def turn(request: Request, parts: PartsDep, turn_id: str) -> RedirectResponse:
    """To the turn, on the page of its conversation where it stands. One that has just ended is waited for.

    Raises:
        TurnNotFound: it is not there.
    """
    until = asyncio.get_running_loop().time() + WRITTEN_WITHIN
    while True:
        try:
            conversation, before = await parts.history.place(turn_id[:100])
        except TurnNotFound:
            if asyncio.get_running_loop().time() > until or not parts.settings.history_days:
                raise
            await asyncio.sleep(_ASK_EVERY)
        else:
            page = before // TURNS + 1
            return RedirectResponse(
                f"/ui/calls/{conversation}{f'?page={page}' if page > 1 else ''}#turn-{turn_id[:100]}", 303
            )


@router.get("/{conversation_id}")
@needs(Permission.READ)
async def conversation(request: Request, parts: PartsDep, conversation_id: Id, page: PageNumber = 1) -> HTMLResponse:
    """A conversation, turn by turn."""
    try:
        found, turns = await parts.history.conversation(conversation_id, offset=(page - 1) * TURNS, limit=TURNS)
    except ConversationNotFound:
        return render(request, "calls/missing.html", status_code=404, conversation_id=conversation_id, **_shared(parts))
    published = {prompt.id for prompt in parts.prompt_catalog.all()}
    shared = _shared(parts)

    def rendered() -> HTMLResponse:
        return render(
            request,
            "calls/conversation.html",
            conversation=found,
            turns=[_view(each, published) for each in turns.items],
            total=turns.total,
            page=page,
            size=TURNS,
            lasted=lasted(found),
            tool_errors=TOOL_ERRORS,
            pretty=pretty,
            **shared,
        )

    # Tools may have answered with megabytes in all, which take tenths of a second to lay out.
    return await asyncio.to_thread(rendered)


def _shared(parts: Parts) -> dict[str, Any]:
    """What all these pages show."""
    return {
        "running": parts.live.now(),
        "statuses": STATUSES,
        "status_of": status_words,
        "money": money,
        "clip": clip,
        "moment_of": datetime.fromisoformat,
        "history": kept_words(parts.settings),
        "settings": parts.settings,
        "now": datetime.now(UTC),
    }


def _view(detail: TurnDetail, published: set[int]) -> TurnView:
    summary = detail.summary
    return TurnView(
        detail=detail,
        status=status_words(summary.status),
        error=ERRORS.get(summary.error) if summary.error else None,
        times=waterfall(detail),
        log_hint=f"journalctl -u asterisk-ai | grep -F {shlex.quote(summary.channel_id or summary.turn_id)}",
        prompt_exists=summary.prompt_id in published,
    )


def kept_words(settings: Settings) -> list[str]:
    """What the history does not keep, and which setting says so."""
    words = []
    if not settings.history_days:
        words.append("Nothing is kept after a turn has ended, because HISTORY_DAYS is 0.")
    if not settings.history_texts:
        words.append(
            "No words are kept: neither what callers say nor answers, arguments, results and variables, because "
            "HISTORY_TEXTS is false."
        )
    elif settings.history_redact:
        count = len(settings.history_redact)
        words.append(
            f"*** stands for what {'an expression' if count == 1 else f'one of {count} expressions'} of HISTORY_REDACT "
            "matched; it was never stored."
        )
    return words


def money(micros: int | None) -> str:
    """Millionths as people write them: 0.00048; nothing for None."""
    if micros is None:
        return ""
    text = f"{micros / 1_000_000:,.6f}".rstrip("0")
    whole, _, cents = text.partition(".")
    return f"{whole}.{cents:0<2}"


def clip(text: str, most: int = 160) -> str:
    """The beginning of a text, on one line."""
    line = " ".join(text[: most * 4].split())
    return line if len(line) <= most and len(text) <= most * 4 else line[: most - 1].rstrip() + "…"


def lasted(found: ConversationSummary) -> str:
    """From the beginning of the conversation to the end of its last turn, for people: 1.4 s, 12 min, 3 h 5 min."""
    end = found.last_at + timedelta(milliseconds=found.last_turn.elapsed_ms if found.last_turn else 0)
    seconds = max(0.0, (end - found.started_at) / timedelta(seconds=1))
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, hours = round(seconds / 60), round(seconds / 3600)
    if minutes < 60:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min" if hours < 24 else f"{hours // 24} d {hours % 24} h"


def pretty(value: Any) -> str:
    """A JSON value, indented; a text that holds one likewise. Tools may answer with anything."""
    if not isinstance(value, str):
        return json.dumps(value, ensure_ascii=False, indent=2)
    try:
        return json.dumps(json.loads(value), ensure_ascii=False, indent=2)
    except (ValueError, RecursionError):  # no JSON, or a thousand brackets
        return value
