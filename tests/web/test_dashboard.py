"""The dashboard: over HTTP, and renewing itself in a real browser."""

from __future__ import annotations

from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import httpx2
import pytest
from playwright.sync_api import Page, expect

from app.api.parts import Parts
from app.api.sampling import Sampled, Watchers
from app.core.permissions import Role
from app.db.errors import DatabaseUnavailable
from app.history.rows import write
from app.web.dashboard import live
from lab.service import Service
from tests.api.conftest import CallsStatusStub, Stub, client_for, waiting
from tests.history.conftest import make_turn
from tests.web.browser import Complaints


async def fill(parts: Parts, **values: Any) -> None:
    """Three turns of the last minutes, one of which failed."""
    now = datetime.now(UTC)
    turns = [
        make_turn(1, started_at=now - timedelta(minutes=1), latency_ms=500),
        make_turn(2, started_at=now - timedelta(minutes=2), latency_ms=1500),
        make_turn(3, started_at=now - timedelta(minutes=3), status="TIMEOUT", **values),
    ]
    async with parts.database.session() as session:
        await write(session, turns)


async def test_it_says_what_is_in_use(client: httpx2.AsyncClient) -> None:
    html = (await client.get("/ui")).text
    for text in ("Calls can be served", "Asterisk 22.10.1", "SQLite", "REDIS_HOST is not set", "of at most 200"):
        assert text in html, text


async def test_a_lost_asterisk_is_the_first_thing_on_the_page(client: httpx2.AsyncClient, parts: Parts) -> None:
    parts.ari = cast(Any, Stub(waiting("connection refused")))
    html = (await client.get("/ui")).text
    assert html.index("Calls cannot be served now") < html.index("connection refused") < html.index("Providers")


async def test_without_asterisk_the_page_leads_there(client: httpx2.AsyncClient, parts: Parts) -> None:
    parts.ari = parts.calls = None
    html = (await client.get("/ui")).text
    assert "not connected to an Asterisk" in html
    assert "ASTERISK_ARI_URL" in html


async def test_the_setup_is_offered_to_administrators_until_it_is_done(
    app: Any, client: httpx2.AsyncClient, parts: Parts
) -> None:
    parts.calls = cast(Any, Stub(CallsStatusStub(served=0)))
    html = (await client.get("/ui")).text
    assert "3 of 5 steps" in html
    assert "Next: Add an extension." in html
    await parts.accounts.users.create("eve", "a long password", Role.EDITOR, by="test")
    async with client_for(app, ("eve", "a long password")) as editor:
        assert "/ui/start" not in (await editor.get("/ui")).text
    parts.calls = cast(Any, Stub(CallsStatusStub(served=1)))
    parts.samples.setup, parts.samples.status = Sampled(0), Sampled(0)
    assert "/ui/start" not in (await client.get("/ui")).text


@pytest.mark.parametrize(("hours", "rows", "current"), [(1, 60, "1 hour"), (24, 96, "24 hours"), (168, 168, "7 days")])
async def test_the_charts_are_a_table_and_a_sentence_too(
    client: httpx2.AsyncClient, parts: Parts, hours: int, rows: int, current: str
) -> None:
    await fill(parts)
    html = (await client.get("/ui/charts", params={"hours": hours})).text
    assert "<html" not in html
    assert rows <= html.count("<tr data-at=") <= rows + 1
    assert "3 turns, 1 of them failed" in html
    assert "Half of the answers came within 500 ms, 95 of 100 within 1.50 s" in html
    assert f'aria-current="true">{current}<' in html


async def test_an_unknown_range_is_a_day(client: httpx2.AsyncClient) -> None:
    assert 'aria-current="true">24 hours<' in (await client.get("/ui?hours=7")).text
    assert "There were no answers in this time." in (await client.get("/ui/charts")).text


async def test_today_is_counted(client: httpx2.AsyncClient, parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    await fill(parts)
    html = (await client.get("/ui")).text
    today = (await client.get("/api/status")).json()["today"]
    assert f'<dd class="figure">{today["turns"]}</dd>' in html
    if today["turns"] == 3:  # not in the first minutes of a day
        assert "33.3 % of the turns" in html


async def test_without_the_database_the_rest_is_still_shown(
    client: httpx2.AsyncClient, parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone() -> Any:
        raise DatabaseUnavailable("PostgreSQL at db does not answer.")

    monkeypatch.setattr(parts.database, "session", gone)
    monkeypatch.setattr(parts.database, "ping", lambda: gone())
    answer = await client.get("/ui")
    assert answer.status_code == 200
    for text in ("Calls can be served", "PostgreSQL at db does not answer.", "so there are no figures"):
        assert text in answer.text


async def test_what_renews_the_page_is_drawn_once_for_all(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = 0
    values = parts.memory.status

    def count() -> Any:
        nonlocal drawn
        drawn += 1
        return values()

    monkeypatch.setattr(parts.memory, "status", count)
    parts.samples.status = Sampled(60)
    for _ in range(20):
        answer = await live(parts)
        async with aclosing(cast(Any, answer.body_iterator)) as pieces:
            await anext(pieces)
            piece = await anext(pieces)
        assert piece.startswith(b"event: parts\n")
        assert b'id="state-top"' in piece
        assert b"<html" not in piece
    assert drawn == 1
    assert parts.samples.watchers.count == 0


async def test_too_many_dashboards_are_told(client: httpx2.AsyncClient, parts: Parts) -> None:
    parts.samples.watchers = Watchers(most=0)
    assert (await client.get("/ui/status/live")).status_code == 503
    assert (await client.get("/ui")).status_code == 200


# -- in a browser


def test_a_reader_sees_it_change_and_what_has_the_focus_keeps_it(page: Page, service: Service, tmp_path: Path) -> None:
    page.goto("/ui")
    prompts = page.locator("#state-cards dl.facts dd", has_text="published")
    expect(prompts).to_have_text("1 published")
    table = page.get_by_text("The same as a table")
    table.click()
    table.focus()
    made = page.request.post(
        "/api/prompts", data={"name": "night desk", "content": "You answer at night."}, headers={"Origin": service.url}
    )
    assert made.status == 201
    expect(prompts).to_have_text("2 published")
    assert page.evaluate("document.activeElement.textContent") == "The same as a table"
    expect(page.locator("#chart-rows tr").first).to_be_visible()
    expect(page.locator(".uplot canvas")).to_have_count(2)
    expect(page.locator("#offline")).to_be_hidden()


def test_a_service_that_is_gone_is_said_and_one_that_is_back_too(
    page: Page, complaints: Complaints, service: Service
) -> None:
    complaints.allow("ERR_|status of 5|response: 5")
    page.goto("/ui")
    expect(page.locator("#state-top .banner")).to_be_visible()
    service.stop()
    expect(page.locator("#offline")).to_be_visible(timeout=20_000)
    service.start()
    expect(page.locator("#offline")).to_be_hidden(timeout=20_000)
