"""What becomes of a request whose connection broke before its answer came.

Asterisk may have carried it out, or not. A request is repeated, once and over HTTP, only where doing it twice has the
same effect as doing it once. All others fail with ``AriUnavailable``, and the caller decides.
"""

from __future__ import annotations

import enum


class AfterLoss(enum.Enum):
    """The verdict on one request."""

    FAIL = enum.auto()
    """Doing it twice could show: originate, play, DTMF, everything that we do not know."""

    REPEAT = enum.auto()
    """Reading, and setting something to a value: the second time changes nothing."""

    REPEAT_GONE_IS_DONE = enum.auto()
    """As above, and "not there" (404) or "not in the state for it" (409) on the second try means that the first one
    worked: deleting, hanging up, and continuing in the dialplan.

    ``continue`` deserves a word. A channel that left on the first try answers 409 (or 404, when its dialplan was
    short), which is what we wanted. It could be continued twice only if it came back into the application before the
    second try, which follows within milliseconds, while the socket that Asterisk needs to let a channel in has just
    broken. Against that stands a caller who hears silence for ever when nobody repeats it.
    """


# The last word of the path, for POST requests that set something to a value.
_SETTING = frozenset({"variable", "variables", "answer", "ring", "subscription", "mute", "hold", "moh", "silence"})


def after_loss(method: str, path: str) -> AfterLoss:
    """Decide for a request by its method and its path, such as ``POST`` and ``channels/1234.5/continue``."""
    match method:
        case "GET" | "HEAD" | "OPTIONS" | "PUT":
            return AfterLoss.REPEAT
        case "DELETE":
            return AfterLoss.REPEAT_GONE_IS_DONE
        case "POST":
            last = path.rpartition("/")[2]
            if last == "continue":
                return AfterLoss.REPEAT_GONE_IS_DONE
            return AfterLoss.REPEAT if last in _SETTING else AfterLoss.FAIL
        case _:
            return AfterLoss.FAIL
