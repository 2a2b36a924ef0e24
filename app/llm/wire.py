"""A thin chat model for OpenAI's chat completions, over aiohttp and orjson.

It is used in place of ``langchain_openai.ChatOpenAI`` unless ``OPENAI_CLIENT=langchain``: the same requests and the
same answers - both pass the same tests - for about a third of the CPU, see docs/providers.md. It streams always,
because a turn that is cancelled must stop the model within milliseconds.
"""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing
from typing import Any
from uuid import uuid4

import aiohttp
import orjson
from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.language_models.chat_models import agenerate_from_stream
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, ToolCallChunk
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import ConfigDict, Field

from app.llm.completion import CompletionStream, ErrorEvent, Finish, Malformed, read_whole
from app.llm.connection import Connection
from app.llm.explain import (
    Origin,
    cut_off,
    error_text,
    from_status,
    nonsense,
    parse_retry_after,
    status_of_error,
    too_late,
    unreachable,
)
from app.llm.pace import Pace
from app.llm.wire_messages import to_wire

# How long to wait, in seconds, for the usage that may follow the finish reason: an answer goes before its statistics.
USAGE_PATIENCE = 0.5
# The same for the end of the response after [DONE]: some servers leave it open.
END_PATIENCE = 0.02
MAX_ERROR_BODY = 20_000
MAX_WHOLE_BODY = 4_000_000
_ONE_GO = 500_000


