"""Turns into the tables, a batch at a time and each statement for all of it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any, Final

from sqlalchemy import func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.any_json import any_json
from app.db.engine import SQLITE_BEGIN
from app.history.record import FINE, Span, ToolCallRecord, TurnRecord
from app.models.conversation import (
    CALLER_NAME_LENGTH,
    CONVERSATION_KEY_LENGTH,
    NUMBER_LENGTH,
    WORD_LENGTH,
    ConversationRow,
)
from app.models.names import NAME_LENGTH
from app.models.turn import (
    CHANNEL_LENGTH,
    ERROR_LENGTH,
    MODEL_LENGTH,
    TurnDetailRow,
    TurnRow,
    TurnToolRow,
)

# Characters that search looks at, of each text: callers and voices are brief, and each search reads them all.
_SEARCHED: Final = 1_000
_LARGEST: Final = 2**31 - 1
# dataclasses.asdict copies everything on its way down, and took longer than all else that is done for a turn's rows.
_OF_SPAN: Final = tuple(each.name for each in fields(Span))
_OF_TOOL: Final = tuple(each.name for each in fields(ToolCallRecord))
# Levels of a JSON value; what lies deeper is kept as text. Writers of JSON give up at a few hundred.
_DEEPEST: Final = 50


async def write(session: AsyncSession, records: Sequence[TurnRecord]) -> None:
    """Write turns, and add them to their conversations. Those that are there already are passed over.

    Raises:
        sqlalchemy.exc.IntegrityError: another instance began one of these conversations at the same moment; the same
            again works.
    """
    # Before anything is read: a reader that becomes a writer fails on SQLite where another one wrote meanwhile.
    await session.connection(execution_options={SQLITE_BEGIN: "IMMEDIATE"})
    written = set(
        await session.scalars(select(TurnRow.turn_id).where(TurnRow.turn_id.in_([r.turn_id for r in records])))
    )
    fresh = list({r.turn_id: r for r in records if r.turn_id not in written}.values())
    if not fresh:
        return
    conversations = await _conversations(session, fresh)
    await session.execute(insert(TurnRow), [_turn(r, conversations[stored_key(r.conversation)]) for r in fresh])
    found = await session.execute(
        select(TurnRow.turn_id, TurnRow.id).where(TurnRow.turn_id.in_([r.turn_id for r in fresh]))
    )
    ids = dict(found.all())
    await session.execute(insert(TurnDetailRow), [_detail(r, ids[r.turn_id]) for r in fresh])
    tools = [row for r in fresh for row in _tools(r, ids[r.turn_id])]
    if tools:
        await session.execute(insert(TurnToolRow), tools)


def stored_key(conversation: str) -> str:
    """A conversation's key as the table has it: one that is too long ends in a digest, so that no two become one."""
    key = clean(conversation)
    if len(key) <= CONVERSATION_KEY_LENGTH:
        return key
    digest = hashlib.sha256(key.encode()).hexdigest()
    return f"{key[: CONVERSATION_KEY_LENGTH - len(digest) - 1]}#{digest}"


def clean(text: str) -> str:
    """Text that every database takes: PostgreSQL has no NUL, and none has half of a character pair."""
    return text.replace("\0", "").encode(errors="replace").decode() if text else text


async def _conversations(session: AsyncSession, records: Sequence[TurnRecord]) -> Mapping[str, int]:
    """The ids of the records' conversations, which are made or raised."""
    groups: dict[str, list[TurnRecord]] = {}
    for record in records:
        groups.setdefault(stored_key(record.conversation), []).append(record)
    there = set(await session.scalars(select(ConversationRow.memory_key).where(ConversationRow.memory_key.in_(groups))))
    if new := [_conversation(key, group) for key, group in groups.items() if key not in there]:
        await session.execute(insert(ConversationRow), new)
    # In the order of their keys, so that two instances never wait for each other.
    for key in sorted(there):
        await session.execute(
            update(ConversationRow).where(ConversationRow.memory_key == key).values(_raise(groups[key]))
        )
    rows = await session.execute(
        select(ConversationRow.memory_key, ConversationRow.id).where(ConversationRow.memory_key.in_(groups))
    )
    return dict(rows.all())


def _sums(group: Sequence[TurnRecord]) -> dict[str, int]:
    return {
        "turns": len(group),
        "failed_turns": sum(r.status not in FINE for r in group),
        "input_tokens": sum(r.input_tokens for r in group),
        "output_tokens": sum(r.output_tokens for r in group),
    }


