"""ChatOpenAI under our guard. Imported only when ``OPENAI_CLIENT=langchain``: the SDK takes most of a second."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun
from langchain_core.language_models.chat_models import agenerate_from_stream
from langchain_core.messages import BaseMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langchain_openai import ChatOpenAI
from pydantic import Field

from app.llm.explain import Origin
from app.llm.guard import guarded


class GuardedChatOpenAI(ChatOpenAI):
    """ChatOpenAI that streams always and raises our errors."""

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
