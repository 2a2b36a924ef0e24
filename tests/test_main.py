"""The start, where it fails."""

from __future__ import annotations

from pathlib import Path
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


async def test_a_mistake_in_the_allow_list_of_tools_stops_the_start_before_anything_is_opened(tmp_path: Path) -> None:
    database = tmp_path / "never.db"
    settings = Settings(
        _env_file=None, database_url=f"sqlite:///{database}", tools_allowed_hosts="10.0.0.5/8, http://crm.lan/api"
    )
    assert await start(settings) == [{"type": "lifespan.startup.failed", "message": ""}]
    with pytest.raises(GatewayError) as caught:
        async with open_parts(settings):
            pass
    assert str(caught.value) == (
        "TOOLS_ALLOWED_HOSTS: '10.0.0.5/8' is an address within a network; write 10.0.0.0/8, or 10.0.0.5 alone; "
        "'http://crm.lan/api' is a URL; write crm.lan"
    )
    assert not database.exists()


async def test_a_bug_at_the_start_keeps_its_stack_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    def bug(_settings: Settings) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("app.main.open_parts", bug)
    (message,) = await start(Settings(_env_file=None))
    assert "ZeroDivisionError" in message["message"]
