"""What can go wrong with a call, beside what ARI and the agent say themselves::

CallError
├── NoInput                 nothing was said
│   └── UnreadableInput         it was, and Asterisk cannot hand it over
└── TooManyCalls            AI_MAX_CALLS are being served

and, of the dialplan that we print::

DialplanInvalid             it cannot carry what was asked for
"""

from __future__ import annotations

from app.core.errors import GatewayError


class CallError(GatewayError):
    """A call cannot be served."""

    code = "call_error"


class NoInput(CallError):
    """There is nothing that the caller said: no ``USER_INPUT``, or an empty one."""

    code = "no_input"


class UnreadableInput(NoInput):
    """The channel variable cannot be read, most often because its bytes are not valid UTF-8."""

    code = "unreadable_input"


class TooManyCalls(CallError):
    """``AI_MAX_CALLS`` are being served."""

    code = "too_many_calls"
    retryable = True


class DialplanInvalid(GatewayError):
    """The dialplan cannot carry this value.

    Attributes:
        field: Which one: ``context``, ``extension``, ``human`` or ``prompt``; the message begins with it.
    """

    code = "dialplan_invalid"

    def __init__(self, field: str, value: str, problem: str) -> None:
        super().__init__(f"{field} {value!r}: {problem}")
        self.field = field
