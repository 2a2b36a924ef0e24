"""When a call is tried again, and when not. Pure: the governor does the waiting."""

from __future__ import annotations

import math
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from typing import Final

from app.tools.auth.errors import AuthorisationFailed
from app.tools.backend import Response
from app.tools.definition import RequestSpec, ToolDefinition
from app.tools.errors import ToolFailure

# RFC 9110, 9.2.2: asking twice is the same as asking once.
IDEMPOTENT: Final = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})
# What passes: too slow, too early, too often, and a gateway that does not find its server.
PASSING: Final = frozenset({408, 425, 429, 502, 503, 504})
# Seconds before the first repeat; each further one doubles it. Short: a caller waits.
_FIRST_WAIT: Final = 0.2
_LONGEST_WAIT: Final = 3.0
# A repeat that has less time than this would only be cut off.
LEAST_TRY: Final = 0.1


def tries_of(tool: ToolDefinition) -> int:
    """How often a call of the tool may be made: once where nothing says that repeating it is safe."""
    request = tool.request
    safe = tool.behaviour.repeatable or (isinstance(request, RequestSpec) and request.method in IDEMPOTENT)
    return 1 + (tool.behaviour.retries if safe else 0)


def worth_repeating(outcome: Response | ToolFailure | TimeoutError) -> bool:
    """Whether another try may end better. A refusal of the guard or of a login is final."""
    match outcome:
        case Response():
            return outcome.status in PASSING
        case ToolFailure():
            return outcome.retryable and not isinstance(outcome, AuthorisationFailed)
    return True


def wait_before(repeat: int, retry_after: float | None, random: Callable[[], float]) -> float:
    """Seconds to wait before a repeat, with jitter: servers that come up again are not met by all at once.

    Args:
        repeat: 1 for the first.
        retry_after: What the server asks for; no repeat comes sooner.
        random: From 0 to 1.
    """
    usual = min(_FIRST_WAIT * 2.0 ** (repeat - 1), _LONGEST_WAIT) * (0.5 + random() / 2)
    if retry_after is None:
        return usual
    return max(usual, retry_after * (1 + random() / 10))


def seconds_of(retry_after: str, now: float) -> float | None:
    """What ``Retry-After`` says, in seconds from now; None where it says nothing that can be read (RFC 9110, 10.2.3).

    Args:
        now: Seconds since 1970, since it may be a date.
    """
    text = retry_after.strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        at = parsedate_to_datetime(text).timestamp()
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
    return max(0.0, at - now) if math.isfinite(at) else None
