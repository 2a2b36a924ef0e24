"""What can go wrong with a call, beside what ARI and the agent say themselves."""

from __future__ import annotations

from app.core.errors import GatewayError


class CallError(GatewayError):
    """A call cannot be served."""

    code = "call_error"


class NoInput(CallError):
    """There is nothing that the caller said: no ``USER_INPUT``, or an empty one."""

    code = "no_input"


class TooManyCalls(CallError):
    """``AI_MAX_CALLS`` are being served."""

    code = "too_many_calls"
    retryable = True


class BadArguments(CallError):
    """An argument of ``Stasis()`` has a value that cannot be used, such as ``AI_TIMEOUT=soon``."""

    code = "bad_arguments"
