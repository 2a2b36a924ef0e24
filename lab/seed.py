"""Fills a new installation with the life of :mod:`lab.company`: for screenshots, the tests of pages, and to look at.

``python -m lab.seed sqlite:///./seeded.db``, then start the service with that ``DATABASE_URL``.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import func, select, update

from app.accounts.accounts import Accounts, open_accounts
from app.accounts.identity import User
from app.core.permissions import Role
from app.core.sealing import Sealer
from app.core.security import load_secret_key
from app.core.settings import Settings
from app.db.audit import Actor, acting
from app.db.database import Database
from app.db.seed import PROMPT_NAME
from app.history.record import ABANDONED, Span, ToolCallRecord, TurnRecord
from app.history.rows import write
from app.history.store import HistoryStore
from app.models.audit import AuditRow
from app.models.base import Base, utc_now
from app.prompts.store import PromptStore
from app.tools.mcp.rules import McpServerDraft
from app.tools.mcp.store import McpServerStore
from app.tools.store import ToolStore
from app.tools.validation import parse_definition
from app.tools.vault.store import SecretStore
from lab.company import (
    ADDRESSES,
    CALLERS,
    DIALOGUES,
    MCP_SERVERS,
    MODEL,
    PASSWORD,
    PRICES,
    PROMPTS,
    SECOND_MODEL,
    SECRETS,
    TOOLS,
    USERS,
    Dialogue,
    Line,
)

PBX: Final = "kestrel-pbx"
FIRST: Final = "admin"
# Columns that say when something was done.
_MOMENTS: Final = ("at", "created_at", "updated_at", "value_set_at")
# How busy each hour of the day is, in UTC, beside the others.
_BUSY: Final = (1, 1, 1, 1, 1, 2, 4, 9, 18, 24, 26, 22, 17, 20, 24, 22, 19, 16, 13, 9, 6, 4, 2, 1)


@dataclass(frozen=True, slots=True)
class Seeded:
    """Ids of what was made, for the addresses of pages.

    Attributes:
        prompt_id: Has several versions, and a draft that is not published.
        tool_id: Has two versions, and a login.
        secret_id: A tool signs in with it.
        server_id: Of an MCP server that the guard does not let us go to, so that its page answers at once.
        mcp_tool_id: A tool of that server.
        conversation_id, turn_id: With tools in it, and a turn of it.
        failed_turn_id: A turn that failed.
        audit_id: A line with something before and after.
    """

    prompt_id: int
    draft_id: int
    tool_id: int
    secret_id: int
    server_id: int
    mcp_tool_id: int
    user_id: int
    token_id: int
    conversation_id: int
    turn_id: str
    failed_turn_id: str
    audit_id: int


SETTINGS: Final = {"HISTORY_PRICES": json.dumps(PRICES)}
"""For the service that runs on it, so that its pages know what models cost."""


async def seed(url: str, *, conversations: int = 140, now: datetime | None = None) -> Seeded:
    """Fill the database at ``url``, which must be new. Two runs differ only in the moment that all is older than.

    Args:
        conversations: Calls over the last day; each has one to four turns.
        now: Aware; the present if not given.
    """
    now = now or datetime.now(UTC)
    database = Database(url)
    try:
        await database.migrate()
        past = _Past(database, now)
        accounts = open_accounts(database, first=FIRST)
        users = await _users(past, accounts)
        token = await _tokens(past, accounts, users, now)
        secret = await _secrets(past, database, url)
        servers = await _servers(past, McpServerStore(database))
        tools = await _tools(past, ToolStore(database), servers)
        prompts = await _prompts(past, PromptStore(database))
        turns = list(_turns(prompts, conversations, now))
        for start in range(0, len(turns), 200):
            async with database.session() as session:
                await write(session, turns[start : start + 200])
        busy = max((turn for turn in turns if turn.status == "OK"), key=lambda turn: (len(turn.tools), turn.started_at))
        failed = max((turn for turn in turns if turn.error), key=lambda turn: turn.started_at)
        conversation, _ = await HistoryStore(database).place(busy.turn_id)
        async with database.session() as session:
            changed = AuditRow.before.is_not(None) & AuditRow.after.is_not(None) & (AuditRow.kind == "prompt")
            audit = await session.scalar(select(func.max(AuditRow.id)).where(changed))
        return Seeded(
            prompt_id=prompts["receptionist"],
            draft_id=prompts["number porting"],
            tool_id=tools["look_up_customer"],
            secret_id=secret,
            server_id=servers["Spare parts store"],
            mcp_tool_id=tools["find_router"],
            user_id=users["tom"].id or 0,
            token_id=token,
            conversation_id=conversation,
            turn_id=busy.turn_id,
            failed_turn_id=failed.turn_id,
            audit_id=audit or 0,
        )
    finally:
        await database.aclose()


class _Past:
    """Does things now and has them look as if done days ago."""

    def __init__(self, database: Database, now: datetime) -> None:
        self._database = database
        self._now = now

    @asynccontextmanager
    async def ago(self, days: float, by: str) -> AsyncIterator[None]:
        """What is written in the block was written ``days`` ago, by ``by``."""
        begun = utc_now()
        with acting(Actor(by, ADDRESSES.get(by, ""))):
            yield
        then = self._now - timedelta(days=days)
        async with self._database.session() as session:
            for table in Base.metadata.sorted_tables:
                for name in _MOMENTS:
                    if (column := table.columns.get(name)) is not None:
                        await session.execute(update(table).where(column >= begun).values({name: then}))


async def _users(past: _Past, accounts: Accounts) -> dict[str, User]:
    made = {}
    for name, role, days in USERS:
        async with past.ago(days, FIRST):
            record = await accounts.users.create(name, PASSWORD, role, by=FIRST)
        made[name] = User(name, role, record.id)
    async with past.ago(8.2, "maria"):
        await accounts.users.change(made["former-helper"].id or 0, by="maria", disabled=True)
    return made


async def _tokens(past: _Past, accounts: Accounts, users: dict[str, User], now: datetime) -> int:
    first = User(FIRST, Role.ADMINISTRATOR)
    async with past.ago(33.0, FIRST):
        record, _ = await accounts.tokens.create(first, name="prompts from git", role=Role.EDITOR)
    async with past.ago(19.0, "jonas"):
        await accounts.tokens.create(
            users["jonas"], name="wallboard", role=Role.VIEWER, expires_at=now + timedelta(days=70)
        )
    return record.id


async def _secrets(past: _Past, database: Database, url: str) -> int:
    # The key that a service on this database will have, too.
    settings = Settings(_env_file=None, database_url=url)
    store = SecretStore(database, await asyncio.to_thread(Sealer, load_secret_key(settings)))
    made = {}
    for name, value, servers, description, by, days in SECRETS:
        async with past.ago(days, by):
            record = await store.create(name, value, servers=servers, description=description, by=by)
        made[name] = record.id
    async with past.ago(3.4, "maria"):
        await store.change("billing-password", value="another-example-of-a-password", by="maria")
    return made["noc-api-token"]


async def _servers(past: _Past, store: McpServerStore) -> dict[str, int]:
    made = {}
    for name, url, by, days in MCP_SERVERS:
        async with past.ago(days, by):
            record = await store.create(McpServerDraft(name, url=url), by=by)
        made[name] = record.server.id
    return made


async def _tools(past: _Past, store: ToolStore, servers: dict[str, int]) -> dict[str, int]:
    made = {}
    for fields, by, days in TOOLS:
        if "server" in fields["request"]:
            fields = {**fields, "request": {**fields["request"], "server": servers[fields["request"]["server"]]}}
        async with past.ago(days, by):
            record = await store.create(parse_definition(fields), by=by)
        made[record.definition.name] = record.definition.id
    name = "look_up_customer"
    better = {**TOOLS[0][0], "description": f"{TOOLS[0][0]['description']} Never guess the number."}
    async with past.ago(10.3, "tom"):
        await store.save(
            made[name], parse_definition(better), by="tom", expected_version=None, note="It made numbers up"
        )
    return made


async def _prompts(past: _Past, store: PromptStore) -> dict[str, int]:
    made = {PROMPT_NAME: (await store.find(PROMPT_NAME)).prompt.id}
    for name, versions in PROMPTS.items():
        for saved in versions:
            async with past.ago(saved.days, saved.by):
                if name in made:
                    await store.save(made[name], saved.draft, by=saved.by, expected_version=None, publish=saved.publish)
                else:
                    record = await store.create(saved.draft, by=saved.by, publish=saved.publish)
                    made[name] = record.prompt.id
    return made


# -- calls


def _turns(prompts: dict[str, int], conversations: int, now: datetime) -> Iterator[TurnRecord]:
    dice = random.Random(7)
    minutes = [now - timedelta(minutes=minute) for minute in range(4, 24 * 60)]
    starts = sorted(dice.choices(minutes, [_BUSY[minute.hour] for minute in minutes], k=conversations))
    for number, start in enumerate(starts):
        dialogue = dice.choices(DIALOGUES, [each.weight for each in DIALOGUES])[0]
        if number == conversations - 2:  # so that one with tools is always among the newest
            dialogue = max(DIALOGUES, key=lambda each: max(len(line.tools) for line in each.lines))
        at = start
        for turn, line in enumerate(dialogue.lines, 1):
            record = _turn(f"{number:08x}{turn:08x}", number, turn, dialogue, line, prompts[dialogue.prompt], at, dice)
            yield record
            at += timedelta(milliseconds=record.elapsed_ms, seconds=dice.uniform(6, 15))


def _turn(
    turn_id: str,
    number: int,
    turn: int,
    dialogue: Dialogue,
    line: Line,
    prompt_id: int,
    at: datetime,
    dice: random.Random,
) -> TurnRecord:
    caller, name = CALLERS[number % len(CALLERS)]
    model = SECOND_MODEL if dialogue.prompt == "after the call" else MODEL
    think = dice.lognormvariate(6.3, 0.35) if line.status != "TIMEOUT" else 8_000.0
    if line.error.startswith("provider"):
        think = dice.uniform(90, 200)
    tools, spans = _work(line, model, think, dice)
    latency = spans[-1].start_ms + spans[-1].elapsed_ms
    answered = line.status == "OK"
    tokens = (dice.randint(420, 900) + 80 * turn, dice.randint(18, 70)) if answered else (0, 0)
    price = PRICES[model]
    variables = {"caller_number": caller, "called_number": "100", "language": "en"}
    if name:
        variables["caller_name"] = name
    shown = f"1795{number:06}.{number * 2 + 11}"
    return TurnRecord(
        turn_id=turn_id,
        conversation=f"{PBX}:{shown}",
        pbx=PBX,
        shown_conversation=shown,
        channel_id=shown,
        caller_number=caller,
        caller_name=name,
        called_number="100",
        prompt_id=prompt_id,
        prompt_name=dialogue.prompt,
        prompt_version=len([each for each in PROMPTS[dialogue.prompt] if each.publish])
        + (dialogue.prompt == PROMPT_NAME),
        status=line.status,
        error=line.error,
        detail=line.detail,
        model=model,
        number=turn,
        caller_text=line.caller,
        answer_text=line.answer,
        action=line.action,
        action_data=line.target,
        started_at=at,
        latency_ms=0 if line.status == ABANDONED else round(latency),
        elapsed_ms=round(latency) + dice.randint(3, 9),
        first_text_ms=round(latency * 0.7, 1) if answered else None,
        input_tokens=tokens[0],
        output_tokens=tokens[1],
        cost_micros=round(tokens[0] * price["input"] + tokens[1] * price["output"]),
        output=dialogue.output,
        variables=variables,
        returned=_returned(line, dialogue, model, turn, latency),
        tools=tools,
        spans=(*spans, Span("delivery", "", round(latency, 1), round(dice.uniform(2, 8), 1))),
    )


def _work(line: Line, model: str, think: float, dice: random.Random) -> tuple[tuple[ToolCallRecord, ...], list[Span]]:
    """The tool calls of a turn, and where its time went, in their order; the last one ends with the answer."""
    at = dice.uniform(1.5, 4.0)
    spans = [Span("ari", "", 0.2, round(at, 1)), Span("memory", "load", round(at, 1), 1.4)]
    begin = at + 1.6
    at, tools = begin + think * (0.5 if line.tools else 1.0), []
    for tool in line.tools:
        ms = round(tool.ms * dice.uniform(0.8, 1.2) if tool.error is None else tool.ms, 1)
        tools.append(
            ToolCallRecord(tool.name, tool.arguments, tool.result, tool.error is None, tool.error, round(at, 1), ms)
        )
        spans.append(Span("tool", tool.name, round(at, 1), ms))
        at += ms + think * 0.3
    spans.insert(2, Span("model", model, round(begin, 1), round(at - begin, 1)))
    if line.status == "OK":
        spans.append(Span("first_text", "", round(begin, 1), round((at - begin) * 0.7, 1)))
        spans.append(Span("memory", "save", round(at, 1), 1.1))
    else:
        spans.append(spans.pop(2))
    return tuple(tools), spans


def _returned(line: Line, dialogue: Dialogue, model: str, turn: int, latency: float) -> dict[str, str]:
    if line.status == ABANDONED:
        return {}
    said = line.answer or "I am sorry, I did not get that. I will put you through to a colleague."
    returned: dict[str, Any] = {
        "AI_STATUS": line.status,
        "AI_RESPONSE": said,
        "AI_RESPONSE_COUNT": 1,
        "AI_RESPONSE_1": said,
        "AI_ACTION": line.action,
        "AI_ACTION_DATA": line.target,
        "AI_ERROR": line.error,
        "AI_MODEL_USED": model,
        "AI_TURN": turn,
        "AI_LATENCY_MS": round(latency),
        **{f"AI_OUT_{name.upper()}": value for name, value in dialogue.output.items()},
    }
    return {name: str(value) for name, value in returned.items()}


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m lab.seed DATABASE_URL")
    print(asyncio.run(seed(sys.argv[1])))
