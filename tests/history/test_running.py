"""The turns that are running are known, whether somebody watches or not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from app.core.settings import Settings
from app.db.database import Database
from app.history.journal import Journal
from app.history.live import LiveHub
from app.history.recorder import Recorder
from tests.history.conftest import START, make_tool, make_turn


def journal(folder: Path, **settings: Any) -> tuple[Journal, LiveHub]:
    hub = LiveHub()
    recorder = Recorder(Database(f"sqlite:///{folder}/unused.db"))
    return Journal(Settings(_env_file=None, **settings), recorder, hub), hub


def begin(of: Journal, turn_id: str = "turn-1") -> None:
    of.turn_started(
        turn_id, conversation="1", caller_number="100", prompt="main", caller_text="my pin is 1234", at=START
    )


@pytest.mark.parametrize("days", [90, 0])
def test_a_turn_is_running_from_its_beginning_to_its_end(tmp_path: Path, days: int) -> None:
    told, hub = journal(tmp_path, history_days=days)
    begin(told)
    told.tool_finished("turn-1", make_tool("weather"))
    (running,) = hub.now()
    assert (running["turn_id"], running["prompt"], running["tools"]) == ("turn-1", "main", ["weather"])
    told.turn_ended(make_turn(1))
    assert hub.now() == []


def test_what_is_running_is_redacted(tmp_path: Path) -> None:
    told, hub = journal(tmp_path, history_redact=(r"\d{4}",))
    begin(told)
    assert hub.now()[0]["caller_text"] == "my pin is ***"


def test_a_turn_that_cannot_be_kept_is_not_running_for_ever(tmp_path: Path) -> None:
    told, hub = journal(tmp_path)
    begin(told)
    told.turn_ended(make_turn(1, tools=None))  # nothing that redaction could take apart
    assert hub.now() == []