class OpenAIWireModel(BaseChatModel):
    """Chat completions of one model at one server. Raises our :class:`~app.llm.errors.ProviderError` tree.

    Closing the stream, or cancelling the task that reads it, closes the HTTP response at once.

    Attributes:
        body: Parameters of every request besides the messages: ``max_tokens``, ``temperature`` ...
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    model_name: str
    connection: Connection = Field(exclude=True, repr=False)
    origin: Origin = Field(exclude=True, repr=False)
    body: dict[str, Any] = Field(default_factory=dict)

    @property
    def _llm_type(self) -> str:
        return "asterisk-ai-openai-wire"

    @property
    def _identifying_params(self) -> Mapping[str, Any]:
        return {"model": self.model_name, **self.body}

    def bind_tools(
        self,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool],
        *,
        tool_choice: Any = None,
        strict: bool | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """The same model with ``tools``.

        Args:
            tool_choice: None, "auto", "none", "any" (or True), a tool's name, or OpenAI's own object.
            strict: Ignored: OpenAI's strict mode wants every property to be required, which operators' schemas are
                not, and arguments are validated before a tool is called.
        """
        wired = [convert_to_openai_tool(tool) for tool in tools]
        choice = _tool_choice(tool_choice, wired)
        if choice is not None:
            kwargs["tool_choice"] = choice
        if wired:
            kwargs["tools"] = wired
        return self.bind(**kwargs)

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        raise NotImplementedError("this model is asynchronous: use ainvoke or astream")

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return await agenerate_from_stream(self._astream(messages, stop, run_manager, **kwargs))

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        payload = self._payload(messages, stop, kwargs)
        try:
            response = await self._post(payload)
            try:
                async with aclosing(self._read(response)) as chunks:
                    async for chunk in chunks:
                        yield chunk
            except BaseException:
                # Closed, not returned to the pool: the server must see that nobody listens any more.
                response.close()
                raise
            finally:
                response.release()
        except Malformed as error:
            raise nonsense(self.origin, str(error)) from error
        except ErrorEvent as error:
            raise from_status(self.origin, status_of_error(error.body), error_text(error.body)) from error
        except TimeoutError as error:
            raise too_late(self.origin) from error
        except aiohttp.ClientPayloadError as error:
            raise cut_off(self.origin) from error
        except (aiohttp.ClientError, OSError) as error:
            raise unreachable(self.origin, error) from error

    def _payload(self, messages: Sequence[BaseMessage], stop: list[str] | None, extra: Mapping[str, Any]) -> bytes:
        payload: dict[str, Any] = {
            "model": self.model_name,
            "messages": to_wire(messages),
            "stream": True,
            "stream_options": {"include_usage": True},
            **self.body,
        }
        if stop:
            payload["stop"] = stop
        # What LangChain binds for its tracers stays here.
        payload.update((key, value) for key, value in extra.items() if not key.startswith("ls_") and value is not None)
        try:
            return orjson.dumps(payload, default=str)
        except TypeError:
            # Half a surrogate pair, which speech recognition or a broken header can leave in a text.
            return json.dumps(payload, default=str, ensure_ascii=False).encode("utf-8", "replace")

    async def _post(self, payload: bytes) -> aiohttp.ClientResponse:
        """The response, when its status is 200.

        A kept connection may be closed by the server in the moment in which it is used again. Nothing has come back
        then, so the request is made once more, on a new connection; a server that is down fails at once in both.
        """
        url = f"{self.connection.base_url}/chat/completions"
        try:
            response = await self.connection.session().post(url, data=_body(payload), allow_redirects=False)
        except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError) as error:
            if isinstance(error, aiohttp.ClientConnectorError):
                raise
            response = await self.connection.session().post(url, data=_body(payload), allow_redirects=False)
        if response.status != 200:
            try:
                body = b""
                while len(body) < MAX_ERROR_BODY and (chunk := await response.content.readany()):
                    body += chunk
            finally:
                response.release()
            raise from_status(
                self.origin, response.status, error_text(body), parse_retry_after(response.headers.get("retry-after"))
            )
        return response

    async def _read(self, response: aiohttp.ClientResponse) -> AsyncGenerator[ChatGenerationChunk]:
        kind = response.content_type
        if kind == "application/json":
            text, finish = read_whole(await _whole_body(response))
            yield _text(text)
            yield _last(finish)
            return
        if kind in ("text/html", "application/xhtml+xml"):
            raise Malformed(f"answered with a web page in place of an answer. Check {self.origin.url}.")
        stream, pace, held = CompletionStream(), Pace(), ""
        content = response.content
        # Everything that has arrived is one piece: each one costs a walk through LangChain and the graph.
        while chunk := await content.readany():
            held += stream.feed(chunk)
            if held and pace.due():
                yield _text(held)
                held = ""
            if stream.finished:
                break
        if held:
            yield _text(held)
        await _drain(stream, response)
        yield _last(stream.end())


async def _drain(stream: CompletionStream, response: aiohttp.ClientResponse) -> None:
    """Read what follows the finish reason: the usage, and the end, so that the connection can be used again."""
    if response.content.at_eof() or not stream.finished:
        return
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(USAGE_PATIENCE) as patience:
            while not stream.done and (chunk := await response.content.readany()):
                stream.feed(chunk)
            patience.reschedule(loop.time() + END_PATIENCE)
            while await response.content.readany():
                pass
    except (TimeoutError, aiohttp.ClientError, Malformed):
        # The answer is whole, whatever comes after it. Without its end the connection is of no further use.
        response.close()


def _body(payload: bytes) -> bytes | io.BytesIO:
    # aiohttp writes a file in pieces, and warns of bytes that it would have to write in one go.
    return payload if len(payload) < _ONE_GO else io.BytesIO(payload)


async def _whole_body(response: aiohttp.ClientResponse) -> bytes:
    parts, size = [], 0
    while chunk := await response.content.readany():
        size += len(chunk)
        if size > MAX_WHOLE_BODY:
            raise Malformed(f"sent an answer of more than {MAX_WHOLE_BODY:,} bytes.")
        parts.append(chunk)
    return b"".join(parts)


def _text(text: str) -> ChatGenerationChunk:
    return ChatGenerationChunk(message=AIMessageChunk(content=text))


def _last(finish: Finish) -> ChatGenerationChunk:
    """The last chunk: tool calls, whole; usage; and the reason for the end."""
    calls, taken = [], {""}
    for index, call in enumerate(finish.tool_calls):
        # Servers that give no id, or the same to all: results are told apart by it, in later requests too.
        id = call.id if call.id not in taken else f"call_{uuid4().hex}"
        taken.add(id)
        calls.append(ToolCallChunk(name=call.name, args=call.arguments, id=id, index=index))
    message = AIMessageChunk(
        content="", tool_call_chunks=calls, usage_metadata=_usage(finish.usage), chunk_position="last"
    )
    return ChatGenerationChunk(
        message=message,
        generation_info={"finish_reason": finish.reason, "model_name": finish.model},
    )


def _usage(usage: Mapping[str, Any] | None) -> UsageMetadata | None:
    if usage is None:
        return None
    taken, given = _count(usage.get("prompt_tokens")), _count(usage.get("completion_tokens"))
    return UsageMetadata(
        input_tokens=taken, output_tokens=given, total_tokens=_count(usage.get("total_tokens")) or taken + given
    )


def _count(value: Any) -> int:
    return int(value) if isinstance(value, int | float) and 0 <= value < 2**53 else 0


def _tool_choice(choice: Any, tools: Sequence[Mapping[str, Any]]) -> Any:
    if choice is None or choice is False or not tools:
        return None
    if choice is True or choice in ("any", "required"):
        return "required"
    if isinstance(choice, str) and choice not in ("auto", "none"):
        return {"type": "function", "function": {"name": choice}}
    return choice
