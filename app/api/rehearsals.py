"""``/api/playground`` and ``/api/replay``: turns without a telephone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request, Response

from app.accounts.identity import User
from app.api.access import needs
from app.api.guard import UserDep, refuse_unless
from app.api.leaving import while_connected
from app.api.parts import Parts, PartsDep
from app.api.problems import ProblemError
from app.api.responses import BODY, Responses, problems
from app.api.sse import EventStream, Work, wants_stream
from app.core.any_json import any_json
from app.core.permissions import Permission
from app.prompts.errors import PromptInvalid
from app.rehearsal.rehearsal import TurnPlan
from app.rehearsal.replay import ReplayPlan
from app.schemas.playground import PlaygroundResultBody, PlaygroundTurn, RehearsedFields, event_of
from app.schemas.problem import FieldProblem
from app.schemas.replay import ReplayBody, ReplayResultBody, replay_event_of

router = APIRouter(tags=["playground"])

Events = AsyncGenerator[tuple[str, Any], None]
Stream = Annotated[
    bool | None,
    Query(
        description="True: server-sent events; false: one JSON answer. Left out: events, unless `Accept` asks for "
        "`application/json`.",
        examples=[False],
    ),
]

_STOPPED: Final = {"status": "RELEASED", "error": "stopping", "detail": "The service is stopping. Try again."}

_TURN_EXAMPLE: Final = """\
event: started
data: {"turn_id": "5f3c0a9be1d24c77", "prompt": "reception", "version": 3, "model": "openai:gpt-6-luna", ...}

event: tool_started
data: {"call_id": "c1", "name": "get_order_status", "arguments": {"order_id": "A1042"}}

event: tool_finished
data: {"call_id": "c1", "name": "get_order_status", "ok": true, "result": "{...}", "error": null, "elapsed_ms": 84.1}

event: text
data: {"text": "It arrives "}

event: done
data: {"status": "OK", "heard": "It arrives tomorrow.", "variables": {"AI_STATUS": "OK", ...}, ...}

"""
_REPLAY_EXAMPLE: Final = """\
event: started
data: {"conversations": [{"conversation": 17, "turns": 3, "left_out": 0}]}

event: turn
data: {"conversation": 17, "number": 1, "differs": false, "original": {...}, "replayed": {...}, ...}

event: conversation
data: {"conversation": 17, "turns": 3, "different": 0, "unrecorded": 0, "original": {...}, "replayed": {...}}

event: done
data: {"conversations": 1, "failed": 0, "turns": 3, "different": 0, ...}

"""


def _answers(model: Any, description: str, example: str, *statuses: int) -> Responses:
    content = {"text/event-stream": {"schema": {"type": "string"}, "example": example}}
    return {200: {"model": model, "description": description, "content": content}, **BODY, **problems(*statuses)}


@router.post(
    "/playground/turns",
    summary="Try a turn",
    response_model=None,
    responses=_answers(
        PlaygroundResultBody,
        "Server-sent events: `started`; then `text`, `tool_started`, `tool_slow` (a sentence for a caller who waits), "
        "`tool_finished` and `action` as they happen; at last `done`, or `failed` with the fallback sentence. Their "
        "data are JSON, those of the last as `result` here. A comment comes every 15 seconds where nothing happens.",
        _TURN_EXAMPLE,
        404,
    ),
)
@needs(Permission.PLAYGROUND)
async def play(
    request: Request, parts: PartsDep, user: UserDep, body: PlaygroundTurn, stream: Stream = None
) -> Response:
    """Says something to a prompt - the published version, another one or a draft - and shows what a call would get, and
    when. Tools are really called. Nothing of it is in the history of calls. Going away cancels the turn."""
    _refuse_drafts(user, body)
    # In a thread: schemas of draft tools are checked.
    events = _turn(parts, await asyncio.to_thread(body.plan, user.name))
    if wants_stream(request, stream):
        return await _stream(events, ("failed", _STOPPED))
    found = dict(await while_connected(request, _collected(events)))
    return _json({"started": found["started"], "result": found.get("done") or found["failed"]})


@router.post(
    "/replay",
    summary="Replay conversations",
    response_model=None,
    responses=_answers(
        ReplayResultBody,
        "Server-sent events: `started`; then `turn`, `conversation` (a row of the table) and `conversation_failed` as "
        "they come; at last `done`. Their data are JSON, as in the lists here. A comment comes every 15 seconds where "
        "nothing happens.",
        _REPLAY_EXAMPLE,
        404,
        409,
    ),
)
@needs(Permission.PLAYGROUND)
async def replay(request: Request, parts: PartsDep, user: UserDep, body: ReplayBody, stream: Stream = None) -> Response:
    """Says what the callers of stored conversations said to another prompt, model or set of tools, and shows what
    differs. Going away cancels it."""
    _refuse_drafts(user, body)
    events = _replay(parts, await asyncio.to_thread(body.plan))
    if wants_stream(request, stream):
        return await _stream(events, ("failed", _STOPPED))
    found = await while_connected(request, _collected(events))
    lists = {
        "turns": [data for name, data in found if name == "turn"],
        "conversations": [data for name, data in found if name == "conversation"],
        "failed": [data for name, data in found if name == "conversation_failed"],
    }
    return _json({**lists, "total": found[-1][1]})


def _refuse_drafts(user: User, body: RehearsedFields) -> None:
    """A tool that nobody saved may send anything anywhere."""
    if body.draft_tools:
        refuse_unless(user, Permission.EDIT_TOOLS)


async def _stream(events: Events, stopped: tuple[str, dict[str, str]]) -> Response:
    work = Work(events)
    try:
        # What is wrong with the request is said before the stream begins, while the answer can still be a problem.
        await work.begun()
    except BaseException:
        await work.aclose()
        raise
    if work.stopped:
        raise _stopping()
    return EventStream(work, stopped)


async def _collected(events: Events) -> list[tuple[str, Any]]:
    work = Work(events)
    try:
        found = [event async for event in work.events() if event is not None]
    finally:
        await work.aclose()
    if work.stopped:
        raise _stopping()
    return found


async def _turn(parts: Parts, plan: TurnPlan) -> Events:
    try:
        async with aclosing(parts.rehearsal.turn(plan)) as events:
            async for event in events:
                yield event_of(event)
    except PromptInvalid as error:
        raise _in_draft(error) from error


async def _replay(parts: Parts, plan: ReplayPlan) -> Events:
    try:
        async with aclosing(parts.rehearsal.replay(plan)) as events:
            async for event in events:
                yield replay_event_of(event)
    except PromptInvalid as error:
        raise _in_draft(error) from error


def _in_draft(error: PromptInvalid) -> ProblemError:
    field = FieldProblem(field=f"prompt.draft.{error.field}", message=str(error), type=error.code)
    return ProblemError(422, error.code, str(error), errors=(field,))


def _stopping() -> ProblemError:
    return ProblemError(503, "stopping", "The service is stopping. Try again in a moment.", retry_after=5)


def _json(value: Any) -> Response:
    return Response(any_json(value), media_type="application/json", headers={"Cache-Control": "no-store"})
