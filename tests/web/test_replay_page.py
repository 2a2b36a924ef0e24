"""Replay, as an editor uses it: from a conversation of the history to what would be different."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from playwright.sync_api import Page, expect

from app.api.parts import Parts
from app.history.rows import write
from lab.seed import SETTINGS, Seeded
from lab.service import Service
from tests.fixtures.leaks import keep
from tests.history.conftest import make_turn
from tests.web.browser import LOGIN, PATIENCE, Complaints, assert_accessible

SCRIPT = "<script>alert(1)</script>"


async def test_the_page_shows_what_was_chosen_and_what_is_gone(client: httpx2.AsyncClient, parts: Parts) -> None:
    async with parts.database.session() as session:
        await write(session, [make_turn(1, caller_text=SCRIPT), make_turn(2, caller_number="")])
    html = (await client.get("/ui/replay?conversation=1&conversation=77&conversation=1")).text
    assert "There is no conversation 77" in html
    assert html.count('value="1" checked') == 1
    assert 'value="2" aria-label="Conversation 2 of an unknown caller"' in html
    assert SCRIPT not in html
    assert "&lt;script&gt;" in html


async def test_without_calls_the_page_says_so(client: httpx2.AsyncClient) -> None:
    assert "There are no conversations yet" in (await client.get("/ui/replay")).text


async def test_what_is_no_conversation_is_refused(client: httpx2.AsyncClient) -> None:
    for nobody in ("x", "-1", str(2**70)):
        assert (await client.get(f"/ui/replay?conversation={nobody}")).status_code == 422
    many = "&".join(f"conversation={number}" for number in range(1, 30))
    assert (await client.get(f"/ui/replay?{many}")).status_code == 422


@pytest.fixture(scope="module")
def service(folder: Path, seeded: Seeded) -> Iterator[Service]:
    settings = {"WEB_UI_PASSWORD": LOGIN[1], "DATABASE_URL": f"sqlite:///{folder}/seeded.db", **SETTINGS}
    with Service(folder, settings | {"DEFAULT_AI_MODEL": "demo"}) as service:
        keep(service)
        yield service


def test_conversations_are_replayed_to_another_model_and_compared(page: Page, seeded: Seeded) -> None:
    page.goto(f"/ui/replay?conversation={seeded.conversation_id}&conversation={seeded.conversation_id - 1}")
    page.get_by_label("Model").fill("demo")
    page.get_by_role("button", name="Replay").click()
    expect(page.locator("#progress")).to_have_text("Done.", timeout=PATIENCE)
    expect(page.locator("#rows tr")).to_have_count(2)
    expect(page.locator("#total tr")).to_have_count(1)
    assert page.locator("article.turn").count() >= 2
    expect(page.locator("#summary")).to_contain_text("turn")
    first = page.locator("article.turn").first
    expect(first).to_contain_text("demo:demo")
    expect(first.get_by_role("heading", name="Then")).to_be_visible()
    assert_accessible(page)
    different = page.locator("article.turn.differs").count()
    page.get_by_label("Show only turns that differ").check()
    assert page.locator("article.turn:visible").count() == different


def test_a_draft_of_the_editor_is_replayed(page: Page, seeded: Seeded) -> None:
    page.goto("/ui/replay")
    page.evaluate(
        "draft => sessionStorage.setItem('asterisk-ai.draft', JSON.stringify(draft))",
        {"id": 1, "name": "new words", "content": "Hi."},
    )
    page.goto(f"/ui/replay?conversation={seeded.conversation_id}&draft=1")
    expect(page.get_by_label("Prompt")).to_have_value("draft")
    page.get_by_label("Model").fill("demo")
    page.get_by_role("button", name="Replay").click()
    expect(page.locator("#progress")).to_have_text("Done.", timeout=PATIENCE)
    expect(page.locator("article.turn").first).to_contain_text("new words, draft")


def test_a_version_is_chosen_by_its_number(page: Page, seeded: Seeded) -> None:
    page.goto(f"/ui/replay?conversation={seeded.conversation_id}")
    expect(page.get_by_label("Version")).to_be_disabled()
    page.get_by_label("Prompt").select_option(str(seeded.prompt_id))
    expect(page.get_by_label("Version")).to_be_enabled()
    page.get_by_label("Version").select_option("1")
    page.get_by_label("Model").fill("demo")
    page.get_by_role("button", name="Replay").click()
    expect(page.locator("#progress")).to_have_text("Done.", timeout=PATIENCE)
    expect(page.locator("article.turn").first).to_contain_text("version 1")


def test_what_is_wrong_is_said_and_can_be_mended(page: Page, seeded: Seeded, complaints: Complaints) -> None:
    page.goto("/ui/replay")
    page.get_by_role("button", name="Replay").click()
    expect(page.locator("#wrong")).to_contain_text("Tick the conversations")
    expect(page.locator("#wrong")).to_be_focused()
    complaints.allow(r"422")
    page.goto(f"/ui/replay?conversation={seeded.conversation_id}")
    page.get_by_label("Model").fill("nobody:nothing")
    page.get_by_role("button", name="Replay").click()
    expect(page.locator("#wrong:visible, #rows tr")).to_have_count(1)
    page.get_by_label("Model").fill("demo")
    page.get_by_role("button", name="Replay").click()
    expect(page.locator("#progress")).to_have_text("Done.", timeout=PATIENCE)
    expect(page.locator("#wrong")).to_be_hidden()
