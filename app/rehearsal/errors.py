"""What can go wrong with rehearsals::

RehearsalError
├── RehearsalsBusy          too many at a time, or the calls need the service
├── RehearsalInvalid        what was asked for does not exist; says which field
└── NothingToReplay         the conversation holds no words that could be said again
    └── TextsNotKept            they were said, and not kept or masked
"""

from __future__ import annotations

from app.core.errors import GatewayError


class RehearsalError(GatewayError):
    """A turn cannot be rehearsed."""

    code = "rehearsal_error"


class RehearsalsBusy(RehearsalError):
    """There is no room now: calls go first."""

    code = "rehearsals_busy"
    retryable = True


class RehearsalInvalid(RehearsalError):
    """What was asked for does not exist.

    Attributes:
        field: The field's name, so that a form can say it beside the field.
    """

    code = "rehearsal_invalid"

    def __init__(self, message: str, *, field: str) -> None:
        super().__init__(message)
        self.field = field


class NothingToReplay(RehearsalError):
    """Nobody said anything in this conversation."""

    code = "nothing_to_replay"


class TextsNotKept(NothingToReplay):
    """What was said is not in the history, or masked."""

    code = "texts_not_kept"
