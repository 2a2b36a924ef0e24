"""From an :class:`~app.calls.outcome.Outcome` to the channel variables of the contract. No I/O."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from app.calls.outcome import Outcome
from app.calls.speakable import RESPONSE_BYTES, cut, harmless, parts

# A name that a dialplan can write in ${...} without quoting.
_NOT_IN_NAMES = re.compile(r"[^A-Z0-9_]+")

# Fields of an output schema beyond this number are not set: a channel is no database.
MOST_OUTPUT_VARIABLES = 100


def channel_variables(outcome: Outcome) -> dict[str, str]:
    """All variables of the contract, cleaned and cut.

    ``AI_STATUS`` comes last, for servers that set them one by one.
    """
    pieces = parts(outcome.text)
    found = {
        "AI_RESPONSE": cut(outcome.text),
        "AI_RESPONSE_COUNT": str(len(pieces)),
        **{f"AI_RESPONSE_{number}": piece for number, piece in enumerate(pieces, 1)},
        "AI_ACTION": harmless(outcome.action),
        "AI_ACTION_DATA": cut(harmless(outcome.action_data)),
        "AI_ERROR": outcome.error,
        "AI_MODEL_USED": harmless(outcome.model),
        "AI_PROMPT_VERSION": harmless(outcome.prompt_version),
        "AI_TURN": str(outcome.turn) if outcome.turn else "",
        "AI_LATENCY_MS": str(outcome.latency_ms),
    }
    for number, (name, value) in enumerate(_flattened("AI_OUT", outcome.output)):
        if number == MOST_OUTPUT_VARIABLES:
            break
        found[name] = value
    found["AI_STATUS"] = outcome.status.value
    return found


def _flattened(prefix: str, value: Any) -> Iterator[tuple[str, str]]:
    """``{"slots": {"date": "Monday"}}`` as ``AI_OUT_SLOTS_DATE=Monday``; a list as a count and numbered items, like the
    parts of the answer."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            name = _NOT_IN_NAMES.sub("_", str(key).upper()).strip("_")
            if name:
                yield from _flattened(f"{prefix}_{name}", inner)
    elif isinstance(value, list | tuple):
        yield f"{prefix}_COUNT", str(len(value))
        for number, inner in enumerate(value, 1):
            yield from _flattened(f"{prefix}_{number}", inner)
    else:
        yield prefix, _scalar(value)


def _scalar(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "1" if value else "0"  # what GotoIf() takes for true and false
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return cut(harmless(str(value)), RESPONSE_BYTES)
