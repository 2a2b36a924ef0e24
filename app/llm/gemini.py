"""Google Gemini, by its native class: through an OpenAI-compatible address it loses its thought signatures."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING

from langchain_core.language_models import BaseChatModel

from app.core.settings import Settings
from app.llm.connection import SILENCE_TIMEOUT
from app.llm.errors import ProviderError
from app.llm.explain import Origin, explain
from app.llm.httpx_client import SharedClient
from app.llm.interface import ModelOptions

if TYPE_CHECKING:
    from app.llm.langchain_gemini_model import GuardedChatGemini

BASE_URL = "https://generativelanguage.googleapis.com"
# These ignore a temperature, and the library warns of it at every request. A test compares this with its list.
FIXED_SAMPLING = frozenset({"gemini-3.5-flash-lite", "gemini-3.6-flash"})


class GeminiProvider:
    """Google's Gemini API with an API key."""

    name = "gemini"

    def __init__(self, settings: Settings) -> None:
        self._model = settings.gemini_model_name
        self._key = settings.gemini_api_key.get_secret_value() if settings.gemini_api_key else ""
        self._base_url = settings.gemini_base_url
        self._origin = Origin(self.name, "GEMINI_API_KEY", settings.gemini_base_url or BASE_URL, (self._key,))
        self._http = SharedClient(f"{self._origin.url}/v1beta/models/{self._model}", limit=settings.ai_max_calls + 20)
        # Each has clients of the SDK's own to close. Weak, for the registry lets go of those that nobody uses.
        self._built: list[weakref.ref[GuardedChatGemini]] = []

    def default_model(self) -> str:
        """``GEMINI_MODEL_NAME``."""
        return self._model

    def missing(self) -> str | None:
        """The key."""
        return None if self._key else "GEMINI_API_KEY is not set. Set it in .env."

    def build(self, model: str, options: ModelOptions) -> BaseChatModel:
        """A model that thinks as little as it can: a caller hears thinking as silence."""
        from app.llm.langchain_gemini_model import GuardedChatGemini

        built = GuardedChatGemini(
            model=model,
            google_api_key=self._key,
            base_url=self._base_url,
            max_tokens=options.max_tokens,
            max_retries=1,  # attempts, not retries; 0 means five
            timeout=SILENCE_TIMEOUT,
            origin=self._origin,
        )
        built.use(self._http.get())
        profile = built.profile or {}
        if options.temperature is not None and profile.get("temperature", True) and model not in FIXED_SAMPLING:
            built.temperature = options.temperature
        levels = profile.get("reasoning_effort_levels") or ()
        if "minimal" in levels:
            built.reasoning_effort = "minimal"
        elif "low" in levels:
            built.reasoning_effort = "low"
        elif "gemini-2.5-flash" in model:
            built.thinking_budget = 0
        self._built = [*(each for each in self._built if each() is not None), weakref.ref(built)]
        return built

    def explain(self, error: Exception) -> ProviderError:
        """See :func:`app.llm.explain.explain`."""
        return explain(self._origin, error)

    async def warm(self) -> None:
        """Open a connection. Never raises."""
        await self._http.warm()

    async def aclose(self) -> None:
        """Close the connections."""
        built, self._built = self._built, []
        for each in built:
            if (model := each()) is not None:
                await model.aclose()
        await self._http.aclose()
