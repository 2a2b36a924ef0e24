"""Reads the history of calls: lists, one conversation, everything for an export."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Final, Literal

from sqlalchemy import ColumnElement, Select, and_, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.database import Database
from app.db.page import Page, like_pattern
from app.history.errors import ConversationNotFound, TurnNotFound
from app.history.record import FAILED, FINE
from app.history.records import ConversationSummary, PromptUse, Statistics, TurnDetail, TurnSummary
from app.history.statistics import read_statistics
from app.models.conversation import ConversationRow
from app.models.turn import TurnDetailRow, TurnRow, TurnToolRow

ConversationSort = Literal[
    "-last_at", "last_at", "-started_at", "started_at", "-turns", "turns", "-cost_micros", "cost_micros"
]
TurnSort = Literal["-started_at", "started_at", "-latency_ms", "latency_ms"]

_OF_CONVERSATION: Final = tuple(
    each.name for each in fields(ConversationSummary) if each.name not in ("key", "last_turn")
)
# Turns that an export reads at once.
_CHUNK: Final = 200


@dataclass(frozen=True, slots=True)
class CallFilter:
    """Which turns are meant, or the conversations that have such a turn. None or empty: all.

    Attributes:
        since, until: Aware; the turn began at or after the one, and before the other.
        number: A part of the caller's number.
        prompt: The prompt's name, as it was when the turn ended.
        status: As in the record, or :data:`~app.history.record.FAILED`: all that are no success and no hang-up.
        tool: The name of a tool that the turn called.
        text: A part of what the caller said or was answered, in any case.
        conversation: The id of the conversation.
    """

    since: datetime | None = None
    until: datetime | None = None
    number: str = ""
    prompt: str = ""
    status: str = ""
    tool: str = ""
    text: str = ""
    conversation: int | None = None


class HistoryStore:
    """Raises DatabaseUnavailable where the database does not answer."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def conversations(
        self,
        which: CallFilter | None = None,
        *,
        offset: int = 0,
        limit: int = 50,
        sort: ConversationSort = "-last_at",
    ) -> Page[ConversationSummary]:
        """Conversations, a page at a time."""
        which = which or CallFilter()
        column = getattr(ConversationRow, sort.removeprefix("-"))
        if column is ConversationRow.cost_micros:
            column = func.coalesce(column, -1)  # databases do not agree on the place of NULL
        order = _order(column, ConversationRow.id, sort)
        ids = select(ConversationRow.id).where(*_conversations_that(which)).order_by(*order)
        async with self._database.session() as session:
            found, total = await _page(session, ids, offset, limit, once=_by_turns(which))
            return Page(await _read_conversations(session, found), total, offset, limit)

    async def turns(
        self, which: CallFilter | None = None, *, offset: int = 0, limit: int = 50, sort: TurnSort = "-started_at"
    ) -> Page[TurnSummary]:
        """Turns, a page at a time."""
        which = which or CallFilter()
        column = TurnRow.started_at if sort.endswith("started_at") else TurnRow.latency_ms
        ids = select(TurnRow.id).where(*_turns_that(which)).order_by(*_order(column, TurnRow.id, sort))
        async with self._database.session() as session:
            found, total = await _page(session, ids, offset, limit, once=bool(which.text))
            rows = {row.id: row for row in await session.scalars(select(TurnRow).where(TurnRow.id.in_(found)))}
            return Page([_summary(rows[number]) for number in found if number in rows], total, offset, limit)

    async def conversation(
        self, conversation_id: int, *, offset: int = 0, limit: int = 200
    ) -> tuple[ConversationSummary, Page[TurnDetail]]:
        """A conversation with its turns in the order of time, whole.

        Raises:
            ConversationNotFound: there is none of that id.
        """
        of_it = TurnRow.conversation_id == conversation_id
        async with self._database.session() as session:
            conversations = await _read_conversations(session, [conversation_id])
            if not conversations:
                raise ConversationNotFound(
                    f"There is no conversation {conversation_id}. Turns are deleted after HISTORY_DAYS days."
                )
            total = await session.scalar(select(func.count()).select_from(TurnRow).where(of_it)) or 0
            ordered = _whole().where(of_it).order_by(TurnRow.started_at, TurnRow.id)
            turns = await _read(session, ordered.offset(offset).limit(limit))
            return conversations[0], Page([turn for _, turn in turns], total, offset, limit)

    async def place(self, turn_id: str) -> tuple[int, int]:
        """Where a turn is to be found: its conversation's id, and how many of its turns come before it.

        Raises:
            TurnNotFound: see :meth:`turn`.
        """
        async with self._database.session() as session:
            row = await session.scalar(select(TurnRow).where(TurnRow.turn_id == turn_id))
            if row is None:
                raise _no_turn()
            at, number = row.started_at, row.id
            before = or_(TurnRow.started_at < at, and_(TurnRow.started_at == at, TurnRow.id < number))
            of_it = TurnRow.conversation_id == row.conversation_id
            count = await session.scalar(select(func.count()).select_from(TurnRow).where(of_it, before))
            return row.conversation_id, count or 0

    async def turn(self, turn_id: str) -> TurnDetail:
        """One turn, by the id that is in the log.

        Raises:
            TurnNotFound: it is not there; it may not be written yet, which takes a second.
        """
        async with self._database.session() as session:
            found = await _read(session, _whole().where(TurnRow.turn_id == turn_id))
        if not found:
            raise _no_turn()
        return found[0][1]

    async def export(self, which: CallFilter | None = None) -> AsyncIterator[TurnDetail]:
        """All turns that match, in the order in which they ended; some at a time, whatever their number.

        What ends while it runs may be in it.
        """
        matching = _turns_that(which or CallFilter())
        last = 0
        while True:
            chunk = _whole().where(*matching, TurnRow.id > last).order_by(TurnRow.id).limit(_CHUNK)
            async with self._database.session() as session:
                found = await _read(session, chunk)
            for _, turn in found:
                yield turn
            if len(found) < _CHUNK:
                return
            last = found[-1][0]

    async def prompt_use(self, prompt_id: int, since: datetime) -> PromptUse:
        """How often turns that began at or after ``since`` (aware) used the prompt. By its id: names change."""
        version = func.coalesce(TurnRow.prompt_version, 0)
        async with self._database.session() as session:
            rows = await session.execute(
                select(version, func.count(), func.max(TurnRow.started_at))
                .where(TurnRow.prompt_id == prompt_id, TurnRow.started_at >= since)
                .group_by(version)
            )
            found = [(int(number), int(turns), last) for number, turns, last in rows]
        return PromptUse(
            turns=sum(turns for _, turns, _ in found),
            by_version={number: turns for number, turns, _ in found},
            last_at=max((last for _, _, last in found if last is not None), default=None),
        )

    async def recent_variables(self, turns: int = 100) -> tuple[str, ...]:
        """The names of the call variables that the last turns had, sorted."""
        async with self._database.session() as session:
            rows = await session.scalars(
                select(TurnDetailRow.variables).order_by(TurnDetailRow.turn_row_id.desc()).limit(turns)
            )
            return tuple(sorted({name for variables in rows for name in variables}))

    async def statistics(self, since: datetime, until: datetime, bucket_minutes: int) -> Statistics:
        """Turns, errors and latencies over time.

        Args:
            since, until: Aware. The first bucket begins at a whole multiple of its length since 1970, in UTC.
        """
        async with self._database.session() as session:
            return await read_statistics(session, since, until, bucket_minutes)


