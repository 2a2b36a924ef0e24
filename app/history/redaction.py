"""What is taken out of a turn before anything keeps or shows it: all words, or those that match expressions.

It runs in the event loop, within the turn's own time, so it has a budget: where expressions take longer, the text is
lost, and not the caller's patience.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final
from urllib.parse import unquote_plus

import regex  # type: ignore[import-untyped]
import structlog

from app.history.record import ToolCallRecord, TurnRecord

MASK: Final = "***"
# Characters kept of one text. A tool may answer with far more, and the page of a call is no archive.
LONGEST_TEXT: Final = 20_000
# Seconds that the expressions may take with one turn. What was not looked through by then is masked whole.
BUDGET: Final = 0.005
# Channel variables that hold no words; what is kept of them where texts are not.
_WORDLESS: Final = frozenset(
    {
        "AI_STATUS",
        "AI_ERROR",
        "AI_ACTION",
        "AI_MODEL_USED",
        "AI_PROMPT_VERSION",
        "AI_TURN",
        "AI_LATENCY_MS",
        "AI_RESPONSE_COUNT",
    }
)
_WARN_EVERY: Final = 60.0

logger = structlog.get_logger(__name__)


class Redaction:
    """``HISTORY_TEXTS`` and ``HISTORY_REDACT``.

    Args:
        texts: False: no words at all.
        expressions: Of the ``regex`` package; each is valid. What they match becomes :data:`MASK`.
    """

    def __init__(self, *, texts: bool = True, expressions: Sequence[str] = ()) -> None:
        self._texts = texts
        self._expressions = [regex.compile(each) for each in expressions]
        self._warned_at = -_WARN_EVERY

    def turn(self, record: TurnRecord) -> TurnRecord:
        """The turn as it may be kept."""
        if not self._texts:
            return replace(
                record,
                caller_text="",
                answer_text="",
                detail=self._text(record.detail, time.monotonic() + BUDGET),
                action_data="",
                output={},
                variables={},
                returned={name: value for name, value in record.returned.items() if name in _WORDLESS},
                tools=tuple(_without_words(tool) for tool in record.tools),
            )
        by = time.monotonic() + BUDGET
        return replace(
            record,
            caller_text=self._text(record.caller_text, by),
            answer_text=self._text(record.answer_text, by),
            detail=self._text(record.detail, by),
            action_data=self._text(record.action_data, by),
            output=self._value(record.output, by),
            variables=self._value(record.variables, by),
            returned=self._value(record.returned, by),
            tools=tuple(self._tool(tool, by) for tool in record.tools),
        )

    def tool(self, tool: ToolCallRecord) -> ToolCallRecord:
        """One tool call as it may be shown."""
        if not self._texts:
            return _without_words(tool)
        return self._tool(tool, time.monotonic() + BUDGET)

    def text(self, text: str) -> str:
        """One text as it may be shown."""
        return self._text(text, time.monotonic() + BUDGET) if self._texts else ""

    def _tool(self, tool: ToolCallRecord, by: float) -> ToolCallRecord:
        return replace(
            tool,
            arguments=self._value(tool.arguments, by),
            result=self._text(tool.result, by),
            request=tool.request and self._request(tool.request, by),
        )

    def _request(self, request: Mapping[str, Any], by: float) -> dict[str, Any]:
        headers = {name: self._sent(value, by) for name, value in (request.get("headers") or {}).items()}
        url, body = self._sent(request.get("url") or "", by), request.get("body")
        return {**request, "url": url, "headers": headers, "body": body and self._sent(body, by)}

    def _sent(self, text: str, by: float) -> str:
        """A text as it went over the wire: of ``ada%40example.org``, ``ada@example.org`` is looked through, too, and
        then shown."""
        text = self._text(text, by)
        if not self._expressions or ("%" not in text and "+" not in text):
            return text
        plain = unquote_plus(text)
        masked = self._text(plain, by)
        return text if masked == plain else masked

    def _value(self, value: Any, by: float) -> Any:
        """A JSON value; of a number that matches, nothing stays a number. Names of fields are kept."""
        if isinstance(value, str):
            return self._text(value, by)
        if isinstance(value, Mapping):
            return {name: self._value(inner, by) for name, inner in value.items()}
        if isinstance(value, list | tuple):
            return [self._value(inner, by) for inner in value]
        if isinstance(value, int | float) and not isinstance(value, bool) and self._expressions:
            written = str(value)
            masked = self._text(written, by)
            return value if masked == written else masked
        return value

    def _text(self, text: str, by: float) -> str:
        if not text:
            return text
        for expression in self._expressions:
            left = by - time.monotonic()
            try:
                # A timeout that is not positive would be none.
                text = expression.sub(MASK, text, timeout=max(left, 1e-6))
            except TimeoutError:
                self._warn()
                return MASK
        return text if len(text) <= LONGEST_TEXT else text[: LONGEST_TEXT - 1] + "…"

    def _warn(self) -> None:
        now = time.monotonic()
        if now - self._warned_at >= _WARN_EVERY:
            self._warned_at = now
            logger.warning(
                "history.redaction_too_slow",
                detail=f"the expressions of HISTORY_REDACT took more than {BUDGET * 1000:g} ms with one turn, so its "
                "texts are kept as ***; make them simpler",
            )


def _without_words(tool: ToolCallRecord) -> ToolCallRecord:
    return replace(tool, arguments={}, result="", request=None)
