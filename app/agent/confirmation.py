"""The caller's yes: asked for in one turn, good in the next ones, for one call with the arguments it was asked about.

The calls that were asked about lie in the turn's stored record, as fingerprints: whatever recall leaves out of the
texts, whichever model or instance serves the next turn, they are there. What the caller said to it, the model judges;
that the caller has spoken since is certain, since another turn means that.

Two turns of a conversation at once (a caller who called twice, a new turn while the one before is being broken off)
remember the same question before either has left its record: :class:`Claims` lets one of them use the yes.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

from app.agent.history import TurnMessages
from app.memory.interface import Conversation
from app.tools.conduct import CONFIRMATION_IMPOSSIBLE, CONFIRMATION_NEEDED, Held
from app.tools.definition import ToolDefinition

# Turns after the question in which a yes to it counts: the very next, and one in between ("which address was that?").
GOOD_FOR_TURNS: Final = 2


class Claims:
    """Yeses that turns under way have used, by conversation; of this process. One for all turns."""

    def __init__(self) -> None:
        self._turns = Counter[str]()  # how many of each conversation are under way
        self._used: dict[str, set[tuple[int, str]]] = {}

    def begin(self, conversation: str) -> None:
        """A turn begins, and will recall the conversation."""
        self._turns[conversation] += 1

    def end(self, conversation: str) -> None:
        """It is over, and its record in the memory, or on its way so that later turns wait for it."""
        self._turns[conversation] -= 1
        if not self._turns[conversation]:  # nobody remembers the conversation as it was before
            del self._turns[conversation]
            self._used.pop(conversation, None)

    def use(self, conversation: str, question: tuple[int, str]) -> bool:
        """Whether the yes to that question, by its turn's number and its fingerprint, may be used; it then is."""
        used = self._used.setdefault(conversation, set())
        if question in used:
            return False
        used.add(question)
        return True

    def give_back(self, conversation: str, questions: set[tuple[int, str]]) -> None:
        """These were not used after all: the turn was discarded before anything had begun."""
        if conversation in self._used:
            self._used[conversation] -= questions


class Confirmations:
    """Of one turn.

    Args:
        conversation: Its key; None: it is not remembered, and nothing can be confirmed.

    Attributes:
        asked: Fingerprints of the calls about which the caller is to be asked now.
        used: Of those that this turn carried out.
    """

    def __init__(self, conversation: str | None, claims: Claims) -> None:
        self.asked: list[str] = []
        self.used: list[str] = []
        self._conversation = conversation
        self._claims = claims
        self._claimed: set[tuple[int, str]] = set()
        self._open: dict[str, int] = {}  # by fingerprints, the number of the turn that asked
        if conversation is not None:
            claims.begin(conversation)

    def recalled(self, earlier: Conversation[TurnMessages]) -> None:
        """The turns before this one are known."""
        if self._conversation is None:
            return
        recent = earlier.turns[-GOOD_FOR_TURNS:]
        for number, turn in enumerate(recent, earlier.count - len(recent) + 1):
            # Within a turn a confirmation is used before the next question about the same call.
            for call in turn.confirmed:
                self._open.pop(call, None)
            self._open |= dict.fromkeys(turn.asked, number)

    def close(self, *, remembered: bool) -> None:
        """The turn is over. To be called once.

        Args:
            remembered: Its record says what was used. False: it leaves none, so a yes that it had is good still.
        """
        if self._conversation is None:
            return
        if not remembered:
            self._claims.give_back(self._conversation, self._claimed)
        self._claims.end(self._conversation)

    def admit(self, tool: ToolDefinition, arguments: Mapping[str, Any]) -> Held | None:
        """See :class:`app.tools.conduct.Conduct`."""
        name = tool.name
        if self._conversation is None:
            return Held(
                CONFIRMATION_IMPOSSIBLE,
                f"{name} was not carried out and cannot be: it needs the caller's yes in an earlier turn, and this "
                "conversation is not remembered from turn to turn. Tell the caller that it cannot be done here.",
            )
        call = fingerprint(tool, arguments)
        asked_in, before = self._open.pop(call, None), ""
        if asked_in is not None:
            if self._claims.use(self._conversation, (asked_in, call)):
                self._claimed.add((asked_in, call))
                self.used.append(call)
                return None
            before = "Another turn of this conversation carries it out just now; another time needs another yes. "
        elif call in self.asked:
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
