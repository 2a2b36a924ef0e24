"""An installation that has been in use for two months: turns, versions of prompts, tools."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from app.db.database import Database
from app.history.record import Span, ToolCallRecord, TurnRecord
from app.history.rows import write
from app.prompts.draft import PromptDraft
from app.prompts.store import PromptStore
from app.tools.definition import Behaviour, RequestSpec, ResultSpec, ToolDefinition
from app.tools.store import ToolStore

DAYS = 60
_BATCH = 500
_SPEECH = (
    "the order number delivery tomorrow chair table coffee machine please when open monday friday hello thanks "
    "problem broken invoice address street appointment doctor transfer colleague name spell again question account"
)
_WORDS = _SPEECH.split()
_STATUSES = ("OK", "TIMEOUT", "ERROR", "ABANDONED", "BUSY")
_SHARES = (94.0, 2.0, 2.0, 1.9, 0.1)
# Prompts with few versions, and one that was worked on for long.
_PROMPTS = 50


@dataclass(frozen=True, slots=True)
class Volume:
    """How much there is."""

    turns: int = 100_000
    versions: int = 1_000
    tools: int = 200


async def fill(database: Database, volume: Volume) -> None:
    """Fill an empty, migrated database. The same every time but for the present moment, which all is older than."""
    dice = random.Random(22)
    await _prompts(PromptStore(database), volume.versions, dice)
    await _tools(ToolStore(database), volume.tools)
    batch: list[TurnRecord] = []
    for turn in _turns(volume, dice):
        batch.append(turn)
        if len(batch) == _BATCH:
            await _write(database, batch)
            batch = []
    if batch:
        await _write(database, batch)


async def _write(database: Database, batch: list[TurnRecord]) -> None:
    async with database.session() as session:
        await write(session, batch)


def _sentence(dice: random.Random, words: int) -> str:
    return " ".join(dice.choices(_WORDS, k=words))


def _prompt(number: int) -> str:
    return f"department {number:02}"


async def _prompts(store: PromptStore, versions: int, dice: random.Random) -> None:
    ids = []
    for number in range(min(_PROMPTS, versions)):
        record = await store.create(PromptDraft(_prompt(number), _content(dice)), by="bench")
        ids.append(record.prompt.id)
    for number in range(versions - len(ids)):
        # Half of all versions belong to one prompt.
        which = 0 if number % 2 else number % len(ids)
        draft = PromptDraft(_prompt(which), _content(dice), note=f"Change {number}")
        await store.save(ids[which], draft, by="bench", expected_version=None)


def _content(dice: random.Random) -> str:
    lines = [_sentence(dice, 12) for _ in range(40)]
    return "You answer {{ caller_number }}.\n" + "\n".join(lines)


async def _tools(store: ToolStore, tools: int) -> None:
    schema = {
        "type": "object",
        "properties": {
            "order_id": {"type": "string", "description": "As on the invoice."},
            "kind": {"type": "string", "enum": ["open", "closed"]},
        },
        "required": ["order_id"],
    }
    for number in range(tools):
        request = RequestSpec("GET", f"http://127.0.0.1:9/{number}/orders/{{{{ order_id }}}}")
        what = f"Looks up an order in the system of department {number}."
        definition = ToolDefinition(
            0,
            0,
            f"look_up_{number}",
            what,
            schema,
            request,
            bound={"kind": "{{ call.kind }}"},
            result=ResultSpec("orders[0].{state: state, arrives: delivery.date}", statuses={"404": "No such order."}),
            behaviour=Behaviour(retries=1, cache_seconds=30.0),
        )
        await store.create(definition, by="bench")


def _turns(volume: Volume, dice: random.Random) -> Iterator[TurnRecord]:
    now = datetime.now(UTC)
    step = timedelta(days=DAYS) / volume.turns
    for number in range(volume.turns):
        yield _turn(number, now - step * (volume.turns - number), volume, dice)


def _turn(number: int, at: datetime, volume: Volume, dice: random.Random) -> TurnRecord:
    status = dice.choices(_STATUSES, _SHARES)[0]
    latency = int(dice.lognormvariate(6.7, 0.5))
    which = dice.randrange(min(_PROMPTS, volume.versions))
    tools = (_tool(dice, volume.tools, latency),) if number % 4 == 0 and volume.tools else ()
    values: dict[str, Any] = {} if status == "OK" else {"error": "turn_timeout", "detail": "The model did not answer."}
    return TurnRecord(
        turn_id=f"{number:016x}",
        conversation=f"pbx:{number // 3}",
        pbx="pbx",
        shown_conversation=f"{number // 3}",
        channel_id=f"{number}.1",
        caller_number=f"+49151{(number // 3) % 9_000_000 + 1_000_000}",
        caller_name="",
        called_number="100",
        prompt_id=which + 1,
        prompt_name=_prompt(which),
        prompt_version=1,
        status=status,
        model="openai:gpt-6-luna",
        number=number % 3 + 1,
        caller_text=_sentence(dice, 12),
        answer_text=_sentence(dice, 25) if status == "OK" else "",
        action="",
        action_data="",
        started_at=at,
        latency_ms=latency,
        elapsed_ms=latency + 4,
        first_text_ms=latency / 2,
        input_tokens=400,
        output_tokens=60,
        cost_micros=900,
        variables={"caller_number": "+49"},
        returned={"AI_STATUS": status, "AI_RESPONSE": _sentence(dice, 25)},
        tools=tools,
        spans=(
            Span("ari", "", 0.0, 2.0),
            Span("memory", "load", 2.0, 1.0),
            Span("model", "openai:gpt-6-luna", 3.0, latency - 5.0),
            Span("delivery", "", latency, 4.0),
        ),
        **{"error": "", "detail": "", **values},
    )


def _tool(dice: random.Random, tools: int, latency: int) -> ToolCallRecord:
    name = f"look_up_{dice.randrange(tools)}"
    return ToolCallRecord(name, {"order_id": "A1042"}, '{"status": "shipped"}', True, None, 10.0, latency / 4)