def _order(column: Any, row_id: Any, sort: str) -> tuple[ColumnElement[Any], ...]:
    """Of equal ones the id decides, so that pages do not overlap."""
    return (column.desc(), row_id.desc()) if sort.startswith("-") else (column.asc(), row_id.asc())


def _turns_that(which: CallFilter) -> list[ColumnElement[bool]]:
    matching: list[ColumnElement[bool]] = []
    if which.since is not None:
        matching.append(TurnRow.started_at >= which.since)
    if which.until is not None:
        matching.append(TurnRow.started_at < which.until)
    if which.number:
        matching.append(TurnRow.caller_number.like(like_pattern(which.number), escape="\\"))
    if which.prompt:
        matching.append(TurnRow.prompt_name == which.prompt)
    if which.status == FAILED:
        matching.append(TurnRow.status.not_in(FINE))
    elif which.status:
        matching.append(TurnRow.status == which.status)
    if which.tool:
        matching.append(TurnRow.id.in_(select(TurnToolRow.turn_row_id).where(TurnToolRow.name == which.tool)))
    if which.conversation is not None:
        matching.append(TurnRow.conversation_id == which.conversation)
    if which.text:
        matching.append(TurnRow.search_text.like(like_pattern(which.text.casefold()), escape="\\"))
    return matching


