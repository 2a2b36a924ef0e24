"""The pages of calls, as a browser gets them."""

from __future__ import annotations

import re
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest
from sqlalchemy import text

from app.api.parts import Parts
from app.calls.outcome import Status
from app.core.errors import GatewayError
from app.core.permissions import Role
from app.history.record import ABANDONED, UNDELIVERED, Span
from app.history.rows import write
from app.web import calls
from app.web.call_query import CallQuery
from app.web.call_words import ERRORS, STATUSES, TOOL_ERRORS
from app.web.calls import clip, money, pretty
from tests.api.conftest import client_for
from tests.history.conftest import START, make_tool, make_turn

SCRIPT = "<script>alert(1)</script>"
NOW = datetime(2026, 11, 22, 12, 30, tzinfo=UTC)


async def fill(parts: Parts, *turns: Any) -> None:
    async with parts.database.session() as session:
        await write(session, turns)


async def page(
    client: httpx2.AsyncClient, path: str = "", query: dict[str, str] | None = None, *, code: int = 200
) -> str:
    answer = await client.get(f"/ui/calls{path}", params=query)
    assert answer.status_code == code, answer.text
    return answer.text


# -- the list


async def test_an_installation_without_calls_says_so(client: httpx2.AsyncClient) -> None:
    assert "There were no calls yet" in await page(client)


async def test_each_conversation_is_a_row_with_what_was_last_said(client: httpx2.AsyncClient, parts: Parts) -> None:
    await fill(
        parts,
        make_turn(1, cost_micros=480),
        make_turn(2, conversation="pbx:1", status="TIMEOUT", error="turn_timeout", caller_text="Are you there?"),
    )
    html = await page(client)
    for words in ("<strong>1</strong> conversation", "Are you there?", "1 failed", "Too late", "TIMEOUT", "0.00048"):
        assert words in html, words
    assert '<time datetime="2026-11-20T12:02:00.000+00:00" data-exact>2026-11-20 12:02:00 UTC</time>' in html


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"status": "TIMEOUT"}, {"2"}),
        ({"status": "FAILED"}, {"2"}),
        ({"number": "300"}, {"3"}),
        ({"prompt": "other"}, {"3"}),
        ({"tool": "weather"}, {"1"}),
        ({"text": "ORDER"}, {"1", "2"}),
        ({"from": "2026-11-20T12:02", "to": "2026-11-20T12:03"}, {"2"}),
        ({"from": "", "to": "", "status": "", "number": "", "prompt": "", "tool": "", "text": ""}, {"1", "2", "3"}),
        ({"when": "hour"}, set()),
    ],
)
async def test_filters_stand_in_the_address_and_are_summed_up(
    client: httpx2.AsyncClient, parts: Parts, query: dict[str, str], found: set[str]
) -> None:
    await fill(
        parts,
        make_turn(1, tools=(make_tool("weather"),)),
        make_turn(2, status="TIMEOUT", error="turn_timeout"),
        make_turn(3, caller_number="300", prompt_name="other", caller_text="Hello"),
    )
    html = await page(client, "", query)
    assert set(re.findall(r'<th scope="row"><a href="/ui/calls/(\d+)">', html)) == found
    filled = {name: value for name, value in query.items() if value}
    assert html.count('aria-label="Remove the filter') == len(filled)
    for name, value in filled.items():
        if name not in ("when", "status"):
            assert f'name="{name}"' in html
            assert f'value="{value}"' in html


async def test_exports_hold_what_is_filtered(client: httpx2.AsyncClient, parts: Parts) -> None:
    await fill(parts, make_turn(1), make_turn(2, status="TIMEOUT"), make_turn(3))
    html = await page(client, "", {"status": "TIMEOUT", "from": "2026-11-20T00:00"})
    (address,) = re.findall(r'href="(/api/calls/export\.json[^"]*)"', html)
    lines = (await client.get(address.replace("&amp;", "&"))).text.splitlines()
    assert len(lines) == 1
    assert '"turn-2"' in lines[0]