def _conversation(key: str, group: Sequence[TurnRecord]) -> dict[str, Any]:
    last = max(group, key=lambda r: r.started_at)
    costs = [r.cost_micros for r in group if r.cost_micros is not None]
    return {
        "memory_key": key,
        "pbx": _cut(last.pbx, NAME_LENGTH),
        "shown_key": _cut(last.shown_conversation, CONVERSATION_KEY_LENGTH),
        "caller_number": _cut(last.caller_number, NUMBER_LENGTH),
        "caller_name": _cut(last.caller_name, CALLER_NAME_LENGTH),
        "started_at": min(r.started_at for r in group),
        "last_at": last.started_at,
        "last_status": _cut(last.status, WORD_LENGTH),
        "prompt_name": _cut(last.prompt_name, NAME_LENGTH),
        "cost_micros": sum(costs) if costs else None,
        **_sums(group),
    }


def _raise(group: Sequence[TurnRecord]) -> dict[str, Any]:
    new = _conversation("", group)
    values: dict[str, Any] = {name: getattr(ConversationRow, name) + more for name, more in _sums(group).items()}
    values |= {"last_at": new["last_at"], "last_status": new["last_status"]}
    if new["cost_micros"] is not None:
        values["cost_micros"] = func.coalesce(ConversationRow.cost_micros, 0) + new["cost_micros"]
    # A channel that was released, or refused, may be known by its id alone.
    for name in ("caller_number", "caller_name", "prompt_name"):
        if new[name]:
            values[name] = new[name]
    return values


def _turn(record: TurnRecord, conversation_id: int) -> dict[str, Any]:
    caller, answer = clean(record.caller_text), clean(record.answer_text)
    return {
        "conversation_id": conversation_id,
        "turn_id": record.turn_id,
        "started_at": record.started_at,
        "minute": int(record.started_at.timestamp() // 60),
        "status": _cut(record.status, WORD_LENGTH),
        "error": _cut(record.error, ERROR_LENGTH),
        "caller_number": _cut(record.caller_number, NUMBER_LENGTH),
        "channel_id": _cut(record.channel_id, CHANNEL_LENGTH),
        "prompt_id": record.prompt_id,
        "prompt_name": _cut(record.prompt_name, NAME_LENGTH),
        "prompt_version": record.prompt_version,
        "model": _cut(record.model, MODEL_LENGTH),
        "number": _whole(record.number),
        "action": _cut(record.action, NAME_LENGTH),
        "latency_ms": _whole(record.latency_ms),
        "elapsed_ms": _whole(record.elapsed_ms),
        "first_text_ms": record.first_text_ms,
        "input_tokens": _whole(record.input_tokens),
        "output_tokens": _whole(record.output_tokens),
        "cost_micros": record.cost_micros,
        "caller_text": caller,
        "answer_text": answer,
        "search_text": f"{caller[:_SEARCHED]}\n{answer[:_SEARCHED]}".casefold(),
    }


def _detail(record: TurnRecord, turn_row_id: int) -> dict[str, Any]:
    return {
        "turn_row_id": turn_row_id,
        "caller_name": _cut(record.caller_name, CALLER_NAME_LENGTH),
        "called_number": _cut(record.called_number, NUMBER_LENGTH),
        "detail": clean(record.detail),
        "action_data": clean(record.action_data),
        "output": _json(record.output),
        "variables": _json(record.variables),
        "returned": _json(record.returned),
        "tools": [_json({name: getattr(tool, name) for name in _OF_TOOL}) for tool in record.tools],
        "spans": [{name: getattr(span, name) for name in _OF_SPAN} for span in record.spans],
    }


def _tools(record: TurnRecord, turn_row_id: int) -> list[dict[str, Any]]:
    rows: dict[str, dict[str, Any]] = {}
    for tool in record.tools:
        name = _cut(tool.name, NAME_LENGTH)
        row = rows.setdefault(name, {"turn_row_id": turn_row_id, "name": name, "calls": 0, "failed": 0})
        row["calls"] += 1
        row["failed"] += not tool.ok
    return list(rows.values())


def _cut(text: str, length: int) -> str:
    return clean(text)[:length]


def _whole(number: int) -> int:
    return max(0, min(number, _LARGEST))


def _json(value: Any, depth: int = 0) -> Any:
    """A JSON value that every database takes, and every reader."""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, Mapping | list | tuple) and depth >= _DEEPEST:
        return clean(any_json(value).decode())
    if isinstance(value, Mapping):
        return {clean(str(name)): _json(inner, depth + 1) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_json(inner, depth + 1) for inner in value]
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return str(value)
    return value if value is None or isinstance(value, bool | int | float) else str(value)
