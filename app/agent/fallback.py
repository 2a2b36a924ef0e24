"""When the second model answers instead of the first, and how much of the deadline is kept for it. Pure.

Only until the first word or tool call: what the caller may have heard cannot be taken back, and what a tool did must
not be done twice. To let the second model only tell what the tools of the first returned, without tools of its own, was
considered: of a job that was half done it would say that all is done.
"""

from __future__ import annotations

from app.agent.errors import EmptyAnswer, InvalidOutput, TruncatedAnswer
from app.llm.errors import ModelError
from app.llm.interface import ModelRef

# Of the time that is left, what the first model may take until it gives a first sign. A model that is well gives one
# within a second; what remains of a deadline of ten seconds, 4.5, is enough for a whole answer of a second one.
FIRST_MODEL_SHARE = 0.55


def models_to_try(first: ModelRef, fallback: ModelRef | None) -> tuple[ModelRef, ...]:
    """The models of a turn, in order."""
    return (first,) if fallback is None or fallback == first else (first, fallback)


def first_sign_by(now: float, deadline: float, *, last: bool) -> float:
    """The loop time by which a model must have given its first sign: a text or the beginning of a tool call.

    A model behind which there is no other has until the deadline.
    """
    return deadline if last else now + (deadline - now) * FIRST_MODEL_SHARE


def may_fall_back(error: Exception, *, committed: bool) -> bool:
    """Whether another model may answer after ``error``.

    Args:
        committed: Whether something was said, or a tool called.
    """
    return not committed and isinstance(error, ModelError | EmptyAnswer | TruncatedAnswer | InvalidOutput)
