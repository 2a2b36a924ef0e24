"""Nothing that is to stay unsaid reaches the queue."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import Any

from app.core.settings import Price, Settings
from app.history.export import as_csv, safe_cell
from app.history.journal import Journal, cost_micros
from app.history.live import LiveHub
from app.history.record import TurnRecord
from app.history.records import TurnDetail
from app.history.redaction import LONGEST_TEXT, Redaction
from tests.history.conftest import START, make_tool, make_turn

CARD = r"\b[0-9]{16}\b"


class Kept:
    """A recorder that only keeps."""

    def __init__(self) -> None:
        self.records: list[TurnRecord] = []

    def record(self, record: TurnRecord) -> None:
        self.records.append(record)


def journal(**settings: Any) -> tuple[Journal, list[TurnRecord], LiveHub]:
    kept: Any = Kept()
    live = LiveHub()
    return Journal(Settings(_env_file=None, **settings), kept, live), kept.records, live


def test_what_expressions_match_is_masked_in_every_place() -> None:
    card = "4111111111111111"
    record = make_turn(
        caller_text=f"it is {card}",
        answer_text=f"thanks, {card}",
        detail=card,
        action_data=card,
        variables={"custom": card},
        returned={"AI_RESPONSE": card},
        output={"deep": [{"number": int(card)}], "other": 4},
        tools=(
            make_tool(
                arguments={"card": int(card), "list": [card]},
                result=f'{{"card": {card}}}',
                request={
                    "method": "POST",
                    "url": f"https://bank.test/{card}",
                    "headers": {"X-Card": card},
                    "body": card,
                },
            ),
        ),
    )
    kept = Redaction(expressions=[CARD]).turn(record)
    assert card not in repr(kept)
    assert kept.caller_text == "it is ***"
    assert kept.output == {"deep": [{"number": "***"}], "other": 4}
    assert kept.tools[0].arguments == {"card": "***", "list": ["***"]}


def test_what_a_request_holds_is_found_however_it_is_encoded() -> None:
    request = {
        "method": "POST",
        "url": "https://shop.test/a%2Fb?mail=ada%40example.org&card=4111+1111+1111+1111",
        "headers": {"X-Mail": "ada%40example.org"},
        "body": "mail=ada%40example.org&note=fine",
    }
    told = Redaction(expressions=[r"[\w.]+@[\w.]+", r"(?:\d{4} ?){4}"])
    assert told.tool(make_tool(request=request)).request == {
        "method": "POST",
        "url": "https://shop.test/a/b?mail=***&card=***",
        "headers": {"X-Mail": "***"},
        "body": "mail=***&note=fine",
    }
    harmless = {**request, "url": "https://shop.test/a%2Fb?c=d+e", "headers": {}, "body": None}
    assert told.tool(make_tool(request=harmless)).request == harmless
    assert told.tool(make_tool()).request is None


def test_error_sentences_are_looked_through_where_no_texts_are_kept_either() -> None:
    kept = Redaction(texts=False, expressions=[CARD]).turn(make_turn(detail="refused: 4111111111111111"))
    assert kept.detail == "refused: ***"


def test_without_texts_no_word_is_left_and_what_happened_is() -> None:
    record = make_turn(
        caller_text="WORD",
        answer_text="WORD",
        action="transfer",
        action_data="WORD",
        variables={"a": "WORD"},
        output={"a": "WORD"},
        returned={"AI_STATUS": "OK", "AI_RESPONSE": "WORD", "AI_RESPONSE_1": "WORD", "AI_OUT_A": "WORD"},
        tools=(make_tool(arguments={"a": "WORD"}, result="WORD", request={"url": "https://shop.test/WORD"}),),
    )
    kept = Redaction(texts=False).turn(record)
    assert "WORD" not in repr(kept)
    assert (kept.status, kept.action, kept.tools[0].name) == ("OK", "transfer", "get_order_status")
    assert kept.returned == {"AI_STATUS": "OK"}


def test_an_expression_that_takes_too_long_costs_the_text_and_not_the_time() -> None:
    slow = Redaction(expressions=[r"(a|aa|b?a)+$"])
    begun = time.monotonic()
    kept = slow.turn(make_turn(caller_text="a" * 5000 + "!", answer_text="fine"))
    assert time.monotonic() - begun < 0.5
    assert kept.caller_text == "***"


def test_a_text_without_end_is_cut() -> None:
    assert len(Redaction().turn(make_turn(caller_text="x" * 100_000)).caller_text) == LONGEST_TEXT


async def test_who_watches_sees_no_more_than_is_kept() -> None:
    told, records, live = journal(history_redact=[CARD])
    with live.watching() as watcher:
        told.turn_started(
            "t", conversation="c", caller_number="1", prompt="main", caller_text="4111111111111111", at=START
        )
        told.tool_finished("t", make_tool(result="4111111111111111"))
        told.turn_ended(make_turn(caller_text="4111111111111111"))
        live.close()
        watcher._closed = False  # what was there before the end
        events: AsyncIterator[Any] = watcher.events(1.0)
        seen = [await anext(events) for _ in range(3)]
    assert [event.kind for event in seen] == ["turn_started", "tool_finished", "turn_ended"]
    assert "4111" not in repr(seen)
    assert records[0].caller_text == "***"


def test_zero_days_keep_nothing() -> None:
    told, records, _ = journal(history_days=0)
    told.turn_ended(make_turn())
    assert records == []


def test_a_record_that_is_broken_fails_no_call() -> None:
    told, records, _ = journal(history_redact=[CARD])
    broken: Any = 5
    told.turn_ended(make_turn(tools=broken))
    assert records == []


def test_a_turn_costs_its_tokens_at_the_models_price() -> None:
    prices = {"test:model": Price(input=0.25, output=2.0)}
    record = make_turn(input_tokens=1000, output_tokens=100)
    assert cost_micros(prices, record) == 450
    assert cost_micros({}, record) is None


def test_telling_the_journal_of_a_turn_takes_far_less_than_a_millisecond() -> None:
    told, records, _ = journal(history_redact=[CARD, r"[\w.]+@[\w.]+"])
    record = make_turn(tools=(make_tool(), make_tool()))
    begun = time.perf_counter()
    for _ in range(200):
        told.turn_ended(record)
    assert (time.perf_counter() - begun) / 200 < 0.001
    assert len(records) == 200


def test_a_cell_that_would_be_a_formula_is_text() -> None:
    for text in ('=HYPERLINK("http://x")', "+1", "-1", "@x", "\t=1", "\r=1", "＝1"):
        assert safe_cell(text) == f"'{text}"
    assert safe_cell("a=1") == "a=1"
    assert safe_cell(-5) == -5


async def test_an_empty_export_still_names_its_columns() -> None:
    async def none() -> AsyncIterator[TurnDetail]:
        return
        yield

    pieces = [piece async for piece in as_csv(none())]
    assert len(pieces) == 1
    assert pieces[0].startswith(b"\xef\xbb\xbfconversation_id,turn_id,")
