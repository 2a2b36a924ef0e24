"""What can go wrong with the history of calls::

HistoryError
├── ConversationNotFound    there is none of that id, or it was deleted for its age
├── TurnNotFound            likewise
└── TooManyWatchers         the live view is open too often
"""

from __future__ import annotations

from app.core.errors import GatewayError


class HistoryError(GatewayError):
    """Something is wrong with the history of calls."""

    code = "history_error"


class ConversationNotFound(HistoryError):
    """There is no such conversation, or not any more."""

    code = "conversation_not_found"


class TurnNotFound(HistoryError):
    """There is no such turn, not yet or not any more."""

    code = "turn_not_found"


class TooManyWatchers(HistoryError):
    """The live view is open too often."""

    code = "too_many_watchers"
    retryable = True
