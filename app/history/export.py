"""Turns as CSV and as JSON lines, a piece at a time."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator
from dataclasses import asdict, fields
from typing import Any, Final

from app.core.any_json import any_json
from app.history.records import ConversationSummary, TurnDetail, TurnSummary

_SUMMARY: Final = tuple(each.name for each in fields(TurnSummary))
COLUMNS: Final = (*_SUMMARY, "caller_name", "called_number", "detail", "action_data", "tools")
# What spreadsheets take for the beginning of a formula: https://owasp.org/www-community/attacks/CSV_Injection
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # full width counts too


async def as_json_lines(turns: AsyncIterator[TurnDetail]) -> AsyncIterator[bytes]:
    """One JSON object a line, with all fields."""
    async for turn in turns:
        whole = asdict(turn)
        yield any_json({**whole.pop("summary"), **whole}) + b"\n"


async def as_json(conversation: ConversationSummary, turns: AsyncIterator[TurnDetail]) -> AsyncIterator[bytes]:
    """One JSON object: the conversation, with its turns as ``turns``."""
    head = asdict(conversation)
    # Their number would stand under the same name as the turns themselves.
    del head["last_turn"], head["turns"]
    yield any_json(head)[:-1] + b',"turns":['
    comma = b""
    async for line in as_json_lines(turns):
        yield comma + line
        comma = b","
    yield b"]}\n"


async def as_csv(turns: AsyncIterator[TurnDetail]) -> AsyncIterator[bytes]:
    """A line of names, then one for each turn, as RFC 4180 has it; UTF-8 with the mark that spreadsheets look for."""
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(COLUMNS)
    yield b"\xef\xbb\xbf" + _taken(buffer)
    async for turn in turns:
        values: list[Any] = [getattr(turn.summary, name) for name in _SUMMARY]
        names = ", ".join(str(tool["name"]) for tool in turn.tools)
        values += [turn.caller_name, turn.called_number, turn.detail, turn.action_data, names]
        writer.writerow([safe_cell(value) for value in values])
        yield _taken(buffer)


def safe_cell(value: Any) -> Any:
    """A cell that no spreadsheet runs: a text that would be a formula gets an apostrophe before it. So does a number of
    a caller that begins with a plus, which would lose it otherwise."""
    if isinstance(value, str):
        return f"'{value}" if value.startswith(_FORMULA) else value
    return value.isoformat() if hasattr(value, "isoformat") else value


def _taken(buffer: io.StringIO) -> bytes:
    text = buffer.getvalue()
    buffer.seek(0)
    buffer.truncate()
    return text.encode()
