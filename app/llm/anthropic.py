"""Anthropic's Claude, by its messages API."""

from __future__ import annotations

from langchain_core.language_models import BaseChatModel

from app.core.settings import Settings
from app.llm.connection import SILENCE_TIMEOUT
from app.llm.errors import ProviderError
from app.llm.explain import Origin, explain
from app.llm.httpx_client import SharedClient
from app.llm.interface import ModelOptions

BASE_URL = "https://api.anthropic.com"
# Without a bound the library asks for all that the model can write, which is 128,000 tokens.
MAX_TOKENS = 500
# These always think, and answer 400 when told not to.
_ALWAYS_THINKS = ("fable", "mythos")


class AnthropicProvider:
    """Anthropic with an API key."""

    name = "anthropic"

    def __init__(self, settings: Settings) -> None:
        self._model = settings.anthropic_model_name
        self._key = settings.anthropic_api_key.get_secret_value() if settings.anthropic_api_key else ""
        # The SDK adds /v1 itself; operators copy the address with it.
        base_url = (settings.anthropic_base_url or BASE_URL).removesuffix("/v1")
        self._origin = Origin(self.name, "ANTHROPIC_API_KEY", base_url, (self._key,))
        self._http = SharedClient(f"{base_url}/v1/models", limit=settings.ai_max_calls + 20)

    def default_model(self) -> str:
        """``ANTHROPIC_MODEL_NAME``."""
        return self._model

    def missing(self) -> str | None:
        """The key."""
        return None if self._key else "ANTHROPIC_API_KEY is not set. Set it in .env."

    def build(self, model: str, options: ModelOptions) -> BaseChatModel:
        """A model that does not think before it speaks: a caller hears thinking as silence."""
        from app.llm.langchain_anthropic_model import GuardedChatAnthropic

        built = GuardedChatAnthropic(
            model=model,
            api_key=self._key,
            base_url=self._origin.url,
            max_tokens=options.max_tokens or MAX_TOKENS,
            max_retries=0,
            thinking=None if any(word in model for word in _ALWAYS_THINKS) else {"type": "disabled"},
            timeout=SILENCE_TIMEOUT,
            stop=None,
            origin=self._origin,
            http=self._http.get(),
        )
        if options.temperature is not None and (built.profile or {}).get("temperature", True):
            built.temperature = options.temperature
        return built

    def explain(self, error: Exception) -> ProviderError:
        """See :func:`app.llm.explain.explain`."""
        return explain(self._origin, error)

    async def warm(self) -> None:
        """Open a connection. Never raises."""
        await self._http.warm()

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()
