"""The caller's yes: asked for in one turn, good in the next ones, for one call with the arguments it was asked about.

The calls that were asked about lie in the turn's stored record, as fingerprints: whatever recall leaves out of the
texts, whichever model or instance serves the next turn, they are there. What the caller said to it, the model judges;
that the caller has spoken since is certain, since another turn means that.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from app.agent.history import TurnMessages
from app.tools.conduct import CONFIRMATION_IMPOSSIBLE, CONFIRMATION_NEEDED, Held
from app.tools.definition import ToolDefinition

# Turns after the question in which a yes to it counts: the very next, and one in between ("which address was that?").
GOOD_FOR_TURNS: Final = 2


class Confirmations:
    """Of one turn.

    Args:
        earlier: The turns of the conversation, oldest first; None: it is not remembered.

    Attributes:
        asked: Fingerprints of the calls about which the caller is to be asked now.
        used: Of those that this turn carried out.
    """

    def __init__(self, earlier: Sequence[TurnMessages] | None) -> None:
        self.asked: list[str] = []
        self.used: list[str] = []
        self._possible = earlier is not None
        self._open: set[str] = set()
        for turn in (earlier or ())[-GOOD_FOR_TURNS:]:
            # Within a turn a confirmation is used before the next question about the same call.
            self._open.difference_update(turn.confirmed)
            self._open.update(turn.asked)

    def admit(self, tool: ToolDefinition, arguments: Mapping[str, Any]) -> Held | None:
        """See :class:`app.tools.conduct.Conduct`."""
        name = tool.name
        if not self._possible:
            return Held(
                CONFIRMATION_IMPOSSIBLE,
                f"{name} was not carried out and cannot be: it needs the caller's yes in an earlier turn, and this "
                "conversation is not remembered from turn to turn. Tell the caller that it cannot be done here.",
            )
        call = fingerprint(tool, arguments)
        if call in self._open:
            self._open.discard(call)
            self.used.append(call)
            return None
        before = ""
        if call in self.asked:
            before = "You have called it already in this turn: ask only once. "
        elif call in self.used:
            before = "It was carried out once in this turn; another time needs another yes. "
        if call not in self.asked:
            self.asked.append(call)
        return Held(
            CONFIRMATION_NEEDED,
            f"{name} was not carried out yet: it needs the caller's yes. {before}Tell the caller in plain words "
            "exactly what would be done, with every detail of these arguments, ask whether to do it, and end your "
            f"turn. Only when the caller's next words clearly agree, call {name} again with exactly these arguments; "
            "then it is carried out. If the caller says no, is unsure, or wants something else, do not call it.",
        )


def fingerprint(tool: ToolDefinition, arguments: Mapping[str, Any]) -> str:
    """The same for calls that do the same: of one version of a tool, with equal arguments in any order."""
    canonical = json.dumps([tool.id, tool.version, tool.name, _plain(arguments)], sort_keys=True, default=str)
    return hashlib.sha256(canonical.encode("utf-8", "surrogatepass")).hexdigest()


def _plain(value: Any) -> Any:
    # 1 and 1.0 are one number in JSON, and models write either.
    if isinstance(value, Mapping):
        return {str(name): _plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
