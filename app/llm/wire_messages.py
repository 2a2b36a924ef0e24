"""LangChain's messages in the form of OpenAI's chat completions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson
from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    ChatMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)


def to_wire(messages: Sequence[BaseMessage]) -> list[dict[str, Any]]:
    """``messages`` as the ``messages`` of a request.

    Only text goes over: what other providers keep in content blocks (Gemini's thought signatures, Anthropic's
    ``tool_use`` blocks) means nothing to an OpenAI-compatible server, and a conversation may change its provider.

    Raises:
        TypeError: A kind of message that has no place in a chat completion.
    """
    return [_one(message) for message in messages]


def _one(message: BaseMessage) -> dict[str, Any]:
    content = message.content if isinstance(message.content, str) else str(message.text)
    if isinstance(message, HumanMessage):
        return {"role": "user", "content": content}
    if isinstance(message, AIMessage):
        if not message.tool_calls:
            return {"role": "assistant", "content": content}
        calls = [
            {
                "id": call["id"] or f"call_{index}",
                "type": "function",
                "function": {"name": call["name"], "arguments": orjson.dumps(call["args"], default=str).decode()},
            }
            for index, call in enumerate(message.tool_calls)
        ]
        return {"role": "assistant", "content": content or None, "tool_calls": calls}
    if isinstance(message, ToolMessage):
        return {"role": "tool", "tool_call_id": message.tool_call_id, "content": content}
    if isinstance(message, SystemMessage):
        return {"role": "system", "content": content}
    if isinstance(message, ChatMessage):
        return {"role": message.role, "content": content}
    raise TypeError(f"a {type(message).__name__} has no place in a chat completion")