def _by_turns(which: CallFilter) -> bool:
    """Whether conversations are known only by their turns."""
    return bool(which.prompt or which.status or which.tool or which.text)


def _conversations_that(which: CallFilter) -> list[ColumnElement[bool]]:
    if _by_turns(which):
        return [ConversationRow.id.in_(select(TurnRow.conversation_id).where(*_turns_that(which)))]
    matching: list[ColumnElement[bool]] = []
    if which.since is not None:
        matching.append(ConversationRow.last_at >= which.since)
    if which.until is not None:
        matching.append(ConversationRow.started_at < which.until)
    if which.number:
        matching.append(ConversationRow.caller_number.like(like_pattern(which.number), escape="\\"))
    if which.conversation is not None:
        matching.append(ConversationRow.id == which.conversation)
    return matching


async def _page(
    session: AsyncSession, ids: Select[int], offset: int, limit: int, *, once: bool
) -> tuple[Sequence[int], int]:
    """The ids of one page, and how many there are. The ids alone, so that only the rows which are shown are read whole,
    also where many are sorted or passed over.

    Args:
        once: Finding them is dear: look for them once, and count them on the way. Else an index counts faster, and has
            the page without looking at the rest.
    """
    page = ids.offset(offset).limit(limit)
    if once:
        rows = (await session.execute(page.add_columns(func.count().over()))).all()
        if rows:
            return [row[0] for row in rows], rows[0][1]
        if not offset:
            return [], 0
    total = await session.scalar(ids.with_only_columns(func.count(), maintain_column_froms=True).order_by(None)) or 0
    return (await session.scalars(page)).all() if total > offset else [], total


def _whole() -> Select[TurnRow, TurnDetailRow]:
    return select(TurnRow, TurnDetailRow).join(TurnDetailRow, TurnDetailRow.turn_row_id == TurnRow.id)


async def _read(session: AsyncSession, query: Select[TurnRow, TurnDetailRow]) -> list[tuple[int, TurnDetail]]:
    return [(row.id, _detail(row, detail)) for row, detail in await session.execute(query)]


async def _read_conversations(session: AsyncSession, ids: Sequence[int]) -> list[ConversationSummary]:
    """What lists show of each, in this order, with two queries for all of them; without those that are not there."""
    last = (
        select(TurnRow.id)
        .where(TurnRow.conversation_id == ConversationRow.id)
        .order_by(TurnRow.started_at.desc(), TurnRow.id.desc())
        .limit(1)
        .correlate(ConversationRow)
        .scalar_subquery()
    )
    # The last turns' ids first: one look-up in an index for each, also where one has a hundred thousand turns.
    found = (await session.execute(select(ConversationRow, last).where(ConversationRow.id.in_(ids)))).all()
    last_ids = [turn for _, turn in found if turn is not None]
    turns = {turn.id: turn for turn in await session.scalars(select(TurnRow).where(TurnRow.id.in_(last_ids)))}
    by_id = {row.id: _conversation(row, _summary(turns[turn]) if turn in turns else None) for row, turn in found}
    return [by_id[each] for each in ids if each in by_id]


def _conversation(row: ConversationRow, last_turn: TurnSummary | None) -> ConversationSummary:
    same = {name: getattr(row, name) for name in _OF_CONVERSATION}
    return ConversationSummary(key=row.shown_key, last_turn=last_turn, **same)


def _no_turn() -> TurnNotFound:
    return TurnNotFound(
        "There is no such turn. It is written a second after its end, and deleted after HISTORY_DAYS days."
    )


def _summary(row: TurnRow) -> TurnSummary:
    return TurnSummary(**{each.name: getattr(row, each.name) for each in fields(TurnSummary)})


def _detail(row: TurnRow, detail: TurnDetailRow) -> TurnDetail:
    rest = {each.name: getattr(detail, each.name) for each in fields(TurnDetail) if each.name != "summary"}
    return TurnDetail(summary=_summary(row), **rest)
