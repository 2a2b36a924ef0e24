"""How a turn ended: one log line and the metrics, in one place so that they agree."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from typing import Any

from app.ari.errors import AriError
from app.calls.call import Call
from app.calls.delivery import Delivery
from app.calls.outcome import Outcome, Status
from app.calls.trace import Journal, record_of, record_of_orphan, with_interrupted_tools
from app.core.metrics import TURN_ERRORS, TURN_SECONDS, TURNS, TURNS_ABANDONED
from app.history.record import ABANDONED, UNDELIVERED, TurnRecord


class Reports:
    """Says how turns ended, and has them kept.

    Args:
        journal: None: nothing is kept.
    """

    def __init__(self, journal: Journal | None = None) -> None:
        self._journal = journal

    def finished(self, call: Call, pbx: str, delivery: Delivery) -> None:
        """The channel is back in the dialplan."""
        _finished(call, delivery.outcome)
        self._keep(call, record_of(call, pbx, delivery.outcome, returned=delivery.variables))

    def abandoned(self, call: Call, pbx: str, outcome: Outcome | None = None) -> None:
        """The caller hung up before the answer, or before it was delivered."""
        TURNS_ABANDONED.inc()
        call.log.info("turn.abandoned", elapsed_ms=call.elapsed_ms(), turn=call.turn_id)
        self._keep(call, record_of(call, pbx, outcome, status=ABANDONED))

    def not_delivered(self, call: Call, pbx: str, outcome: Outcome, error: AriError) -> None:
        """Asterisk did not take the channel back; it is an orphan now."""
        TURN_ERRORS.labels(error.code).inc()
        call.log.error("turn.not_delivered", status=outcome.status.value, error=error.code, detail=str(error))
        self._keep(call, record_of(call, pbx, outcome, status=UNDELIVERED, error=error.code, detail=str(error)))

    def lost(self, call: Call, pbx: str, detail: str) -> None:
        """The turn ended in a way that nobody foresaw, or with the service; its channel is released as an orphan."""
        self._keep(call, record_of(call, pbx, None, status=UNDELIVERED, error="turn_lost", detail=detail))

    def released(self, channel_id: str, pbx: str, delivery: Delivery, started_at: datetime) -> None:
        """A channel without a turn is back in the dialplan."""
        elapsed = round((datetime.now(UTC) - started_at).total_seconds() * 1000)
        turn_id = secrets.token_hex(8)
        self._keep(
            None, record_of_orphan(channel_id, turn_id, pbx, delivery, started_at=started_at, elapsed_ms=elapsed)
        )

    def _keep(self, call: Call | None, record: TurnRecord) -> None:
        journal = self._journal
        if journal is None:
            return
        if call is None:
            journal.turn_ended(record)
            return
        trace = call.trace
        # A call of a tool that is finished although its turn was interrupted belongs to that turn.
        trace.progress.when_settled(lambda: journal.turn_ended(with_interrupted_tools(record, trace)))


def _finished(call: Call, outcome: Outcome) -> None:
    TURNS.labels(outcome.status.value).inc()
    TURN_SECONDS.observe(call.elapsed_ms() / 1000)
    if outcome.error:
        TURN_ERRORS.labels(outcome.error).inc()
    fields: dict[str, Any] = {
        "status": outcome.status.value,
        "answer_text": outcome.text,
        "model": outcome.model,
        "turn": call.turn_id,
        "latency_ms": outcome.latency_ms,
        "elapsed_ms": call.elapsed_ms(),
    }
    if outcome.action:
        # A variable's value, or digits, may be what the caller said.
        fields |= {"action": outcome.action, "tool_arguments": {"data": outcome.action_data}}
    if outcome.status is Status.OK:
        call.log.info("turn.finished", **fields)
    else:
        call.log.warning("turn.failed", error=outcome.error, detail=outcome.detail, **fields)
