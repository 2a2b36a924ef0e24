"""A guard around the stream of a library's chat model, so that it keeps the rules of :mod:`app.llm.completion`.

The libraries take what comes: they run a tool with arguments that were cut off, take half a stream for a whole answer,
read an endless one until memory is full, and each raises errors of its own kind.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any, cast

from langchain_core.messages import AIMessageChunk, ToolCallChunk
from langchain_core.outputs import ChatGenerationChunk

from app.llm.completion import MAX_TEXT, UNREADABLE, is_object
from app.llm.errors import ProviderError
from app.llm.explain import Origin, explain, nonsense
from app.llm.pace import Pace

# What the providers call the end of a whole answer.
_WHOLE = frozenset({"stop", "tool_calls", "function_call", "end_turn", "tool_use", "stop_sequence"})
_TOOL_BLOCKS = ("tool_use", "tool_call", "tool_call_chunk", "input_json_delta", "function_call")


async def guarded(
    stream: AsyncIterator[ChatGenerationChunk], origin: Origin
) -> AsyncGenerator[ChatGenerationChunk, None]:
    """The chunks of ``stream``. Those from the first tool call on are held back until the answer is known to be whole.

    Raises:
        ProviderError: In place of every error of the library; and when the stream ends in the middle, or grows beyond
            all measure.
    """
    guard, pace = _Guard(origin), Pace()
    batch: list[ChatGenerationChunk] = []
    async with aclosing(cast("AsyncGenerator[ChatGenerationChunk, None]", stream)) as chunks:
        try:
            async for chunk in chunks:
                await pace.breathe()
                if guard.take(chunk):
                    batch.append(chunk)
                    if pace.due():
                        yield _joined(batch)
                        batch = []
        except ProviderError:
            raise
        except Exception as error:
            raise explain(origin, error) from error
    held = guard.end()
    if batch:
        yield _joined(batch)
    for chunk in held:
        yield chunk


def _joined(batch: list[ChatGenerationChunk]) -> ChatGenerationChunk:
    return batch[0] + batch[1:] if len(batch) > 1 else batch[0]


class _Guard:
    def __init__(self, origin: Origin) -> None:
        self._origin = origin
        self._size = 0
        self._reason = ""
        self._held: list[ChatGenerationChunk] = []
        self._calls: dict[Any, list[str]] = {}  # the arguments of each tool call, by index

    def take(self, chunk: ChatGenerationChunk) -> bool:
        """Note what is in ``chunk``; whether it may go on at once."""
        message = cast("AIMessageChunk", chunk.message)
        reason = (chunk.generation_info or {}).get("finish_reason") or message.response_metadata.get("stop_reason")
        if reason:
            self._reason = str(reason).lower()
        self._size += len(chunk.text)
        for call in message.tool_call_chunks:
            arguments = call.get("args") or ""
            self._size += len(arguments)
            self._calls.setdefault(_key(call), []).append(arguments)
        if self._size > MAX_TEXT:
            raise nonsense(self._origin, f"sent an answer of more than {MAX_TEXT:,} characters.")
        if self._calls:
            self._held.append(chunk)
            return False
        return True

    def end(self) -> list[ChatGenerationChunk]:
        """The chunks that were held back; without their tool calls when the answer was cut off, and with
        :data:`UNREADABLE` in place of arguments that are not a JSON object."""
        if not self._reason:
            raise nonsense(self._origin, "ended its answer in the middle.")
        if self._reason not in _WHOLE:
            for chunk in self._held:
                _drop_tool_calls(cast("AIMessageChunk", chunk.message))
            return self._held
        broken = {key for key, parts in self._calls.items() if not is_object("".join(parts))}
        for chunk in self._held if broken else ():
            _spoil(cast("AIMessageChunk", chunk.message), broken)
        return self._held


def _key(call: ToolCallChunk) -> Any:
    return call["index"] if call.get("index") is not None else call.get("id")


def _spoil(message: AIMessageChunk, broken: set[Any]) -> None:
    """Put :data:`UNREADABLE` in place of arguments that LangChain would complete to something that was never said."""
    for call in message.tool_call_chunks:
        if _key(call) in broken:
            call["args"] = UNREADABLE
            message.tool_calls = [each for each in message.tool_calls if each["id"] != call["id"]]


def _drop_tool_calls(message: AIMessageChunk) -> None:
    message.tool_call_chunks = []
    message.tool_calls = []
    message.invalid_tool_calls = []
    if isinstance(message.content, list):
        message.content = [
            block for block in message.content if not (isinstance(block, dict) and block.get("type") in _TOOL_BLOCKS)
        ]
