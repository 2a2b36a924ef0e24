"""Settings, the doctor, the dialplan and the setup, for programs."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import httpx2
import pytest

from app.api.examination import Examinations
from app.api.parts import Parts
from app.core.settings import load_settings
from app.doctor.check import Check, Subject
from app.doctor.finding import Finding, fail, warn
from app.history.rows import write
from app.prompts.draft import PromptDraft
from tests.api.conftest import CallsStatusStub, Stub, waiting
from tests.history.conftest import make_turn


class Doctor:
    """Checks that count how often they are run."""

    def __init__(self, *findings: Finding) -> None:
        self.runs: list[bool] = []
        self._findings = findings

    async def look(self, subject: Subject) -> Sequence[Finding]:
        self.runs.append(subject.online)
        await asyncio.sleep(0.01)
        return self._findings


@pytest.fixture
def doctor(parts: Parts) -> Doctor:
    doctor = Doctor(warn("Clock", "it is late", "Go home."), fail("Key", "it is ari-secret", "Hide it."))
    parts.samples.examinations = Examinations([Check("demo", doctor.look)])
    return doctor


async def test_settings_say_value_source_and_what_differs(
    client: httpx2.AsyncClient, parts: Parts, tmp_path: Path
) -> None:
    file = tmp_path / ".env"
    file.write_text("REDIS_HOST=redis.test\nREDIS_HOTS=oops\nWEB_UI_PASSWORD=a-long-password\n")
    parts.settings = load_settings(file)
    body = (await client.get("/api/settings")).json()
    assert body["file"] == str(file)
    assert body["unknown"] == [{"name": "REDIS_HOTS", "meant": "REDIS_HOST"}]
    found = {setting["name"]: setting for setting in body["settings"]}
    assert found["REDIS_HOST"] | {"text": "", "example": ""} == {
        "name": "REDIS_HOST",
        "group": "Memory of conversations",
        "text": "",
        "example": "",
        "value": "redis.test",
        "default": None,
        "secret": False,
        "is_set": True,
        "source": "file",
        "differs": True,
        "pending": False,
    }
    assert (found["WEB_UI_PASSWORD"]["value"], found["WEB_UI_PASSWORD"]["is_set"]) == (None, True)
    assert {"asterisk-ai", "Python", "SQLite", "LangChain"} <= {each["name"] for each in body["versions"]}
    assert "Standard error" in body["log"]


async def test_one_examination_serves_all_who_ask_meanwhile(client: httpx2.AsyncClient, doctor: Doctor) -> None:
    answers = await asyncio.gather(*(client.get("/api/doctor") for _ in range(5)))
    assert doctor.runs == [False]
    body = answers[0].json()
    assert (body["ok"], body["online"]) == (False, False)
    assert body["findings"][0] == {
        "level": "warn",
        "title": "Clock",
        "detail": "it is late",
        "remedy": "Go home.",
        "check": "demo",
    }
    assert body["findings"][1]["detail"] == "it is ***"
    assert {answer.json()["as_of"] for answer in answers} == {body["as_of"]}


async def test_the_doctor_looks_again_and_asks_models_when_told_to(client: httpx2.AsyncClient, doctor: Doctor) -> None:
    await client.get("/api/doctor")
    body = (await client.post("/api/doctor", json={"online": True})).json()
    assert (doctor.runs, body["online"]) == ([False, True], True)
    await client.post("/api/doctor", json={})  # pressed twice
    assert doctor.runs == [False, True]
    assert (await client.post("/api/doctor", json={"offline": True})).status_code == 422


async def test_the_dialplan_is_the_one_that_the_command_prints(client: httpx2.AsyncClient) -> None:
    query = {"context": "night", "extension": "_1XX", "prompt": "Night desk", "human": "200"}
    body = (await client.get("/api/dialplan", params=query)).json()
    assert body["file"] == "/etc/asterisk/asterisk-ai.conf"
    assert "Stasis(ai_ari_app,UNIQUEID=${UNIQUEID},AI_TIMEOUT=10,AI_PROMPT_NAME=Night desk)" in body["text"]
    text = await client.get("/api/dialplan.conf", params=query)
    assert text.text == body["text"]
    assert text.headers["content-type"].startswith("text/plain")
    freepbx = (await client.get("/api/dialplan?freepbx=true")).json()
    assert freepbx["file"] == "/etc/asterisk/extensions_custom.conf"


async def test_what_a_dialplan_cannot_carry_is_said_by_field(client: httpx2.AsyncClient) -> None:
    for name, value in (("context", "a b"), ("extension", "T"), ("human", "2)"), ("prompt", "a,b")):
        answer = await client.get("/api/dialplan", params={name: value})
        assert (answer.status_code, answer.json()["code"]) == (422, "dialplan_invalid")
        assert answer.json()["errors"][0]["field"] == name


async def test_a_new_installation_has_steps_to_go(client: httpx2.AsyncClient, parts: Parts) -> None:
    parts.ari = cast(Any, Stub(waiting("connection refused")))
    parts.calls = cast(Any, Stub(CallsStatusStub(active=0, served=0)))
    body = (await client.get("/api/setup")).json()
    assert {step["name"]: step["state"] for step in body["steps"]} == {
        "model": "usable",
        "prompt": "usable",
        "asterisk": "todo",
        "dialplan": "todo",
        "call": "todo",
    }
    assert not body["done"]
    assert "connection refused" in body["steps"][2]["detail"]


async def test_steps_tick_themselves_and_the_first_call_is_shown(client: httpx2.AsyncClient, parts: Parts) -> None:
    parts.calls = cast(Any, Stub(CallsStatusStub(active=1, served=0)))
    await parts.prompts.create(PromptDraft(name="ours", content="x"), by="admin")
    async with parts.database.session() as session:
        await write(session, [make_turn(1, caller_name="Ada")])
    body = (await client.get("/api/setup")).json()
    assert {step["name"]: step["state"] for step in body["steps"]} == {
        "model": "usable",
        "prompt": "done",
        "asterisk": "done",
        "dialplan": "done",
        "call": "done",
    }
    assert body["done"]
    assert (body["call"]["conversation_id"], body["call"]["caller"]) == (1, "Ada")


async def test_a_key_that_waits_for_a_restart_is_told(client: httpx2.AsyncClient, parts: Parts, tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("")
    parts.settings = load_settings(file)
    file.write_text("OPENAI_API_KEY=sk-new\n")
    assert (await client.get("/api/setup")).json()["pending"] == ["OPENAI_API_KEY"]
