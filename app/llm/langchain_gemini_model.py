"""ChatGoogleGenerativeAI under our guard. Imported only when Gemini is used."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from typing import Any

import httpx2
from google.genai import Client
from google.genai.types import HttpOptions
from langchain_core.callbacks import AsyncCallbackManagerForLLMRun
from langchain_core.language_models.chat_models import agenerate_from_stream
from langchain_core.messages import BaseMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langchain_google_genai import ChatGoogleGenerativeAI
from pydantic import Field, PrivateAttr

from app.llm.explain import Origin
from app.llm.guard import guarded

# It says at every request which keywords of a tool's schema Gemini does not take. They are told when a tool is saved.
logging.getLogger("langchain_google_genai._function_utils").setLevel(logging.ERROR)


class GuardedChatGemini(ChatGoogleGenerativeAI):
    """ChatGoogleGenerativeAI that streams always and raises our errors."""

    origin: Origin = Field(exclude=True, repr=False)
    _made: Client | None = PrivateAttr(default=None)

    def _astream(self, *args: Any, **kwargs: Any) -> AsyncIterator[ChatGenerationChunk]:
        return guarded(super()._astream(*args, **kwargs), self.origin)

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return await agenerate_from_stream(self._astream(messages, stop, run_manager, **kwargs))

    def use(self, http: httpx2.AsyncClient) -> None:
        """Send all requests over ``http``, which stays the caller's to close.

        The library offers no way to hand a client in. Left alone, the SDK takes aiohttp where that is installed, with
        connections that it drops after 15 s, and waits for one to ten seconds when the first attempt cannot connect.
        """
        self._made = self.client
        self.client = Client(
            api_key=self._key(),
            http_options=HttpOptions(
                base_url=self.base_url if isinstance(self.base_url, str) else None, httpx_async_client=http
            ),
        )

    async def aclose(self) -> None:
        """Close what the SDK opened on its own."""
        for client in (self._made, self.client):
            if client is not None:
                client.close()
                await client.aio.aclose()

    def _key(self) -> str:
        return self.google_api_key.get_secret_value() if self.google_api_key else ""