async def test_the_list_is_paged_and_sorted_and_keeps_its_filter(client: httpx2.AsyncClient, parts: Parts) -> None:
    await fill(parts, *(make_turn(n, caller_number=f"n{n}") for n in range(1, 61)))
    html = await page(client, "", {"prompt": "main"})
    assert "1 to 50 of 60" in html
    assert "n60" in html
    (following,) = re.findall(r'rel="next" href="([^"]+)"', html)
    last = (await client.get("/ui/calls" + following.replace("&amp;", "&"))).text
    assert "51 to 60 of 60" in last
    assert "Prompt: main" in last
    assert ">n1<" in last
    oldest_first = await page(client, "", {"sort": "last_at"})
    assert oldest_first.index(">n1<") < oldest_first.index(">n2<")
    assert 'aria-sort="ascending"' in oldest_first


@pytest.mark.parametrize(
    "query",
    [
        {"from": "yesterday"},
        {"to": "2026-13-01T00:00"},
        {"status": "NOPE"},
        {"text": "x" * 101},
        {"number": "1\n2"},
        {"from": "2026-11-20T10:00", "to": "2026-11-20T09:00"},
    ],
)
async def test_what_is_wrong_with_a_filter_stands_beside_its_field_and_stays_typed(
    client: httpx2.AsyncClient, query: dict[str, str]
) -> None:
    html = await page(client, "", query)
    name = list(query)[-1]
    assert f'id="f-{name}-error"' in html
    assert f'aria-describedby="f-{name}-error"' in html
    if name not in ("status", "number"):
        assert f'value="{query[name]}"' in html


@pytest.mark.parametrize("query", [{"page": "0"}, {"page": "x"}, {"page": "99999999999"}, {"sort": "1; drop"}])
async def test_an_address_that_makes_no_sense_is_a_page_all_the_same(
    client: httpx2.AsyncClient, query: dict[str, str]
) -> None:
    await page(client, "", query)


def test_today_begins_at_midnight_where_the_browser_is() -> None:
    def since(**query: str) -> datetime | None:
        return CallQuery.read(query.items(), NOW).which.since

    assert since(when="today") == datetime(2026, 11, 22, tzinfo=UTC)
    assert since(when="today", offset="60") == datetime(2026, 11, 21, 23, tzinfo=UTC)
    assert since(when="today", offset="-300") == datetime(2026, 11, 22, 5, tzinfo=UTC)
    assert since(when="today", offset="nonsense") == datetime(2026, 11, 22, tzinfo=UTC)
    assert since(when="7d") == NOW - timedelta(days=7)
    assert since(when="7d", **{"from": "2026-11-01T10:00"}) == datetime(2026, 11, 1, 10, tzinfo=UTC)


# -- a conversation


def told(**values: Any) -> Any:
    return make_turn(
        1,
        tools=(
            make_tool(
                request={"method": "POST", "url": "https://shop.test/x", "headers": {"Accept": "*/*"}, "body": "{}"}
            ),
            make_tool("weather", ok=False, error="tool_timeout", result="It did not answer.", http_status=504),
        ),
        spans=(Span("memory", "load", 1.0, 2.0), Span("model", "test:model", 3.0, 700.0), Span("delivery", "", 800, 9)),
        first_text_ms=None,
        cost_micros=480,
        **values,
    )


async def test_a_conversation_shows_its_turns_whole(client: httpx2.AsyncClient, parts: Parts) -> None:
    await fill(parts, told(), make_turn(2, conversation="pbx:1", caller_text="And mine?"))
    html = await page(client, "/1")
    for words in (
        "Where is my order?", "It comes tomorrow.", "And mine?", "version 3", "test:model", "100 tokens in", "0.00048",
        "get_order_status", "&#34;order_id&#34;: &#34;A1&#34;", "The tool did not answer in time.", "AI_RESPONSE",
        "POST https://shop.test/x", "Accept: */*", "<strong>504</strong>",
        "Memory: recall the conversation", "700 ms", "caller_number", "turn-1", "grep -F 1.1",
        "/api/calls/1/export.json", "/ui/replay?conversation=1", "/ui/playground?prompt=main",
    ):  # fmt: skip
        assert words in html, words
    assert html.index("And mine?") > html.index("It comes tomorrow.")
    assert 'id="turn-turn-2"' in html
    assert (await client.get("/api/calls/1/export.json")).json()["turns"][1]["caller_text"] == "And mine?"


