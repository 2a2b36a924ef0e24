"""Events as the log of DEBUG_MODE has them."""

from __future__ import annotations

from typing import Any

from app.agent.events import AgentEvent

# Fields of events that hold what was said, as the log marks it. No event has two of one mark.
_MARKED = {
    "arguments": "tool_arguments",
    "result": "tool_result",
    "request": "tool_arguments",
    "text": "answer_text",
    "output": "messages",
    "data": "messages",
}


def debug_fields(event: AgentEvent) -> dict[str, Any]:
    """The fields of a line about ``event``."""
    fields: dict[str, Any] = {"event_type": type(event).__name__}
    for slot in event.__slots__:
        # What was said goes only into fields that LOG_SPEECH can drop.
        fields[_MARKED.get(slot, slot)] = getattr(event, slot)
    return fields
