"""What can go wrong with a call, beside what ARI and the agent say themselves::

CallError
├── NoInput                 nothing was said
│   └── UnreadableInput         it was, and Asterisk cannot hand it over
├── TooManyCalls            AI_MAX_CALLS are being served
├── CannotTell              Asterisk does not know what the model asked for
└── ActionFailed            something that the model asked for could not be done over ARI
    ├── ActionLate              the turn's deadline came first
    ├── NoSuchExtension         the dialplan has it not; the caller would be hung up there
    └── SoundFailed             Asterisk could not play it

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


class CannotTell(CallError):
    """A question about the telephone system has no answer; the message says to the operator why."""

    code = "cannot_tell"


class ActionFailed(CallError):
    """An action could not be done over ARI. Its code becomes ``AI_ACTION_ERROR``."""

    code = "action_failed"


class ActionLate(ActionFailed):
    """The turn's deadline came before the action, or before its end."""

    code = "action_late"


class NoSuchExtension(ActionFailed):
    """The dialplan has no such extension, context or priority."""

    code = "no_such_extension"


class SoundFailed(ActionFailed):
    """Asterisk could not play the sound, most often because there is no such file."""

    code = "sound_failed"


class DialplanInvalid(GatewayError):
    """The dialplan cannot carry this value.

    Attributes:
        field: Which one: ``context``, ``extension``, ``human`` or ``prompt``; the message begins with it.
    """

    code = "dialplan_invalid"

    def __init__(self, field: str, value: str, problem: str) -> None:
        super().__init__(f"{field} {value!r}: {problem}")
        self.field = field
