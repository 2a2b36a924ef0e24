"""How a dialplan turn ends, before it is cut into channel variables."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


class Status(enum.StrEnum):
    """``AI_STATUS``: one word, safe to compare in the dialplan."""

    OK = "OK"
    NO_INPUT = "NO_INPUT"
    NO_PROMPT = "NO_PROMPT"
    TIMEOUT = "TIMEOUT"
    ERROR = "ERROR"
    BUSY = "BUSY"
    RELEASED = "RELEASED"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the caller hears and the dialplan may decide by.

    Attributes:
        text: The answer or the fallback sentence, speakable (:func:`app.calls.speakable.speakable`) and never empty.
        error: An error's code; empty on ``OK``.
        detail: What went wrong, as a sentence for the log; no variable.
        output: Fields for ``AI_OUT_*``.
        output_schema: The prompt's, for the fields that are not in ``output``.
        latency_ms: From StasisStart until the answer was ready.
    """

    status: Status
    text: str
    action: str = ""
    action_data: str = ""
    output: Mapping[str, Any] = field(default_factory=dict)
    output_schema: Mapping[str, Any] = field(default_factory=dict)
    error: str = ""
    detail: str = ""
    model: str = ""
    prompt_version: str = ""
    turn: int = 0
    latency_ms: int = 0
