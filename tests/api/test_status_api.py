"""State, readiness, metrics, and the example orders."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, cast

import httpx2
import pytest

from app.api.parts import Parts
from app.ari.config import AriState
from app.db.errors import DatabaseUnavailable
from app.tools.behaviour.governor import ToolState
from tests.api.conftest import CallsStatusStub, Stub, connected, waiting


async def test_the_status_names_everything_that_is_in_use_and_why(client: httpx2.AsyncClient) -> None:
    status = (await client.get("/api/status")).json()
    assert status["ari"]["level"] == "ok"
    assert status["ari"]["reconnects"] == 2
    assert status["ari"]["asterisk"]["version"] == "22.10.1"
    assert status["calls"] == {"active": 3, "limit": 200, "served": 41, "draining": False}
    assert status["database"]["detail"].startswith("SQLite")
    assert (status["database"]["prompts"], status["database"]["tools"]) == (1, 1)
    assert status["memory"]["backend"] == "in_process"
    assert status["model"]["default"].startswith("demo")
    assert "OPENAI_API_KEY" in status["model"]["reason"]
    levels = {provider["name"]: provider["level"] for provider in status["providers"]}
    assert (levels["openai"], levels["demo"]) == ("off", "ok")
    assert status["service"]["version"] == "1.2.3"


async def test_tools_that_are_down_are_named_until_they_work_again(
    client: httpx2.AsyncClient, parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (await client.get("/api/status")).json()["tools"] == []
    assert "None is down" in (await client.get("/ui")).text
    states = [
        ToolState(1, "order_status", "open", 5, 19.2, 0, 0),
        ToolState(2, "book_table", "half_open", 1, 1.0, 1, 0),
        ToolState(3, "weather", "closed", 0, 0.0, 2, 1),
    ]
    monkeypatch.setattr(parts.executor, "states", lambda: states)
    tools = (await client.get("/api/status")).json()["tools"]
    assert [(tool["name"], tool["state"], tool["again_in_seconds"]) for tool in tools] == [
        ("order_status", "down", 20),
        ("book_table", "probing", 1),
        ("weather", "working", 0),
    ]


async def test_no_secret_is_in_the_status(client: httpx2.AsyncClient) -> None:
    assert "ari-secret" not in (await client.get("/api/status")).text
    assert "ari-secret" not in (await client.get("/ui")).text


async def test_a_database_that_is_away_is_said_and_calls_go_on(
    client: httpx2.AsyncClient, parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away() -> None:
        raise DatabaseUnavailable("PostgreSQL at db does not answer.")

    monkeypatch.setattr(parts.database, "ping", away)
    status = (await client.get("/api/status")).json()
    assert status["database"]["level"] == "error"
    assert status["database"]["error"] == "PostgreSQL at db does not answer."
    assert (await client.get("/readyz")).status_code == 200


async def test_readiness_waits_for_asterisk_and_says_what_to_do(stranger: httpx2.AsyncClient, parts: Parts) -> None:
    assert (await stranger.get("/readyz")).json() == {"ready": True, "reasons": []}
    parts.ari = cast(Any, Stub(waiting("connection refused")))
    response = await stranger.get("/readyz")
    assert response.status_code == 503
    (reason,) = response.json()["reasons"]
    assert "connection refused" in reason
    assert "asterisk-ai doctor" in reason


async def test_a_password_in_the_address_of_asterisk_is_shown_to_nobody(
    client: httpx2.AsyncClient, parts: Parts
) -> None:
    parts.settings = parts.settings.model_copy(update={"asterisk_ari_url": "http://ai:hunter2@pbx:8088"})
    for status in (connected(), waiting()):
        parts.ari = cast(Any, Stub(status))
        for path in ("/readyz", "/api/status", "/ui"):
            assert "hunter2" not in (await client.get(path)).text
    assert (await client.get("/api/status")).json()["ari"]["url"] == "http://pbx:8088"


@pytest.mark.parametrize("state", [state for state in AriState if state is not AriState.CONNECTED])
async def test_every_other_state_of_ari_is_not_ready(
    stranger: httpx2.AsyncClient, parts: Parts, state: AriState
) -> None:
    status = waiting()
    parts.ari = cast(Any, Stub(type(status)(state, status.since, 0, None, None, 0)))
    assert (await stranger.get("/readyz")).status_code == 503


async def test_a_draining_service_is_not_ready(stranger: httpx2.AsyncClient, parts: Parts) -> None:
    parts.calls = cast(Any, Stub(CallsStatusStub(draining=True)))
    assert (await stranger.get("/readyz")).status_code == 503


async def test_without_asterisk_in_the_settings_the_service_is_ready(client: httpx2.AsyncClient, parts: Parts) -> None:
    parts.ari = parts.calls = None
    assert (await client.get("/readyz")).status_code == 200
    status = (await client.get("/api/status")).json()
    assert status["ari"]["state"] == "not_configured"
    assert "ASTERISK_ARI_URL" in status["ari"]["detail"]
    assert status["calls"] is None


async def test_metrics_are_prometheus_text_for_who_is_signed_in(
    client: httpx2.AsyncClient, stranger: httpx2.AsyncClient
) -> None:
    response = await client.get("/metrics")
    assert response.headers["content-type"].startswith("text/plain")
    assert "asterisk_ai_turns_active" in response.text
    assert (await stranger.get("/metrics")).status_code == 401


@pytest.mark.parametrize("spoken", ["A1042", "a1042", "A 1042", "A-1042"])
async def test_the_example_order_is_found_however_it_is_spelled(stranger: httpx2.AsyncClient, spoken: str) -> None:
    order = (await stranger.get(f"/api/example/orders/{spoken}")).json()
    assert order["status"] == "shipped"
    assert order["arrives"] == "tomorrow"
    assert order["arrives_on"] == (datetime.now(UTC).date() + timedelta(days=1)).isoformat()


async def test_an_unknown_order_is_a_404_that_a_model_can_read(stranger: httpx2.AsyncClient) -> None:
    response = await stranger.get("/api/example/orders/Z9999")
    assert response.status_code == 404
    assert response.json()["detail"] == "There is no order Z9999."