@pytest.mark.parametrize("status", list(STATUSES))
async def test_every_status_has_its_words(client: httpx2.AsyncClient, parts: Parts, status: str) -> None:
    await fill(parts, told(status=status, error="turn_timeout", detail="a sentence of its own", returned={}))
    html = await page(client, "/1")
    assert STATUSES[status].word in html
    if status != "OK":
        for words in (STATUSES[status].meaning, "a sentence of its own", ERRORS["turn_timeout"].advice[:40]):
            assert words.replace("'", "&#39;") in html


async def test_an_unknown_status_and_an_unknown_error_are_shown_as_they_are(
    client: httpx2.AsyncClient, parts: Parts
) -> None:
    await fill(parts, told(status="NEWER", error="from_a_later_version"))
    html = await page(client, "/1")
    assert "NEWER" in html
    assert "AI_ERROR=from_a_later_version" in html


async def test_a_long_conversation_has_pages_and_a_turn_is_found_on_its_own(
    client: httpx2.AsyncClient, parts: Parts
) -> None:
    await fill(parts, *(make_turn(n, conversation="pbx:1") for n in range(1, 61)))
    assert "1 to 25 of 60" in await page(client, "/1")
    answer = await client.get("/ui/calls/turns/turn-60")
    assert (answer.status_code, answer.headers["location"]) == (303, "/ui/calls/1?page=3#turn-turn-60")
    html = await page(client, "/1?page=3")
    assert 'id="turn-turn-60"' in html
    assert "Turn 60<" in html
    assert "There is no turn on this page" in await page(client, "/1?page=9")


async def test_what_is_not_there_is_said_with_the_days_that_turns_are_kept(
    client: httpx2.AsyncClient, parts: Parts
) -> None:
    html = await page(client, "/4711", code=404)
    assert "90 days" in html
    assert "HISTORY_DAYS" in html
    assert "HISTORY_DAYS" in await page(client, "/turns/nobody", code=404)
    parts.settings = parts.settings.model_copy(update={"history_days": 0})
    assert "HISTORY_DAYS</code> is 0" in await page(client, "/4711", code=404)


async def test_turns_that_were_deleted_for_their_age_are_missed_aloud(client: httpx2.AsyncClient, parts: Parts) -> None:
    await fill(parts, make_turn(1), make_turn(2, conversation="pbx:1"))
    async with parts.database.session() as session:
        await session.execute(text("DELETE FROM turns WHERE turn_id = 'turn-1'"))
    assert "1 turn is not here any more" in await page(client, "/1")


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"history_texts": False}, "HISTORY_TEXTS is false"),
        ({"history_redact": (r"\d",)}, "an expression of HISTORY_REDACT"),
        ({"history_days": 0}, "HISTORY_DAYS is 0"),
    ],
)
async def test_what_is_not_kept_is_said_with_its_setting(
    client: httpx2.AsyncClient, parts: Parts, values: dict[str, Any], words: str
) -> None:
    await fill(parts, make_turn(1, caller_text="", answer_text="", tools=(), returned={}, variables={}))
    parts.settings = parts.settings.model_copy(update=values)
    for path in ("", "/1", "/live"):
        assert words in await page(client, path)


async def test_script_in_every_text_stays_text(client: httpx2.AsyncClient, parts: Parts) -> None:
    texts = ["shown_conversation", "channel_id", "caller_number", "caller_name", "called_number", "prompt_name"]
    texts += ["status", "error", "detail", "model", "caller_text", "answer_text", "action", "action_data", "pbx"]
    turn = told(
        output={SCRIPT: SCRIPT}, variables={SCRIPT: SCRIPT}, returned={SCRIPT: SCRIPT}, **dict.fromkeys(texts, SCRIPT)
    )
    tools = (make_tool(SCRIPT, arguments={SCRIPT: SCRIPT}, result=SCRIPT, ok=False, error=SCRIPT),)
    await fill(parts, replace(turn, tools=tools, spans=(Span("tool", SCRIPT, 1, 2), Span("model", SCRIPT, 0, 9))))
    begun = {"turn_id": SCRIPT, "conversation": SCRIPT, "caller_number": SCRIPT, "prompt": SCRIPT}
    parts.live.turn_started("t", {**begun, "caller_text": SCRIPT, "started_at": START.isoformat()})
    parts.live.tool_finished("t", SCRIPT, None)
    for path in ("", "/1", "/live", f"?text={SCRIPT}&prompt={SCRIPT}&from={SCRIPT}"):
        html = await page(client, path)
        assert SCRIPT not in html
        assert "&lt;script&gt;" in html
        assert not re.search(r"<script(?![^>]*\bsrc=)", html)
        assert not re.search(r'\son\w+="|\sstyle="|<style', html)


