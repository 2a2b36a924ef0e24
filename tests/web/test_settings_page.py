"""The settings page and the setup, over HTTP; and that no secret of the settings is on any page."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any, cast

import httpx2
import pytest
from fastapi import FastAPI
from playwright.sync_api import Page, expect
from pydantic import SecretStr

from app.api.examination import Examinations
from app.api.parts import Parts
from app.core.permissions import Role
from app.core.settings import CompatibleProvider, Settings, load_settings
from app.db.database import Database
from app.doctor.check import Check, Subject
from app.doctor.finding import Finding, fail, ok, warn
from app.history.rows import write
from app.llm.registry import Models
from tests.api.conftest import CallsStatusStub, Stub, client_for, waiting
from tests.api.test_permissions import TABLE
from tests.history.conftest import make_turn

PASSWORD = "a long password"
ORIGIN = {"Origin": "http://service.test"}


@pytest.fixture
def doctor(parts: Parts) -> list[bool]:
    """Whether each of the doctor's examinations asked the models."""
    runs: list[bool] = []

    async def look(subject: Subject) -> Sequence[Finding]:
        runs.append(subject.online)
        return [
            ok("Fine thing", "it works"),
            warn("Odd thing", "it squeaks", "Oil it."),
            fail("Bad", "broken", "Mend."),
        ]

    parts.samples.examinations = Examinations([Check("models", look)])
    return runs


async def send(client: httpx2.AsyncClient, path: str, **fields: str) -> httpx2.Response:
    """Send a form as a browser does."""
    return await client.post(path, data=fields, headers=ORIGIN)


async def test_values_come_with_their_source_and_typing_errors_with_the_likely_name(
    client: httpx2.AsyncClient, parts: Parts, tmp_path: Path
) -> None:
    file = tmp_path / ".env"
    file.write_text("REDIS_HOTS=oops\nAI_MAX_CALLS=7\nWEB_UI_PASSWORD=a-long-password\n")
    parts.settings = load_settings(file)
    file.write_text(file.read_text() + "AI_MAX_STEPS=3\n")
    html = (await client.get("/ui/settings")).text
    for text in (
        "Did you mean <code>REDIS_HOST</code>?",
        '<code class="value">7</code>',
        "default: 200",
        "Waits for a restart",
        "AI_MAX_STEPS",
        "Standard error",
        "Python",
    ):
        assert text in html, text
    assert "a-long-password" not in html
    file.write_text("REDIS_PORT=many\n")
    assert "The service would not start again" in (await client.get("/ui/settings")).text


async def test_the_search_finds_by_name_words_and_value(client: httpx2.AsyncClient) -> None:
    async def found(**query: str) -> set[str]:
        html = (await client.get("/ui/settings", params=query)).text
        return set(re.findall(r'<th scope="row"><code>(\w+)</code>', html))

    assert len(await found()) == len(Settings.model_fields)
    assert await found(search="REDIS port") == {"REDIS_PORT"}
    assert await found(search="no such words") == set()
    assert "DATABASE_URL" in await found(changed="true")
    assert "REDIS_PORT" not in await found(changed="true")


async def test_the_doctor_is_asked_by_the_page_and_again_by_its_button(
    client: httpx2.AsyncClient, doctor: list[bool]
) -> None:
    assert 'hx-get="/ui/settings/doctor"' in (await client.get("/ui/settings")).text
    assert doctor == []  # the page itself does not wait for it
    part = (await client.get("/ui/settings/doctor")).text
    assert part.index("Bad") < part.index("Odd thing") < part.index("Fine thing")
    assert "1 to mend" in part
    again = await send(client, "/ui/settings/doctor", online="on")
    assert (again.status_code, again.headers["location"]) == (303, "/ui/settings#doctor")
    assert doctor == [False, True]
    html = (await client.get("/ui/settings")).text
    assert "Oil it." in html
    assert "hx-get" not in html


