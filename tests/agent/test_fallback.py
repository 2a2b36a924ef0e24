"""When the second model answers, and what time is kept for it."""

from __future__ import annotations

import pytest

from app.agent.errors import EmptyAnswer, InvalidOutput, StepLimit, TruncatedAnswer, TurnTimeout
from app.agent.fallback import first_sign_by, may_fall_back, models_to_try
from app.llm.errors import ProviderNotConfigured, ProviderTimeout
from app.llm.interface import ModelRef

FIRST, SECOND = ModelRef("a", "m"), ModelRef("b", "m")


def test_a_fallback_that_is_the_first_model_is_none() -> None:
    assert models_to_try(FIRST, SECOND) == (FIRST, SECOND)
    assert models_to_try(FIRST, FIRST) == models_to_try(FIRST, None) == (FIRST,)


def test_the_first_of_two_models_has_a_share_of_what_is_left() -> None:
    assert first_sign_by(100.0, 110.0, last=False) == pytest.approx(105.5)
    assert first_sign_by(100.0, 110.0, last=True) == 110.0


@pytest.mark.parametrize(
    ("error", "committed", "expected"),
    [
        (ProviderTimeout("x", provider="a"), False, True),
        (ProviderNotConfigured("x"), False, True),
        (EmptyAnswer("x"), False, True),
        (TruncatedAnswer("x"), False, True),
        (InvalidOutput("x"), False, True),
        (TruncatedAnswer("x"), True, False),
        (ProviderTimeout("x", provider="a"), True, False),
        (TurnTimeout("x"), False, False),
        (StepLimit("x"), False, False),
    ],
)
def test_only_a_failure_of_the_model_before_anything_happened_is_answered_by_another(
    error: Exception, committed: bool, expected: bool
) -> None:
    assert may_fall_back(error, committed=committed) is expected
