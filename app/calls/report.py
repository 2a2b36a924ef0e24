"""How a turn ended: one log line and the metrics, in one place so that they agree."""

from __future__ import annotations

from typing import Any

from app.ari.errors import AriError
from app.calls.call import Call
from app.calls.outcome import Outcome, Status
from app.core.metrics import TURN_ERRORS, TURN_SECONDS, TURNS, TURNS_ABANDONED


def finished(call: Call, outcome: Outcome) -> None:
    """The channel is back in the dialplan."""
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
        fields |= {"action": outcome.action, "action_data": outcome.action_data}
    if outcome.status is Status.OK:
        call.log.info("turn.finished", **fields)
    else:
        call.log.warning("turn.failed", error=outcome.error, detail=outcome.detail, **fields)


def abandoned(call: Call) -> None:
    """The caller hung up before the answer."""
    TURNS_ABANDONED.inc()
    call.log.info("turn.abandoned", elapsed_ms=call.elapsed_ms(), turn=call.turn_id)


def not_delivered(call: Call, outcome: Outcome, error: AriError) -> None:
    """Asterisk did not take the channel back; it is an orphan now."""
    TURN_ERRORS.labels(error.code).inc()
    call.log.error("turn.not_delivered", status=outcome.status.value, error=error.code, detail=str(error))
