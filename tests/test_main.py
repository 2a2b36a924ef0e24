"""The start, where it fails."""

from __future__ import annotations

from typing import Any

import pytest

from app.core.errors import GatewayError
from app.core.settings import Settings
from app.main import create_app, open_parts


async def start(settings: Settings) -> list[dict[str, Any]]:
    """What the application answers to a server that starts it."""
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "lifespan.startup"}

    async def send(message: Any) -> None:
        sent.append(dict(message))

    with pytest.raises(Exception):  # noqa: B017 - whichever; the server catches it
        await create_app(settings)({"type": "lifespan", "asgi": {"version": "3.0"}}, receive, send)
    return sent


async def test_a_database_that_is_away_is_no_stack_trace() -> None:
    settings = Settings(_env_file=None, database_url="postgresql://ai:ai@127.0.0.1:1/ai")
    assert await start(settings) == [{"type": "lifespan.startup.failed", "message": ""}]
    with pytest.raises(GatewayError, match=r"127\.0\.0\.1:1"):
        async with open_parts(settings):
            pass


async def test_a_bug_at_the_start_keeps_its_stack_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    def bug(_settings: Settings) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("app.main.open_parts", bug)
    (message,) = await start(Settings(_env_file=None))
    assert "ZeroDivisionError" in message["message"]
