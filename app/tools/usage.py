"""Who uses a tool: the prompts that may call it, and the turns that did."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import and_, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.database import Database
from app.models.base import utc_now
from app.models.names import name_key
from app.models.prompt import PromptRow, PromptVersionRow
from app.models.turn import TurnRow, TurnToolRow
from app.tools.writes import find_row

USED_WITHIN: Final = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class UsingPrompt:
    """A prompt that names the tool.

    Attributes:
        published: In the version that calls use.
        latest: In the newest version, which may be a draft.
    """

    id: int
    name: str
    published: bool
    latest: bool


@dataclass(frozen=True, slots=True)
class ToolUsage:
    """Who uses a tool.

    Attributes:
        prompts: Those that name it, by name.
        with_all_tools: Published prompts that choose no tools, and so are offered all that are enabled.
        turns: Turns that called it within :data:`USED_WITHIN`, under the name that it has today.
        failed: Of its calls in those turns, how many went wrong.
        last_used: When such a turn last began; aware, UTC.
    """

    prompts: Sequence[UsingPrompt]
    with_all_tools: int
    turns: int
    failed: int
    last_used: datetime | None


async def read_usage(database: Database, tool_id: int) -> ToolUsage:
    """Who uses the tool. Raises ToolNotFound, DatabaseUnavailable."""
    async with database.session() as session:
        row = await find_row(session, tool_id)
        prompts, with_all = await _prompts(session, row.name_key)
        turns, failed, last = await _turns(session, row.name)
    return ToolUsage(prompts, with_all, turns, failed, last)


async def _prompts(session: AsyncSession, key: str) -> tuple[list[UsingPrompt], int]:
    version = PromptVersionRow
    rows = await session.execute(
        select(PromptRow.id, PromptRow.name, PromptRow.published_version, PromptRow.latest_version, version.number)
        .add_columns(version.tools)
        .join(
            version,
            and_(
                version.prompt_id == PromptRow.id,
                or_(version.number == PromptRow.published_version, version.number == PromptRow.latest_version),
            ),
        )
        .order_by(PromptRow.name_key)
    )
    found: dict[int, UsingPrompt] = {}
    with_all = 0
    for id, name, published, latest, number, tools in rows:
        if tools is None:
            with_all += number == published
        elif key in map(name_key, tools):
            earlier = found.get(id)
            found[id] = UsingPrompt(
                id,
                name,
                published=number == published or (earlier is not None and earlier.published),
                latest=number == latest or (earlier is not None and earlier.latest),
            )
    return list(found.values()), with_all


async def _turns(session: AsyncSession, name: str) -> tuple[int, int, datetime | None]:
    # Rows of turns are written in the order in which turns end, so that the first one's id cuts off the older ones
    # without reading the turns of all that called the tool.
    first = await session.scalar(
        select(TurnRow.id).where(TurnRow.started_at >= utc_now() - USED_WITHIN).order_by(TurnRow.started_at).limit(1)
    )
    if first is None:
        return 0, 0, None
    tool = TurnToolRow
    turns, failed, last = (
        await session.execute(
            select(func.count(), func.sum(tool.failed), func.max(tool.turn_row_id)).where(
                tool.name == name, tool.turn_row_id >= first
            )
        )
    ).one()
    used = None if last is None else await session.scalar(select(TurnRow.started_at).where(TurnRow.id == last))
    return turns, int(failed or 0), used
