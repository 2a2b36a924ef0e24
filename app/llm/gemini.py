"""Google Gemini, by its native class: through an OpenAI-compatible address it loses its thought signatures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog
from langchain_core.language_models import BaseChatModel

from app.core.settings import Settings
from app.llm.connection import CONNECT_TIMEOUT, KEEP_ALIVE, SILENCE_TIMEOUT
from app.llm.errors import ProviderError
from app.llm.explain import Origin, explain
from app.llm.interface import ModelOptions

if TYPE_CHECKING:
    from app.llm.langchain_gemini_model import GuardedChatGemini

log = structlog.get_logger(__name__)

BASE_URL = "https://generativelanguage.googleapis.com"


class GeminiProvider:
    """Google's Gemini API with an API key."""

    name = "gemini"

    def __init__(self, settings: Settings) -> None:
        self._model = settings.gemini_model_name
        self._key = settings.gemini_api_key.get_secret_value() if settings.gemini_api_key else ""
        self._base_url = settings.gemini_base_url
        self._limit = settings.ai_max_calls + 20
        self._origin = Origin(self.name, "GEMINI_API_KEY", settings.gemini_base_url or BASE_URL, (self._key,))
        # The library makes a client for each model; each has its own connections to warm and to close.
        self._built: list[GuardedChatGemini] = []

    def default_model(self) -> str:
        """``GEMINI_MODEL_NAME``."""
        return self._model

    def missing(self) -> str | None:
        """The key."""
        return None if self._key else "GEMINI_API_KEY is not set. Set it in .env."

    def build(self, model: str, options: ModelOptions) -> BaseChatModel:
        """A model that thinks as little as it can: a caller hears thinking as silence."""
        import httpx2

        from app.llm.langchain_gemini_model import GuardedChatGemini

        built = GuardedChatGemini(
            model=model,
            google_api_key=self._key,
            base_url=self._base_url,
            max_tokens=options.max_tokens,
            max_retries=1,  # attempts, not retries; 0 means five
            client_args={
                "limits": httpx2.Limits(max_connections=self._limit, keepalive_expiry=KEEP_ALIVE),
                "timeout": httpx2.Timeout(SILENCE_TIMEOUT, connect=CONNECT_TIMEOUT),
            },
            origin=self._origin,
        )
        profile = built.profile or {}
        if options.temperature is not None and profile.get("temperature", True):
            built.temperature = options.temperature
        levels = profile.get("reasoning_effort_levels") or ()
        if "minimal" in levels:
            built.reasoning_effort = "minimal"
        elif "low" in levels:
            built.reasoning_effort = "low"
        elif "gemini-2.5-flash" in model:
            built.thinking_budget = 0
        self._built.append(built)
        return built

    def explain(self, error: Exception) -> ProviderError:
        """See :func:`app.llm.explain.explain`."""
        return explain(self._origin, error)

    async def warm(self) -> None:
        """Open a connection of the model that was built last."""
        if not self._built:
            return
        try:
            await self._built[-1].reach()
        except Exception as error:  # noqa: BLE001 - of the SDK; the next turn meets the same failure, and explains it
            log.info("gemini.not_warmed", error=str(self.explain(error)))

    async def aclose(self) -> None:
        """Close the connections."""
        built, self._built = self._built, []
        for model in built:
            await model.aclose()
