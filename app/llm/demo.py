"""The built-in ``demo`` model: scripted, honest about it, without a network, the same answer every time.

It lets somebody try the whole gateway - a question, memory, a tool, a transfer, a hang-up - before there is a key.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any
from uuid import uuid4

import orjson
from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, ToolCallChunk
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool

from app.llm.demo_script import Reply, answer
from app.llm.demo_words import pieces
from app.llm.errors import ProviderError
from app.llm.interface import ModelOptions


class DemoChatModel(BaseChatModel):
    """The script behind LangChain's interface. Streams a few words at a time."""

    model_name: str = "demo"

    @property
    def _llm_type(self) -> str:
        return "asterisk-ai-demo"

    def bind_tools(
        self,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool],
        *,
        tool_choice: Any = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """The same model with ``tools``; ``tool_choice`` as in LangChain ("any", a name, None)."""
        return self.bind(tools=[convert_to_openai_tool(tool) for tool in tools], tool_choice=tool_choice)

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return _result(messages, answer(messages, kwargs.get("tools") or (), kwargs.get("tool_choice")))

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        reply = answer(messages, kwargs.get("tools") or (), kwargs.get("tool_choice"))
        await asyncio.sleep(reply.wait)
        return _result(messages, reply)

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        reply = answer(messages, kwargs.get("tools") or (), kwargs.get("tool_choice"))
        await asyncio.sleep(reply.wait)
        for piece in pieces(reply.text):
            yield ChatGenerationChunk(message=AIMessageChunk(content=piece))
        calls = []
        if reply.tool_call:
            arguments = orjson.dumps(reply.tool_call.arguments).decode()
            calls.append(ToolCallChunk(name=reply.tool_call.name, args=arguments, id=_call_id(), index=0))
        last = AIMessageChunk(
            content="", tool_call_chunks=calls, usage_metadata=_usage(messages, reply), chunk_position="last"
        )
        yield ChatGenerationChunk(message=last, generation_info=_finish(reply))


class DemoProvider:
    """The provider of :class:`DemoChatModel`. Needs nothing and cannot fail."""

    name = "demo"

    def default_model(self) -> str:
        """There is one."""
        return "demo"

    def missing(self) -> str | None:
        """Nothing is ever missing."""
        return None

    def build(self, model: str, options: ModelOptions) -> BaseChatModel:
        """The scripted model. It has no temperature, and its answers are short anyway."""
        return DemoChatModel(model_name=model)

    def explain(self, error: Exception) -> ProviderError:
        """A failure here is a fault in the script itself."""
        if isinstance(error, ProviderError):
            return error
        return ProviderError(f"The demo model failed: {type(error).__name__}.", provider=self.name)

    async def warm(self) -> None:
        """Nothing to open."""

    async def aclose(self) -> None:
        """Nothing to close."""


def _result(messages: Sequence[BaseMessage], reply: Reply) -> ChatResult:
    message = AIMessage(content=reply.text, usage_metadata=_usage(messages, reply), response_metadata=_finish(reply))
    if reply.tool_call:
        message.tool_calls = [
            {
                "name": reply.tool_call.name,
                "args": reply.tool_call.arguments,
                "id": _call_id(),
                "type": "tool_call",
            }
        ]
    return ChatResult(generations=[ChatGeneration(message=message)])


def _finish(reply: Reply) -> dict[str, Any]:
    return {"finish_reason": "tool_calls" if reply.tool_call else "stop", "model_name": "demo"}


def _call_id() -> str:
    return f"call_{uuid4().hex[:24]}"


def _usage(messages: Sequence[BaseMessage], reply: Reply) -> UsageMetadata:
    """Words stand in for tokens, so that the counters show something."""
    taken = sum(len(message.text.split()) for message in messages)
    given = len(reply.text.split()) or 1
    return UsageMetadata(input_tokens=taken, output_tokens=given, total_tokens=taken + given)