async def test_the_dialplan_is_made_for_the_choices_and_says_what_is_wrong_beside_them(
    client: httpx2.AsyncClient,
) -> None:
    html = (await client.get("/ui/settings", params={"extension": "555", "prompt": "receptionist"})).text
    assert "exten =&gt; 555,1," in html
    assert "AI_PROMPT_NAME=receptionist" in html
    wrong = (await client.get("/ui/settings", params={"context": "a b"})).text
    assert 'id="f-context-error"' in wrong
    assert 'value="a b"' in wrong
    assert "There is no dialplan for these choices" in wrong


@pytest.mark.parametrize("role", [Role.VIEWER, Role.EDITOR])
async def test_others_do_not_see_it_and_are_told_clearly(
    app: FastAPI, client: httpx2.AsyncClient, parts: Parts, role: Role
) -> None:
    assert 'href="/ui/settings"' in (await client.get("/ui")).text
    await parts.accounts.users.create("eve", PASSWORD, role, by="test")
    async with client_for(app, ("eve", PASSWORD)) as eve:
        assert 'href="/ui/settings"' not in (await eve.get("/ui")).text
        for path in ("/ui/settings", "/ui/start"):
            answer = await eve.get(path)
            assert answer.status_code == 403
            assert answer.headers["content-type"].startswith("text/html")
            assert "Ask an administrator." in answer.text


# -- the setup


async def test_each_step_says_what_to_do_and_the_next_one_is_open(client: httpx2.AsyncClient, parts: Parts) -> None:
    parts.ari = cast(Any, Stub(waiting("connection refused")))
    parts.calls = cast(Any, Stub(CallsStatusStub(served=0)))
    html = (await client.get("/ui/start")).text
    opened = re.search(r"<details open>\s*<summary><h2>([^<]+)", html)
    assert opened is not None
    assert opened[1] == "Connect Asterisk"
    assert html.count("<details open>") == 1
    for text in (
        "OPENAI_API_KEY=sk-...",
        "[ai]",
        "the one of ASTERISK_ARI_PASSWORD",
        "exten =&gt; 100,1,",
        "asterisk-ai call",
    ):
        assert text in html, text
    assert "ari-secret" not in html


async def test_a_password_is_suggested_where_none_is_set_and_stays_the_same(
    client: httpx2.AsyncClient, parts: Parts
) -> None:
    parts.settings = Settings(_env_file=None)
    parts.ari = parts.calls = None
    first, second = (await client.get("/ui/start")).text, (await client.get("/ui/start")).text
    found = re.findall(r"password = ([a-z0-9-]{19})", first)
    assert found
    assert f"ASTERISK_ARI_PASSWORD={found[0]}" in first
    assert found == re.findall(r"password = ([a-z0-9-]{19})", second)


async def test_a_template_becomes_a_draft_under_a_name_that_is_free(client: httpx2.AsyncClient, parts: Parts) -> None:
    for name in ("reception", "reception 2"):
        answer = await send(client, "/ui/start/prompt", template="reception")
        assert answer.status_code == 303
        record = await parts.prompts.get(int(answer.headers["location"].rpartition("/")[2]))
        assert (record.prompt.name, record.summary.published_version) == (name, None)
    assert (await send(client, "/ui/start/prompt", template="nothing")).status_code == 422


async def test_the_check_leads_back_to_its_step_with_what_was_found(
    client: httpx2.AsyncClient, doctor: list[bool]
) -> None:
    answer = await send(client, "/ui/start/check", step="model")
    assert (answer.status_code, answer.headers["location"]) == (303, "/ui/start?checked=model#model")
    assert doctor == [True]
    assert "Oil it." in (await client.get(answer.headers["location"])).text
    assert "Oil it." not in (await client.get("/ui/start")).text
    assert (await send(client, "/ui/start/check", step="https://x")).headers["location"].endswith("#model")


