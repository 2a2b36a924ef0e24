"""What comes out of a replay: :class:`ReplayStarted` first, :class:`ReplayDone` last."""

from __future__ import annotations

from dataclasses import dataclass

from app.core.errors import GatewayError
from app.rehearsal.difference import Difference, TurnFacts


@dataclass(frozen=True, slots=True)
class ReplayStarted:
    """Which conversations are replayed, and how many turns of each, by their ids.

    Attributes:
        left_out: Turns of each that are not: nobody spoke, or there are too many.
    """

    turns: dict[int, int]
    left_out: dict[int, int]


@dataclass(frozen=True, slots=True)
class TurnReplayed:
    """One turn, then and now.

    Attributes:
        number: In the conversation, from 1, of the turns in which somebody spoke.
        turn_id: Of the call's turn.
    """

    conversation: int
    number: int
    turn_id: str
    caller_text: str
    original: TurnFacts
    replayed: TurnFacts
    differences: tuple[Difference, ...]

    @property
    def differs(self) -> bool:
        """Whether more than the words of the answer."""
        return any(each.what != "answer" for each in self.differences)


@dataclass(frozen=True, slots=True)
class Sums:
    """Of the turns of a conversation, or of all. ``cost_micros``: None: no turn's model had a price."""

    ok: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_micros: int | None = None
    latency_ms: int = 0


@dataclass(frozen=True, slots=True)
class ConversationReplayed:
    """One row of the table.

    Attributes:
        different: Turns that differ in more than the words of the answer.
        unrecorded: Tool calls without a recorded result.
    """

    conversation: int
    turns: int
    different: int
    unrecorded: int
    original: Sums
    replayed: Sums


@dataclass(frozen=True, slots=True)
class ConversationFailed:
    """A conversation that could not be replayed."""

    conversation: int
    error: GatewayError


@dataclass(frozen=True, slots=True)
class ReplayDone:
    """All of them."""

    conversations: int
    failed: int
    turns: int
    different: int
    unrecorded: int
    original: Sums
    replayed: Sums


ReplayEvent = ReplayStarted | TurnReplayed | ConversationReplayed | ConversationFailed | ReplayDone
