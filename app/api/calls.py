"""``/api/calls``."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Path, Query
from fastapi.responses import StreamingResponse
from pydantic import AwareDatetime

from app.api import streaming
from app.api.access import needs
from app.api.parts import PartsDep
from app.api.problems import ProblemError
from app.api.reading import statistics_body
from app.api.responses import Responses, problems
from app.core.any_json import any_json
from app.core.permissions import Permission
from app.history.export import as_csv, as_json, as_json_lines
from app.history.live import LiveHub
from app.history.statistics import fitting_length
from app.history.store import CallFilter, ConversationSort, TurnSort
from app.schemas.calls import (
    ConversationBody,
    ConversationDetailBody,
    NowBody,
    RunningTurnBody,
    StatisticsBody,
    TurnBody,
    TurnDetailBody,
)
from app.schemas.page import Limit, Offset, PageBody
from app.schemas.problem import FieldProblem

router = APIRouter(prefix="/calls", tags=["calls"])

# Seconds between signs of life: proxies close connections on which nothing comes for a minute.
HEARTBEAT: Final = 15.0
# Buckets in one answer.
_MOST_BUCKETS: Final = 1_500

Id = Annotated[int, Path(ge=1, le=2**31 - 1, examples=[17])]
_WORDS: Final = r"^[^\x00-\x1f]*$"
# Databases begin and end the years at different points; these every one has.
_FIRST: Final = datetime(1971, 1, 1, tzinfo=UTC)
_LAST: Final = datetime(2037, 1, 1, tzinfo=UTC)

From = Annotated[
    AwareDatetime | None,
    Query(alias="from", description="The turn began then or later.", examples=["2026-11-22T00:00:00Z"]),
]
To = Annotated[
    AwareDatetime | None,
    Query(alias="to", description="The turn began before then.", examples=["2026-11-23T00:00:00Z"]),
]


def call_filter(
    since: From = None,
    until: To = None,
    number: Annotated[
        str, Query(max_length=80, pattern=_WORDS, description="A part of the caller's number.", examples=["151123"])
    ] = "",
    prompt: Annotated[
        str, Query(max_length=100, pattern=_WORDS, description="The prompt's name.", examples=["receptionist"])
    ] = "",
    status: Annotated[
        str,
        Query(
            max_length=40,
            pattern=r"^[A-Z_]*$",
            description="`AI_STATUS`, `ABANDONED` or `UNDELIVERED`; `FAILED`: any but `OK` and `ABANDONED`.",
            examples=["TIMEOUT"],
        ),
    ] = "",
    tool: Annotated[
        str, Query(max_length=100, pattern=_WORDS, description="A tool that was called.", examples=["get_order_status"])
    ] = "",
    text: Annotated[
        str,
        Query(max_length=100, pattern=_WORDS, description="Was said, by either side, in any case.", examples=["order"]),
    ] = "",
    conversation: Annotated[
        int | None, Query(ge=1, le=2**31 - 1, description="The id of one conversation.", examples=[17])
    ] = None,
) -> CallFilter:
    """The filter of lists and exports."""
    return CallFilter(within(since), within(until), number, prompt, status, tool, text, conversation)


Which = Annotated[CallFilter, Depends(call_filter)]


@router.get("", summary="List conversations", responses=problems(422))
@needs(Permission.READ)
async def list_conversations(
    parts: PartsDep,
    which: Which,
    offset: Offset = 0,
    limit: Limit = 50,
    sort: Annotated[ConversationSort, Query(description="The order; `-` for the reverse.")] = "-last_at",
) -> PageBody[ConversationBody]:
    """Those that have a turn as asked for, a page at a time."""
    page = await parts.history.conversations(which, offset=offset, limit=limit, sort=sort)
    items = [ConversationBody.model_validate(each) for each in page.items]
    return PageBody(items=items, total=page.total, offset=offset, limit=limit)


@router.get("/turns", summary="List turns", responses=problems(422))
@needs(Permission.READ)
async def list_turns(
    parts: PartsDep,
    which: Which,
    offset: Offset = 0,
    limit: Limit = 50,
    sort: Annotated[TurnSort, Query(description="The order; `-` for the reverse.")] = "-started_at",
) -> PageBody[TurnBody]:
    """Of all conversations, a page at a time."""
    page = await parts.history.turns(which, offset=offset, limit=limit, sort=sort)
    return PageBody(
        items=[TurnBody.model_validate(each) for each in page.items], total=page.total, offset=offset, limit=limit
    )


@router.get("/turns/{turn_id}", summary="Read one turn", responses=problems(404, 422))
@needs(Permission.READ)
async def get_turn(
    parts: PartsDep,
    turn_id: Annotated[str, Path(max_length=40, pattern=_WORDS, examples=["5f3c0a9be1d24c77"])],
) -> TurnDetailBody:
    """By the id that is in the log. It is there about a second after the turn's end."""
    return TurnDetailBody.of(await parts.history.turn(turn_id))


