"""What OpenAI and the servers that are compatible with it have in common: one address, one key, one protocol.

Two chat models speak it, and ``OPENAI_CLIENT`` chooses: our thin one (``direct``) and ChatOpenAI (``langchain``).
"""

from __future__ import annotations

from typing import Any

from langchain_core.language_models import BaseChatModel

from app.core.settings import Settings
from app.llm.connection import CONNECT_TIMEOUT, SILENCE_TIMEOUT, Connection
from app.llm.errors import ProviderError
from app.llm.explain import Origin, explain
from app.llm.httpx_client import SharedClient
from app.llm.interface import ModelOptions
from app.llm.sampling import is_reasoning_model, quiet_effort, takes_temperature
from app.llm.wire import OpenAIWireModel


class ChatCompletions:
    """One server that speaks chat completions."""

    def __init__(self, name: str, *, base_url: str, key: str, key_setting: str, settings: Settings) -> None:
        base_url = base_url.rstrip("/").removesuffix("/chat/completions")
        self._key = key
        self._direct = settings.openai_client == "direct"
        # Each call in progress asks once at a time; a few more for warming and for the playground.
        limit = settings.ai_max_calls + 20
        self._origin = Origin(name, key_setting, base_url, (key,))
        headers = {"Content-Type": "application/json", "Accept": "text/event-stream, application/json"}
        if key:
            headers["Authorization"] = f"Bearer {key}"
        self._connection = Connection(base_url, headers, limit=limit)
        self._http = SharedClient(f"{base_url}/models", limit=limit)

    def build(self, model: str, options: ModelOptions) -> BaseChatModel:
        """A chat model of the kind that the settings ask for."""
        if self._direct:
            return OpenAIWireModel(
                model_name=model,
                connection=self._connection,
                origin=self._origin,
                body=_parameters(model, options),
            )
        import httpx2

        from app.llm.langchain_openai_model import GuardedChatOpenAI

        parameters = _parameters(model, options)
        return GuardedChatOpenAI(
            model=model,
            base_url=self._origin.url,
            api_key=self._key or "none",
            http_async_client=self._http.get(),
            timeout=httpx2.Timeout(SILENCE_TIMEOUT, connect=CONNECT_TIMEOUT),
            max_retries=0,
            use_responses_api=False,
            stream_usage=True,
            # ChatOpenAI writes ``max_tokens`` as ``max_completion_tokens``, which older servers do not know.
            extra_body={"max_tokens": parameters["max_tokens"]} if "max_tokens" in parameters else None,
            max_completion_tokens=parameters.get("max_completion_tokens"),
            temperature=parameters.get("temperature"),
            reasoning_effort=parameters.get("reasoning_effort"),
            origin=self._origin,
        )

    def explain(self, error: Exception) -> ProviderError:
        """Any error of either chat model as one of ours."""
        return explain(self._origin, error)

    async def warm(self) -> None:
        """Open a connection. Never raises."""
        await (self._connection if self._direct else self._http).warm()

    async def aclose(self) -> None:
        """Close the connections."""
        await self._connection.aclose()
        await self._http.aclose()


def _parameters(model: str, options: ModelOptions) -> dict[str, Any]:
    """The parameters of every request, by the rules of :mod:`app.llm.sampling`."""
    parameters: dict[str, Any] = {}
    if options.max_tokens is not None:
        parameters["max_completion_tokens" if is_reasoning_model(model) else "max_tokens"] = options.max_tokens
    if options.temperature is not None and takes_temperature(model):
        parameters["temperature"] = options.temperature
    effort = quiet_effort(model)
    if effort is not None:
        parameters["reasoning_effort"] = effort
    return parameters