async def test_what_is_running_is_there_without_scripts(client: httpx2.AsyncClient, parts: Parts) -> None:
    begun = {"turn_id": "t", "conversation": "c", "caller_number": "4711", "prompt": "main", "caller_text": "Hello?"}
    parts.live.turn_started("t", {**begun, "started_at": START.isoformat()})
    for path in ("", "/live"):
        html = await page(client, path)
        assert "4711" in html
        assert "Hello?" in html
        assert "Scripts are off" in html


@pytest.mark.parametrize("path", ["", "/live", "/1", "/turns/x"])
async def test_nothing_of_it_is_for_strangers(stranger: httpx2.AsyncClient, path: str) -> None:
    assert (await stranger.get(f"/ui/calls{path}")).status_code == 401


async def test_a_viewer_is_not_offered_what_only_editors_may(
    app: Any, client: httpx2.AsyncClient, parts: Parts
) -> None:
    await fill(parts, make_turn(1))
    await parts.accounts.users.create("vera", "a long password", Role.VIEWER, by="test")
    async with client_for(app, ("vera", "a long password")) as viewer:
        html = await page(viewer, "/1")
    assert "/ui/replay" not in html
    assert "/ui/playground" not in html
    assert "export.json" in html


# -- words


def test_every_status_and_every_error_of_a_turn_has_words() -> None:
    assert set(STATUSES) == {*(each.value for each in Status), ABANDONED, UNDELIVERED}

    def codes(of: type[GatewayError]) -> set[tuple[str, str]]:
        return {(of.__module__, of.code)}.union(*(codes(each) for each in of.__subclasses__()))

    # What a turn can end with: the errors of these rooms, and a few others.
    rooms = ("app.agent.errors", "app.calls.errors", "app.llm.errors", "app.ari.errors", "app.memory")
    of_turns = {code for module, code in codes(GatewayError) if module.startswith(rooms)}
    of_turns |= {"internal_error", "turn_lost", "service_stopping", "prompt_not_found", "prompt_template_invalid"}
    of_turns -= {"dialplan_invalid"}  # of the page that writes dialplan
    # What the model asked for in a turn that is over: in AI_ACTION_ERROR, with words of its own.
    of_turns -= {"action_failed", "action_late", "cannot_tell", "no_such_extension", "sound_failed"}
    assert of_turns <= set(ERRORS), of_turns - set(ERRORS)
    of_tools = {code for module, code in codes(GatewayError) if module == "app.tools.errors"}
    of_calls = {code for code in of_tools if code.startswith(("tool_arguments", "tool_timeout", "tool_unr", "tool_st"))}
    of_calls -= {"tool_unreadable"}  # of one that is not offered
    assert of_calls <= set(TOOL_ERRORS)


def test_money_and_long_texts() -> None:
    assert [money(each) for each in (None, 0, 480, 1_500_000, 1_234_567_890)] == [
        "", "0.00", "0.00048", "1.50", "1,234.56789",
    ]  # fmt: skip
    assert clip("a\n b") == "a b"
    assert clip("x" * 500) == "x" * 159 + "…"


@pytest.mark.parametrize("told", ["[" * 5_000, '{"a":' * 3_000 + "1" + "}" * 3_000, "9" * 5_000, "no JSON"])
def test_what_a_tool_answered_is_shown_whatever_it_is(told: str) -> None:
    assert pretty(told) == told


async def test_a_long_conversation_is_laid_out_beside_the_event_loop(
    client: httpx2.AsyncClient, parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[bool] = []

    def watched(value: Any) -> str:
        seen.append(threading.current_thread() is threading.main_thread())
        return pretty(value)

    monkeypatch.setattr(calls, "pretty", watched)
    await fill(parts, make_turn(1, tools=(make_tool(),)))
    await page(client, "/1")
    assert seen
    assert not any(seen)
