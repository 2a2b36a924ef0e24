"""ChatGoogleGenerativeAI under our guard. Imported only when Gemini is used."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun
from langchain_core.language_models.chat_models import agenerate_from_stream
from langchain_core.messages import BaseMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langchain_google_genai import ChatGoogleGenerativeAI
from pydantic import Field

from app.llm.explain import Origin
from app.llm.guard import guarded


class GuardedChatGemini(ChatGoogleGenerativeAI):
    """ChatGoogleGenerativeAI that streams always and raises our errors."""

    origin: Origin = Field(exclude=True, repr=False)

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

    async def reach(self) -> None:
        """Ask for the model's description: the cheapest request that opens the connection.

        Raises:
            Exception: Of the SDK, when it cannot be reached.
        """
        if self.client is not None:
            await self.client.aio.models.get(model=self.model)

    async def aclose(self) -> None:
        """Close the connections, of the synchronous client too."""
        if self.client is not None:
            self.client.close()
            await self.client.aio.aclose()