def _stream(media_type: str, description: str, example: str) -> Responses:
    content = {media_type: {"schema": {"type": "string"}, "example": example}}
    return {200: {"description": description, "content": content}, **problems(422)}


@router.get(
    "/export.json",
    summary="Export turns as JSON lines",
    response_class=StreamingResponse,
    responses=_stream("application/x-ndjson", "One JSON object a line, as `/api/calls/turns/{turn_id}`.", "{}\n"),
)
@needs(Permission.READ)
async def export_json(parts: PartsDep, which: Which) -> StreamingResponse:
    """All that match, with tool calls and times, in the order in which they ended."""
    lines = as_json_lines(parts.history.export(which))
    return StreamingResponse(lines, media_type="application/x-ndjson", headers=_download("turns.jsonl"))


@router.get(
    "/export.csv",
    summary="Export turns as CSV",
    response_class=StreamingResponse,
    responses=_stream("text/csv", "A line of names, then one a turn.", "conversation_id,turn_id\r\n"),
)
@needs(Permission.READ)
async def export_csv(parts: PartsDep, which: Which) -> StreamingResponse:
    """All that match. A text that a spreadsheet would take for a formula has an apostrophe before it."""
    lines = as_csv(parts.history.export(which))
    return StreamingResponse(lines, media_type="text/csv", headers=_download("turns.csv"))


@router.get("/now", summary="Read what is running")
@needs(Permission.READ)
async def now(parts: PartsDep) -> NowBody:
    """The turns of this instance that have begun and not ended."""
    return NowBody(turns=[RunningTurnBody(**each) for each in parts.live.now()])


@router.get("/stats", summary="Turns, errors and latencies over time", responses=problems(422))
@needs(Permission.READ)
async def statistics(
    parts: PartsDep,
    since: From = None,
    until: To = None,
    bucket: Annotated[
        int | None, Query(ge=1, le=1440, description="Minutes of one bucket; left out: what fits.", examples=[15])
    ] = None,
) -> StatisticsBody:
    """Of the last 24 hours, unless `from` and `to` say otherwise."""
    end = within(until) or datetime.now(UTC)
    begin = within(since) or end - timedelta(hours=24)
    length = bucket or fitting_length(begin, end)
    if begin >= end:
        raise _invalid("from", "must be before `to`")
    if (end - begin).total_seconds() / 60 / length > _MOST_BUCKETS:
        raise _invalid("bucket", f"makes more than {_MOST_BUCKETS:,} buckets; choose a longer one, or less time")
    return statistics_body(await parts.history.statistics(begin, end, length))


