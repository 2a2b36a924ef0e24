"""Which model answers, and what is said when none can."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from app.core.errors import SettingsError
from app.core.settings import Settings
from app.llm.errors import ProviderNotConfigured, ProviderUnavailable, UnknownModel
from app.llm.interface import ModelOptions, ModelRef
from app.llm.registry import MAX_BUILT_MODELS, Models
from tests.llm.conftest import MakeModels

OLLAMA = {"ollama": {"base_url": "http://127.0.0.1:11434/v1", "model": "llama3.2:3b"}}


def models(**values: Any) -> Models:
    return Models(Settings(_env_file=None, **values))


def test_without_any_setting_the_demo_model_answers_and_the_reason_says_what_to_set() -> None:
    made = models()
    assert str(made.default) == "demo:demo"
    assert "OPENAI_API_KEY" in made.default_reason
    assert made.chat_model(made.default) is made.chat_model(made.resolve(None))


@pytest.mark.parametrize(
    ("values", "default"),
    [
        ({"openai_api_key": "k", "gemini_api_key": "k"}, "openai:gpt-6-luna"),
        ({"gemini_api_key": "k", "anthropic_api_key": "k"}, "gemini:gemini-3.5-flash-lite"),
        ({"anthropic_api_key": "k", "openai_compatible_providers": OLLAMA}, "anthropic:claude-haiku-5-5"),
        ({"openai_compatible_providers": OLLAMA}, "ollama:llama3.2:3b"),
        ({"openai_base_url": "http://127.0.0.1:8080/v1", "openai_model_name": "local"}, "openai:local"),
        ({"openai_api_key": "k", "default_ai_model": "anthropic:claude-opus-5", "anthropic_api_key": "k"}, "anthropic:claude-opus-5"),  # noqa: E501
        ({"openai_api_key": "k", "default_ai_model": "demo"}, "demo:demo"),
    ],
)  # fmt: skip
def test_the_default_is_the_named_one_or_the_first_that_is_configured(values: dict[str, Any], default: str) -> None:
    made = models(**values)
    assert str(made.default) == default
    assert made.default_reason.endswith(".")


@pytest.mark.parametrize(
    ("text", "ref"),
    [
        ("openai", ModelRef("openai", "gpt-6-luna")),
        (" OpenAI : gpt-4.1 ", ModelRef("openai", "gpt-4.1")),
        ("ollama:llama3.2:1b", ModelRef("ollama", "llama3.2:1b")),
        ("ollama:", ModelRef("ollama", "llama3.2:3b")),
        ("", ModelRef("openai", "gpt-6-luna")),
        (None, ModelRef("openai", "gpt-6-luna")),
    ],
)
def test_a_reference_is_a_provider_and_perhaps_its_model(text: str | None, ref: ModelRef) -> None:
    assert models(openai_api_key="k", openai_compatible_providers=OLLAMA).resolve(text) == ref


def test_an_unknown_provider_is_answered_with_those_that_exist() -> None:
    with pytest.raises(UnknownModel, match=r"'mistral'.*openai, gemini, anthropic, ollama, demo"):
        models(openai_compatible_providers=OLLAMA).resolve("mistral:large")


@pytest.mark.parametrize("provider", ["openai", "gemini", "anthropic"])
def test_a_missing_key_is_an_error_only_when_the_provider_is_asked_for(provider: str) -> None:
    made = models()
    with pytest.raises(ProviderNotConfigured, match=f"{provider.upper()}_API_KEY"):
        made.chat_model(made.resolve(provider))
    status = next(status for status in made.statuses() if status.name == provider)
    assert not status.configured
    assert f"{provider.upper()}_API_KEY" in status.detail


def test_an_unknown_default_stops_nothing_but_its_own_calls() -> None:
    made = models(default_ai_model="opnai", openai_api_key="k")
    assert "'opnai'" in made.default_reason
    with pytest.raises(UnknownModel, match="DEFAULT_AI_MODEL"):
        made.resolve(None)
    assert made.resolve("openai").provider == "openai"


def test_a_default_without_a_key_is_not_replaced_by_a_provider_that_nobody_chose() -> None:
    made = models(default_ai_model="anthropic", openai_api_key="k")
    assert made.default.provider == "anthropic"
    assert "ANTHROPIC_API_KEY" in made.default_reason
    with pytest.raises(ProviderNotConfigured):
        made.chat_model(made.resolve(None))


@pytest.mark.parametrize(
    ("values", "fallback"),
    [
        ({}, None),
        ({"fallback_ai_model": "demo"}, "demo:demo"),
        ({"fallback_ai_model": "gemini"}, None),
        ({"fallback_ai_model": "nobody"}, None),
        ({"fallback_ai_model": "gemini:x", "gemini_api_key": "k"}, "gemini:x"),
    ],
)
def test_the_fallback_is_there_only_when_it_can_be_asked(values: dict[str, Any], fallback: str | None) -> None:
    made = models(openai_api_key="k", **values)
    assert (str(made.fallback) if made.fallback else None) == fallback


@pytest.mark.parametrize("name", ["openai", "demo", "with space", "a:b", ""])
def test_a_name_that_cannot_be_told_apart_is_refused_at_the_start(name: str) -> None:
    with pytest.raises(SettingsError, match="OPENAI_COMPATIBLE_PROVIDERS"):
        models(openai_compatible_providers={name: OLLAMA["ollama"]})


def test_a_compatible_server_without_a_proper_address_says_so() -> None:
    made = models(openai_compatible_providers={"vllm": {"base_url": "127.0.0.1:8000", "model": "m"}})
    with pytest.raises(ProviderNotConfigured, match="base_url of 'vllm'"):
        made.chat_model(made.resolve("vllm"))


async def test_models_are_built_once_for_each_reference_and_options(stub_models: MakeModels) -> None:
    made = stub_models(ai_max_output_tokens=123)
    ref = made.resolve("openai")
    assert made.chat_model(ref) is made.chat_model(ref, ModelOptions())
    assert made.chat_model(ref) is made.chat_model(ref, ModelOptions(max_tokens=123))
    assert made.chat_model(ref) is not made.chat_model(ref, ModelOptions(max_tokens=50))
    first = made.chat_model(ref)
    for number in range(MAX_BUILT_MODELS):
        made.chat_model(ModelRef("openai", f"model-{number}"))
    assert made.chat_model(ref) is not first, "what a dialplan names must not fill the memory"


def test_the_status_keeps_what_happened_last() -> None:
    made = models(openai_api_key="k")
    made.succeeded(made.default)
    made.failed(made.default, ProviderUnavailable("openai has a problem.", provider="openai"))
    made.failed(made.default, TimeoutError())
    status = made.statuses()[0]
    assert status.last_success is not None
    assert status.last_error == "openai did not answer in time."
    assert status.last_error_at is not None
    assert status.last_error_at >= status.last_success


async def test_warming_what_cannot_be_used_raises_nothing(unused_tcp_port: int) -> None:
    made = models(openai_api_key="k", openai_base_url=f"http://127.0.0.1:{unused_tcp_port}/v1")
    await made.warm(made.default, made.resolve("gemini"), ModelRef("nobody", "x"), made.resolve("demo"))
    await made.aclose()


def test_no_sdk_is_imported_before_it_is_used() -> None:
    script = (
        "import sys; from app.core.settings import Settings; from app.llm.registry import Models;"
        "m = Models(Settings(_env_file=None, openai_api_key='k', gemini_api_key='k', anthropic_api_key='k'));"
        "m.chat_model(m.default);"
        "print([n for n in ('openai', 'anthropic', 'google.genai', 'langchain_openai') if n in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
