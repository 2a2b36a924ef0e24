"""Google Gemini, by its native class: through an OpenAI-compatible address it loses its thought signatures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from langchain_core.language_models import BaseChatModel

from app.core.settings import Settings
from app.llm.connection import CONNECT_TIMEOUT, KEEP_ALIVE, SILENCE_TIMEOUT
from app.llm.errors import ProviderError
from app.llm.explain import Origin, explain
from app.llm.interface import ModelOptions

if TYPE_CHECKING:
    import httpx2

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
        self._limit = settings.ai_max_calls + 20
        self._origin = Origin(self.name, "GEMINI_API_KEY", settings.gemini_base_url or BASE_URL, (self._key,))
        self._http: httpx2.AsyncClient | None = None
        self._built: list[GuardedChatGemini] = []  # each has clients of the SDK's own to close

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
        built.use(self._client())
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
        self._built.append(built)
        return built

    def explain(self, error: Exception) -> ProviderError:
        """See :func:`app.llm.explain.explain`."""
        return explain(self._origin, error)

    async def warm(self) -> None:
        """Open a connection. Never raises."""
        import httpx2

        try:
            await self._client().head(f"{self._origin.url}/v1beta/models/{self._model}")
        except httpx2.HTTPError:
            return  # the next turn meets the same failure, and explains it

    async def aclose(self) -> None:
        """Close the connections."""
        built, self._built = self._built, []
        for model in built:
            await model.aclose()
        if self._http is not None:
            await self._http.aclose()
            self._http = None

    def _client(self) -> httpx2.AsyncClient:
        import httpx2

        if self._http is None:
            self._http = httpx2.AsyncClient(
                limits=httpx2.Limits(max_connections=self._limit, keepalive_expiry=KEEP_ALIVE),
                timeout=httpx2.Timeout(SILENCE_TIMEOUT, connect=CONNECT_TIMEOUT),
            )
        return self._http
