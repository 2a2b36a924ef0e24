"""What the tests of the providers share."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from langchain_core.tools import StructuredTool

from app.core.settings import Settings
from app.llm.registry import Models
from lab.providers.server import StubProviders
from tests.fixtures.providers import stub_providers  # noqa: F401 - until it is loaded as a plugin

MakeModels = Callable[..., Models]

ORDER_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"order_id": {"type": "string"}},
    "required": ["order_id"],
}


async def _get_order(order_id: str) -> str:
    return f'{{"order_id": "{order_id}", "status": "shipped"}}'


@pytest.fixture
def order_tool() -> StructuredTool:
    """A tool that looks up an order."""
    return StructuredTool(
        name="get_order", description="Looks up an order.", args_schema=ORDER_SCHEMA, coroutine=_get_order
    )


@pytest.fixture(autouse=True)
def _no_keys_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "GEMINI_API_KEY", "GOOGLE_API_KEY", "ANTHROPIC_API_KEY", "DEFAULT_AI_MODEL"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
async def stub_models(stub_providers: StubProviders) -> AsyncIterator[MakeModels]:  # noqa: F811
    """Makes registries whose providers are all the stub; closes them after the test."""
    made: list[Models] = []

    def make(**more: Any) -> Models:
        values: dict[str, Any] = {
            "openai_api_key": "sk-test-0123456789abcdef",
            "openai_base_url": stub_providers.openai_url,
            "gemini_api_key": "AIza-test-0123456789",
            "gemini_base_url": stub_providers.url,
            "anthropic_api_key": "sk-ant-test-0123456789",
            "anthropic_base_url": stub_providers.url,
            **more,
        }
        models = Models(Settings(_env_file=None, **values))
        made.append(models)
        return models

    yield make
    for models in made:
        await models.aclose()
