"""What a stub provider does with a request: an answer, how fast it comes, and what goes wrong with it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import orjson

Fault = Literal[
    "hang",  # accepts the request and never answers
    "close",  # closes the connection without an answer
    "half",  # drops the connection in the middle of the answer
    "unfinished",  # ends the answer cleanly, but before its finish reason
    "nonsense",  # an event, or a body, that is not JSON
    "html",  # a web page, with status 200
    "nothing",  # status 200 and no byte
    "empty",  # a whole answer without a word
    "truncated",  # a tool call whose arguments are cut off, and the finish reason of a whole one
    "length",  # cut off at the token limit; a tool call's arguments too
    "filter",  # ended by the content filter
    "huge",  # 100 kB of text
    "endless",  # text that never ends
    "drip",  # one character every 300 ms
    "error_event",  # an error in the middle of the stream
]
FAULTS = frozenset(Fault.__args__)  # type: ignore[attr-defined]

HUGE_TEXT = "A long answer, word after word. " * 3200
DRIP_GAP = 0.3


@dataclass(frozen=True, slots=True)
class StubToolCall:
    """A tool that the stub calls."""

    name: str
    arguments: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Answer:
    """One scripted answer.

    Attributes:
        text: What it says. None: it repeats what it was told.
        tool_calls: Called in parallel, when the request does not hold their results already.
        status: HTTP status; everything but 200 is an error in the provider's own form.
        retry_after: Seconds, for the Retry-After header.
        delay: Seconds until the first byte.
        gap: Seconds between two pieces of a streamed answer; 0: all at once.
        piece: Characters in one piece.
    """

    text: str | None = None
    tool_calls: tuple[StubToolCall, ...] = ()
    status: int = 200
    retry_after: float | None = None
    delay: float = 0.0
    gap: float = 0.0
    piece: int = 16
    fault: Fault | None = None
    usage: tuple[int, int] = (25, 9)

    def pieces(self) -> list[str]:
        """The text, cut as it is streamed."""
        text = self.text or ""
        return [text[start : start + self.piece] for start in range(0, len(text), self.piece)]


_DIRECTIVE = re.compile(r"\bstub:(\w+)=")
_TIME = re.compile(r"(\d+(?:\.\d+)?)(ms|s)?$")
_TOOL = re.compile(r"([\w-]+)\s*(\{.*\})?\s*$", re.DOTALL)


class BadDirective(ValueError):
    """A ``stub:`` word that means nothing; a typing error should not pass for a working test."""


def from_words(text: str, base: Answer) -> Answer | None:
    """The answer that ``stub:key=value`` words in ``text`` ask for; None when there are none.

    Keys: ``status``, ``retry_after``, ``delay``, ``gap`` (``200ms``, ``1.5s``), ``piece``, ``fault``, ``say`` (to the
    next ``stub:`` word or the end), ``tool=name{"json": "arguments"}``, which may be there more than once.

    Raises:
        BadDirective: An unknown key, or a value that cannot be read.
    """
    found = list(_DIRECTIVE.finditer(text))
    if not found:
        return None
    answer = base
    for number, match in enumerate(found):
        end = found[number + 1].start() if number + 1 < len(found) else len(text)
        answer = _apply(answer, match.group(1), text[match.end() : end].strip())
    return answer


def _apply(answer: Answer, key: str, rest: str) -> Answer:
    word = rest.split(maxsplit=1)[0].rstrip(",;") if rest else ""
    try:
        match key:
            case "status":
                return replace(answer, status=int(word))
            case "retry_after":
                return replace(answer, retry_after=_seconds(word))
            case "delay":
                return replace(answer, delay=_seconds(word))
            case "gap":
                return replace(answer, gap=_seconds(word))
            case "piece":
                return replace(answer, piece=int(word))
            case "say":
                return replace(answer, text=rest)
            case "fault" if word in FAULTS:
                return replace(answer, fault=word)  # type: ignore[arg-type]
            case "tool":
                return replace(answer, tool_calls=(*answer.tool_calls, _tool(rest)))
    except ValueError as error:
        raise BadDirective(f"stub:{key}={rest[:80]}: {error}") from error
    raise BadDirective(f"stub:{key}={word} means nothing here")


def _seconds(text: str) -> float:
    match = _TIME.match(text)
    if match is None:
        raise ValueError("not a time such as 200ms or 1.5s")
    return float(match.group(1)) / (1000 if match.group(2) == "ms" else 1)


def _tool(text: str) -> StubToolCall:
    match = _TOOL.match(text)
    if match is None:
        raise ValueError('not a call such as get_order{"order_id": "A1"}')
    return StubToolCall(match.group(1), orjson.loads(match.group(2) or "{}"))
