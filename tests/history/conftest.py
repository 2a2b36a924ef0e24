"""Databases and turns for the tests of this room."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from app.history.record import Span, ToolCallRecord, TurnRecord
from tests.db.databases import database, empty_url, second

__all__ = ["START", "database", "empty_url", "make_turn", "second"]

START = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


def make_turn(number: int = 1, **values: Any) -> TurnRecord:
    """A turn of its own, a minute after the one before."""
    fields: dict[str, Any] = {
        "turn_id": f"turn-{number}",
        "conversation": f"pbx:{number}",
        "pbx": "pbx",
        "shown_conversation": str(number),
        "channel_id": f"{number}.1",
        "caller_number": "+4915112345678",
        "caller_name": "Ada",
        "called_number": "100",
        "prompt_id": 1,
        "prompt_name": "main",
        "prompt_version": 3,
        "status": "OK",
        "error": "",
        "detail": "",
        "model": "test:model",
        "number": 1,
        "caller_text": "Where is my order?",
        "answer_text": "It comes tomorrow.",
        "action": "",
        "action_data": "",
        "started_at": START + timedelta(minutes=number),
        "latency_ms": 800,
        "elapsed_ms": 820,
        "first_text_ms": 400.5,
        "input_tokens": 100,
        "output_tokens": 10,
        "variables": {"caller_number": "+4915112345678"},
        "returned": {"AI_STATUS": "OK", "AI_RESPONSE": "It comes tomorrow."},
        "spans": (Span("model", "test:model", 1.0, 790.0),),
    }
    return TurnRecord(**{**fields, **values})


def make_tool(name: str = "get_order_status", **values: Any) -> ToolCallRecord:
    fields: dict[str, Any] = {
        "name": name,
        "arguments": {"order_id": "A1"},
        "result": "shipped",
        "ok": True,
        "error": None,
        "start_ms": 10.0,
        "elapsed_ms": 20.0,
    }
    return ToolCallRecord(**{**fields, **values})