@router.get(
    "/live",
    summary="Watch the calls",
    response_class=StreamingResponse,
    responses={
        **_stream(
            "text/event-stream",
            "Server-sent events: `now` with what is running, first of all and wherever you were too slow, which "
            "`missed` tells; `turn_started`, `tool_finished`, `turn_ended`. "
            "A comment comes every 15 seconds where nothing happens.",
            'event: turn_ended\ndata: {"turn_id": "5f3c0a9be1d24c77", "status": "OK"}\n\n',
        ),
        **problems(503),
    },
)
@needs(Permission.READ)
async def live(parts: PartsDep) -> StreamingResponse:
    """As it happens, until you leave or the service stops; after ten minutes, ask again."""
    events = _events(parts.live)
    # The first piece tells whether there is room, while the answer can still be a problem.
    first = await anext(events)
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(_after(first, events), media_type="text/event-stream", headers=headers)


@router.get("/{conversation_id}", summary="Read a conversation", responses=problems(404, 422))
@needs(Permission.READ)
async def get_conversation(
    parts: PartsDep, conversation_id: Id, offset: Offset = 0, limit: Limit = 50
) -> ConversationDetailBody:
    """With its turns in the order of time, a page at a time."""
    conversation, page = await parts.history.conversation(conversation_id, offset=offset, limit=limit)
    turns = [TurnDetailBody.of(each) for each in page.items]
    return ConversationDetailBody.model_construct(
        **ConversationBody.model_validate(conversation).__dict__,
        history=PageBody[TurnDetailBody].model_construct(items=turns, total=page.total, offset=offset, limit=limit),
    )


@router.get(
    "/{conversation_id}/export.json",
    summary="Export a conversation",
    response_class=StreamingResponse,
    responses={
        200: {
            "description": "As `/api/calls/{conversation_id}`, with all its turns as `turns` in place of their number.",
            "content": {
                "application/json": {
                    "schema": {
                        "type": "object",
                        "required": ["id", "key", "turns"],
                        "properties": {
                            "id": {"type": "integer"},
                            "key": {"type": "string"},
                            "turns": {"type": "array", "items": {"$ref": "#/components/schemas/TurnDetailBody"}},
                        },
                    },
                }
            },
        },
        **problems(404, 422),
    },
)
@needs(Permission.READ)
async def export_conversation(parts: PartsDep, conversation_id: Id) -> StreamingResponse:
    """Whole, as one JSON document."""
    conversation, _ = await parts.history.conversation(conversation_id, limit=1)
    pieces = as_json(conversation, parts.history.export(CallFilter(conversation=conversation_id)))
    headers = _download(f"conversation-{conversation_id}.json")
    return StreamingResponse(pieces, media_type="application/json", headers=headers)


async def _events(hub: LiveHub) -> AsyncIterator[bytes]:
    ends = time.monotonic() + streaming.LONGEST
    with hub.watching() as watcher:
        yield b"retry: 2000\n\n" + _event("now", {"turns": hub.now()})
        async for event in watcher.events(HEARTBEAT):
            if time.monotonic() >= ends:
                return
            if event is None:
                yield b": still here\n\n"
                continue
            yield _event(event.kind, event.data)
            if event.kind == "missed":
                yield _event("now", {"turns": hub.now()})


def _event(kind: str, data: Any) -> bytes:
    return b"event: %s\ndata: %s\n\n" % (kind.encode(), any_json(data))


async def _after(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    try:
        yield first
        async for piece in rest:
            yield piece
    finally:
        await rest.aclose()  # type: ignore[attr-defined]  # it is a generator


def within(moment: datetime | None) -> datetime | None:
    """An aware moment in UTC that every database takes; one beyond their years becomes the first or the last."""
    try:
        return None if moment is None else min(max(moment.astimezone(UTC), _FIRST), _LAST)
    except OverflowError:
        return _FIRST if moment is not None and moment.year < 2000 else _LAST


def _invalid(field: str, message: str) -> ProblemError:
    errors = (FieldProblem(field=field, message=message, type="value_error"),)
    return ProblemError(422, "invalid", f"The request is not valid: {field} {message}.", errors=errors)


def _download(name: str) -> dict[str, Any]:
    return {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
