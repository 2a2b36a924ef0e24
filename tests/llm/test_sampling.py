"""Our words about the models' parameters, held against the libraries' profiles."""

from __future__ import annotations

import pytest
from langchain_google_genai import chat_models as gemini_models
from langchain_openai.data._profiles import _PROFILES as PROFILES

from app.llm.gemini import FIXED_SAMPLING
from app.llm.sampling import is_reasoning_model, quiet_effort, takes_temperature

CHAT_MODELS = {
    name: profile
    for name, profile in PROFILES.items()
    if profile.get("tool_calling") and name.startswith(("gpt-3", "gpt-4", "gpt-5", "gpt-6", "o"))
}


@pytest.mark.parametrize("name", sorted(CHAT_MODELS))
def test_a_temperature_is_never_sent_to_a_model_that_refuses_it(name: str) -> None:
    if CHAT_MODELS[name].get("temperature") is False:
        assert not takes_temperature(name)
    if CHAT_MODELS[name].get("temperature") is True and not is_reasoning_model(name):
        assert takes_temperature(name)


@pytest.mark.parametrize("name", sorted(CHAT_MODELS))
def test_the_effort_is_the_least_that_the_model_takes(name: str) -> None:
    levels = CHAT_MODELS[name].get("reasoning_effort_levels")
    effort = quiet_effort(name)
    assert effort is None or (levels is not None and effort == levels[0])


def test_models_that_no_profile_knows_get_nothing_that_they_may_refuse() -> None:
    assert takes_temperature("llama3.2:3b")
    assert not is_reasoning_model("qwen3-8b")
    assert not is_reasoning_model("openai/gpt-oss-20b")
    assert is_reasoning_model("openai/gpt-6-luna")
    assert quiet_effort("llama3.2:3b") is None
    assert quiet_effort("gpt-7") is None


def test_gemini_models_with_fixed_sampling_are_those_of_the_library() -> None:
    assert FIXED_SAMPLING == gemini_models._FIXED_SAMPLING_AND_NO_PREFILL_MODELS
