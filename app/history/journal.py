"""What the calls tell: everything goes through redaction first, then to the recorder and to those who watch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

import structlog

from app.core.metrics import UNEXPECTED
from app.core.settings import Price, Settings
from app.history.live import LiveHub
from app.history.record import ToolCallRecord, TurnRecord
from app.history.recorder import Recorder
from app.history.redaction import Redaction

logger = structlog.get_logger(__name__)


class Journal:
    """All methods return at once and never raise: history is no reason for a call to fail."""

    def __init__(self, settings: Settings, recorder: Recorder, live: LiveHub) -> None:
        self._redaction = Redaction(texts=settings.history_texts, expressions=settings.history_redact)
        self._prices = settings.history_prices
        self._keeps = settings.history_days > 0
        self._recorder = recorder
        self._live = live

    def turn_started(
        self, turn_id: str, *, conversation: str, caller_number: str, prompt: str, caller_text: str, at: datetime
    ) -> None:
        """The words are there, and the agent begins.

        Args:
            conversation: The dialplan's key.
        """
        try:
            data = {
                "turn_id": turn_id,
                "conversation": conversation,
                "caller_number": caller_number,
                "prompt": prompt,
                "caller_text": self._redaction.text(caller_text),
                "started_at": at.isoformat(),
            }
            self._live.turn_started(turn_id, data)
        except Exception as error:  # noqa: BLE001 - logged and counted; the call goes on
            _unexpected(error)

    def tool_finished(self, turn_id: str, tool: ToolCallRecord) -> None:
        """A tool of the turn answered, or failed."""
        try:
            if not self._live.watched:
                self._live.tool_finished(turn_id, tool.name, None)
                return
            shown = self._redaction.tool(tool)
            data = {
                "turn_id": turn_id,
                "name": shown.name,
                "arguments": shown.arguments,
                "result": shown.result,
                "ok": shown.ok,
                "error": shown.error,
                "elapsed_ms": shown.elapsed_ms,
            }
            self._live.tool_finished(turn_id, tool.name, data)
        except Exception as error:  # noqa: BLE001 - logged and counted; the call goes on
            _unexpected(error)

    def turn_ended(self, record: TurnRecord) -> None:
        """A turn ended, in whatever way."""
        if not self._keeps and not self._live.watched:
            self._live.turn_ended(record.turn_id, None)
            return
        try:
            kept = replace(self._redaction.turn(record), cost_micros=cost_micros(self._prices, record))
            if self._keeps:
                self._recorder.record(kept)
            self._live.turn_ended(record.turn_id, _ended(kept) if self._live.watched else None)
        except Exception as error:  # noqa: BLE001 - logged and counted; the call goes on
            self._live.turn_ended(record.turn_id, None)
            _unexpected(error)


def cost_micros(prices: Mapping[str, Price], record: TurnRecord) -> int | None:
    """Millionths of the prices' currency, rounded; None where the model has no price.

    A price for a million tokens is the price of one in millionths, so that nothing has to be divided.
    """
    return cost_of(prices, record.model, record.input_tokens, record.output_tokens)


def cost_of(prices: Mapping[str, Price], model: str, input_tokens: int, output_tokens: int) -> int | None:
    """The same, of these tokens of ``model`` (``provider:model``)."""
    price = prices.get(model)
    return None if price is None else round(input_tokens * price.input + output_tokens * price.output)


def _ended(record: TurnRecord) -> dict[str, object]:
    return {
        "turn_id": record.turn_id,
        "conversation": record.shown_conversation,
        "caller_number": record.caller_number,
        "prompt": record.prompt_name,
        "number": record.number,
        "status": record.status,
        "error": record.error,
        "model": record.model,
        "caller_text": record.caller_text,
        "answer_text": record.answer_text,
        "started_at": record.started_at.isoformat(),
        "latency_ms": record.latency_ms,
        "elapsed_ms": record.elapsed_ms,
        "tools": [tool.name for tool in record.tools],
    }


def _unexpected(error: Exception) -> None:
    UNEXPECTED.labels(where="history").inc()
    # Without the values: they are what was said.
    logger.error("history.unexpected_error", error=type(error).__name__, exc_info=error)