async def test_when_all_is_done_every_step_is_closed_and_the_call_is_shown(
    client: httpx2.AsyncClient, parts: Parts
) -> None:
    async with parts.database.session() as session:
        await write(session, [make_turn(1, caller_name="<b>Ada</b>")])
    html = (await client.get("/ui/start")).text
    assert "All steps are done." in html
    assert "<details open>" not in html
    assert '<a href="/ui/calls/1">' in html
    assert "&lt;b&gt;Ada" in html


# -- secrets


def canary_settings() -> tuple[Settings, list[str]]:
    """Settings in which every secret there can be is a word that is found again, and those words."""
    words: list[str] = []

    def canary(name: str) -> str:
        words.append(f"canary-{name}-0123456789abcdef")
        return words[-1]

    values: dict[str, Any] = {}
    for name, field in Settings.model_fields.items():
        if SecretStr in getattr(field.annotation, "__args__", (field.annotation,)):
            values[name] = SecretStr(canary(name))
        elif name.endswith("_base_url"):
            values[name] = "http://127.0.0.1:1/v1"  # these refuse a login in them
    provider = CompatibleProvider(
        base_url=f"http://me:{canary('in-the-address')}@127.0.0.1:1/v1?api_key={canary('in-the-query')}",
        model="m",
        api_key=SecretStr(canary("of-the-provider")),
    )
    settings = Settings(
        _env_file=None,
        **values,
        openai_compatible_providers={"mine": provider},
        database_url=f"postgresql://me:{canary('database')}@127.0.0.1:1/ai?sslpassword={canary('database-query')}",
        asterisk_ari_url="http://127.0.0.1:1",
        asterisk_ari_username="ai",
        redis_host="127.0.0.1",
        redis_port=1,
        web_port=0,
    )
    return settings, words


@pytest.fixture
async def canaries(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[list[str]]:
    """The words; the service runs with those settings, and nothing that they name can be reached."""
    monkeypatch.setattr("app.doctor.models.TIMEOUT", 0.5)
    monkeypatch.setattr("app.doctor.run.TIMEOUT", 5.0)
    settings, words = canary_settings()
    parts.settings = settings
    parts.models, before = Models(settings), parts.models
    described = Database(settings.database_url)
    monkeypatch.setattr(parts.database, "describe", described.describe)
    async with parts.database.session() as session:
        await write(session, [make_turn(1)])
    yield words
    await described.aclose()
    await parts.models.aclose()
    parts.models = before


def test_every_secret_is_known_as_one() -> None:
    settings, words = canary_settings()
    masked = {secret.get_secret_value() for secret in settings.secrets()}
    named = {word for word in words if "-query-" not in word}  # parameters are masked where they are shown
    assert named <= masked
    assert len(words) >= 10


async def test_no_secret_is_on_any_page_or_in_any_answer(
    app: FastAPI, client: httpx2.AsyncClient, parts: Parts, canaries: list[str]
) -> None:
    # Anything that shows settings is asked: after the doctor has met every error there is.
    await client.post("/api/doctor", json={"online": True})
    for watched in (parts.live, parts.samples.watchers):
        watched.close()
    asked = 0
    for route in TABLE:
        method, path = route.split()
        if method != "GET" or path == "/static":
            continue
        answer = await client.get(re.sub(r"{\w+}", "1", path))
        found = [word for word in canaries if word in answer.text]
        assert found == [], (path, found)
        asked += answer.status_code == 200
    assert asked > 20


# -- in a browser


def test_settings_are_found_while_one_types(page: Page) -> None:
    page.goto("/ui/settings")
    expect(page.locator("#findings")).to_contain_text("as of", timeout=30_000)
    page.get_by_role("searchbox").fill("redis port")
    expect(page.locator("tr[data-words]:visible")).to_have_count(1)
    expect(page.locator("#found")).to_have_text(re.compile(r"^1 of \d+ settings$"))
    page.get_by_role("searchbox").fill("")
    page.get_by_label("Extension").fill("777")
    page.get_by_role("button", name="Make it anew").click()
    expect(page.locator(".snippet pre")).to_contain_text("exten => 777,1,")
    page.get_by_role("button", name="Copy the dialplan").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
