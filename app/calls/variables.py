"""From an :class:`~app.calls.outcome.Outcome` to the channel variables of the contract. No I/O."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping
from typing import Any

from app.calls.actions import dialplan_data
from app.calls.outcome import Outcome
from app.calls.speakable import RESPONSE_BYTES, cut, harmless, parts
from app.prompts.prompt import DIALPLAN

# A name that a dialplan can write in ${...} without quoting.
_NOT_IN_NAMES = re.compile(r"[^A-Z0-9_]+")

# Fields of an output schema beyond this number are not set: a channel is no database.
MOST_OUTPUT_VARIABLES = 100

# Longer names, which come from a model's own keys, are cut; Asterisk has 4,095 bytes for a whole ${...}.
NAME_CHARS = 80


def channel_variables(outcome: Outcome) -> dict[str, str]:
    """All variables of the contract, cleaned and cut.

    ``AI_STATUS`` comes last, for servers that set them one by one.
    """
    pieces = parts(outcome.text)
    found = {
        "AI_RESPONSE": cut(outcome.text),
        "AI_RESPONSE_COUNT": str(len(pieces)),
        **{f"AI_RESPONSE_{number}": piece for number, piece in enumerate(pieces, 1)},
        **_actions(outcome),
        "AI_ERROR": outcome.error,
        "AI_MODEL_USED": cut(harmless(outcome.model)),
        "AI_PROMPT_VERSION": cut(harmless(outcome.prompt_version)),
        "AI_TURN": str(outcome.turn) if outcome.turn else "",
        "AI_LATENCY_MS": str(outcome.latency_ms),
    }
    fields = {**dict(_absent("AI_OUT", outcome.output_schema)), **_first("AI_OUT", outcome.output)}
    found |= dict(itertools.islice(fields.items(), MOST_OUTPUT_VARIABLES))
    found["AI_STATUS"] = outcome.status.value
    return found


def _actions(outcome: Outcome) -> dict[str, str]:
    """What the dialplan is to do: all in order, and the last once more under the names that short dialplans look at."""
    found: dict[str, str] = {"AI_ACTION": "", "AI_ACTION_DATA": ""}
    asked = [each for each in outcome.actions if each.via == DIALPLAN]
    for number, action in enumerate(asked, 1):
        word, data = cut(harmless(action.action)), cut(harmless(dialplan_data(action, outcome.context)))
        found |= {"AI_ACTION": word, "AI_ACTION_DATA": data}
        found |= {f"AI_ACTION_{number}": word, f"AI_ACTION_{number}_DATA": data}
    # What the service did itself; said anew when it is done.
    return found | {
        "AI_ACTION_COUNT": str(len(asked)),
        "AI_ACTION_DONE": "",
        "AI_ACTION_FAILED": "",
        "AI_ACTION_ERROR": "",
    }


def _first(prefix: str, value: Any) -> dict[str, str]:
    """Of fields whose names become the same ("a b" and "a_b"), the first counts."""
    found: dict[str, str] = {}
    for name, text in itertools.islice(_flattened(prefix, value), MOST_OUTPUT_VARIABLES):
        found.setdefault(name[:NAME_CHARS], text)
    return found


def _absent(prefix: str, schema: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Every field that the schema names, empty: what the model left out this time must not keep the value of the turn
    before, which is still on the channel."""
    for key, inner in (schema.get("properties") or {}).items():
        name = _name(prefix, key)
        if not name or not isinstance(inner, Mapping):
            continue
        if inner.get("properties"):
            yield from _absent(name, inner)
        elif "items" in inner or inner.get("type") == "array":
            yield f"{name}_COUNT", "0"
        else:
            yield name, ""


def _name(prefix: str, key: Any) -> str:
    """The variable's name; empty where nothing of the key can stand in one."""
    name = _NOT_IN_NAMES.sub("_", str(key).upper()).strip("_")
    return f"{prefix}_{name}"[:NAME_CHARS] if name else ""


def _flattened(prefix: str, value: Any) -> Iterator[tuple[str, str]]:
    """``{"slots": {"date": "Monday"}}`` as ``AI_OUT_SLOTS_DATE=Monday``; a list as a count and numbered items, like the
    parts of the answer."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            name = _name(prefix, key)
            if name:
                yield from _flattened(name, inner)
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
