"""OpenAI, by its chat completions.

``/v1/responses`` is not used: compatible gateways do not have it, and langchain-openai switches to it silently for
some models with tools, unless told not to.
"""

from __future__ import annotations

from langchain_core.language_models import BaseChatModel

from app.core.settings import Settings
from app.llm.chat_completions import ChatCompletions
from app.llm.errors import ProviderError
from app.llm.interface import ModelOptions

BASE_URL = "https://api.openai.com/v1"


class OpenAIProvider:
    """OpenAI, or whatever ``OPENAI_BASE_URL`` points to."""

    name = "openai"

    def __init__(self, settings: Settings) -> None:
        self._model = settings.openai_model_name
        self._key = settings.openai_api_key
        self._own_address = settings.openai_base_url is not None
        self._api = ChatCompletions(
            self.name,
            base_url=settings.openai_base_url or BASE_URL,
            key=self._key.get_secret_value() if self._key else "",
            key_setting="OPENAI_API_KEY",
            settings=settings,
        )

    def default_model(self) -> str:
        """``OPENAI_MODEL_NAME``."""
        return self._model

    def missing(self) -> str | None:
        """The key; a server of one's own (``OPENAI_BASE_URL``) may do without."""
        if self._key or self._own_address:
            return None
        return "OPENAI_API_KEY is not set. Set it in .env, or set OPENAI_BASE_URL to a server that needs none."

    def build(self, model: str, options: ModelOptions) -> BaseChatModel:
        """The thin model, or ChatOpenAI, as ``OPENAI_CLIENT`` says."""
        return self._api.build(model, options)

    def explain(self, error: Exception) -> ProviderError:
        """See :func:`app.llm.explain.explain`."""
        return self._api.explain(error)

    async def warm(self) -> None:
        """Open a connection."""
        await self._api.warm()

    async def aclose(self) -> None:
        """Close the connections."""
        await self._api.aclose()
