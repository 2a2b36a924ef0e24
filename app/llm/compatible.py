"""A server that speaks OpenAI's chat completions - Ollama, vLLM, LM Studio, Groq and many others - under a name of the
operator's choice, from ``OPENAI_COMPATIBLE_PROVIDERS``."""

from __future__ import annotations

from langchain_core.language_models import BaseChatModel

from app.core.settings import CompatibleProvider, Settings
from app.llm.chat_completions import ChatCompletions
from app.llm.errors import ProviderError
from app.llm.interface import ModelOptions


class CompatibleServer:
    """One entry of ``OPENAI_COMPATIBLE_PROVIDERS``."""

    def __init__(self, name: str, server: CompatibleProvider, settings: Settings) -> None:
        self.name = name
        self._server = server
        self._api = ChatCompletions(
            name,
            base_url=server.base_url,
            key=server.api_key.get_secret_value() if server.api_key else "",
            key_setting=f"api_key of {name!r} in OPENAI_COMPATIBLE_PROVIDERS",
            settings=settings,
        )

    def default_model(self) -> str:
        """The entry's ``model``."""
        return self._server.model

    def missing(self) -> str | None:
        """Address and model are required by the setting, and a key often is not needed."""
        if not self._server.base_url.startswith(("http://", "https://")):
            return (
                f"The base_url of {self.name!r} in OPENAI_COMPATIBLE_PROVIDERS is not an http:// or https:// address. "
                "Write it up to /v1, as in http://127.0.0.1:11434/v1."
            )
        if not self._server.model:
            return f"The model of {self.name!r} in OPENAI_COMPATIBLE_PROVIDERS is empty."
        return None

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
