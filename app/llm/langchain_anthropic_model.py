"""ChatAnthropic under our guard. Imported only when Anthropic is used."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import cached_property
from typing import Any

import anthropic
from langchain_anthropic import ChatAnthropic
from langchain_core.callbacks import AsyncCallbackManagerForLLMRun
from langchain_core.language_models.chat_models import agenerate_from_stream
from langchain_core.messages import BaseMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from pydantic import Field

from app.llm.explain import Origin
from app.llm.guard import guarded


class GuardedChatAnthropic(ChatAnthropic):
    """ChatAnthropic that streams always, raises our errors, and uses an HTTP client of ours.

    The library offers no way to hand in a client, and its own closes an idle connection after five seconds.
    """

    origin: Origin = Field(exclude=True, repr=False)
    http: Any = Field(exclude=True, repr=False)

    @cached_property
    def _async_client(self) -> anthropic.AsyncClient:
        return anthropic.AsyncClient(**self._client_params, http_client=self.http)

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
