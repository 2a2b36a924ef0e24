"""What the provider keeps of the models that it built."""

from __future__ import annotations

import gc

from app.core.settings import Settings
from app.llm.gemini import GeminiProvider
from app.llm.interface import ModelOptions


async def test_models_that_nobody_uses_any_more_are_let_go() -> None:
    provider = GeminiProvider(Settings(_env_file=None, gemini_api_key="AIza-test-0123456789"))
    for number in range(6):
        provider.build(f"gemini-{number}", ModelOptions())
        gc.collect()
    assert len(provider._built) < 3
    await provider.aclose()
