"""The stream of an OpenAI chat completion: bytes in, pieces of the answer out. No I/O.

Protocol: https://platform.openai.com/docs/api-reference/chat-streaming. Each event is a JSON object with ``choices``;
``choices[0].delta`` carries pieces of text, and of tool calls by ``index``; ``finish_reason`` comes with the last
piece; with ``stream_options.include_usage`` an event with empty ``choices`` and ``usage`` follows; ``[DONE]`` ends it.

What is made of answers that do not go as they should:

* a tool call whose arguments are not a JSON object: :data:`UNREADABLE` in their place, since half an order number is a
  wrong one, and LangChain completes what was cut off; the agent tells the model;
* tool calls in an answer that was cut off (``length``) or filtered: dropped; the finish reason says so;
* the end of the stream before a finish reason: :class:`Malformed`;
* no ``[DONE]`` after the finish reason: accepted, several servers do not send it;
* nothing said at all, but a finish reason: an empty answer, which the agent has a word for;
* more than :data:`MAX_TEXT` characters: :class:`Malformed`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from app.llm.sse import EventTooLarge, SseDecoder
from app.llm.thoughts import ThoughtFilter

# A caller hears 4,000 bytes at most. These bound memory against a model, or a server, that never ends.
MAX_TEXT = 400_000  # characters of text and of tool arguments together
MAX_BYTES = 48_000_000  # of the stream: a token of text comes in an event of some 200 bytes

# Finish reasons with which a tool call is complete. Everything else ended the answer before its end.
WHOLE = frozenset({"stop", "tool_calls", "function_call"})

# In place of arguments that are no JSON object: itself none, nor the beginning of one.
UNREADABLE = "unreadable"


def is_object(arguments: str) -> bool:
    """Whether the arguments of a tool call are a JSON object; none at all are an empty one."""
    try:
        return isinstance(orjson.loads(arguments), dict) if arguments.strip() else True
    except orjson.JSONDecodeError:
        return False


class Malformed(Exception):
    """The stream does not follow the protocol; the message completes "the provider ..."."""


class ErrorEvent(Exception):
    """The provider reported an error in the middle of the stream.

    Attributes:
        body: The decoded event.
    """

    def __init__(self, body: Mapping[str, Any]) -> None:
        super().__init__("error event")
        self.body = body


@dataclass(slots=True)
class ToolCallParts:
    """A tool call as it grows."""

    id: str = ""
    name: str = ""
    arguments: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class WireToolCall:
    """A whole tool call; ``arguments`` is a JSON object, checked, or :data:`UNREADABLE`. ``id`` may be empty."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Finish:
    """The end of an answer.

    Attributes:
        reason: ``stop``, ``tool_calls``, ``length``, ``content_filter``, or what a server made up.
        usage: As the provider sent it, None where it did not.
    """

    reason: str
    model: str
    tool_calls: tuple[WireToolCall, ...]
    usage: Mapping[str, Any] | None


class CompletionStream:
    """Reads one streamed answer. Feed bytes at any boundary, then call :meth:`end`.

    Attributes:
        finished: The finish reason has come; only usage may follow.
        done: ``[DONE]`` has come; nothing follows.
    """

    def __init__(self) -> None:
        self.finished = False
        self.done = False
        self._decoder = SseDecoder()
        self._thoughts = ThoughtFilter()
        self._bytes = 0
        self._characters = 0
        self._reason = ""
        self._model = ""
        self._usage: Mapping[str, Any] | None = None
        self._calls: list[ToolCallParts] = []
        self._open: dict[int | None, ToolCallParts] = {}  # by index, the call that further pieces belong to

    def feed(self, chunk: bytes) -> str:
        """The text that ``chunk`` completes; often empty.

        Raises:
            Malformed: The stream does not follow the protocol, or is too large.
            ErrorEvent: The provider reported an error.
        """
        self._bytes += len(chunk)
        if self._bytes > MAX_BYTES:
            raise Malformed(f"sent an answer without end; reading stopped after {MAX_BYTES:,} bytes.")
        try:
            events = self._decoder.feed(chunk)
        except EventTooLarge:
            raise Malformed("sent a single event of more than two megabytes.") from None
        text = "".join([text for event in events if not self.done and (text := self._event(event))])
        answer = self._thoughts.feed(text) if text else ""
        return answer + self._thoughts.end() if self.finished else answer

    def end(self) -> Finish:
        """What came of the answer, after its last byte.

        Raises:
            Malformed: The answer ended in the middle, or a tool call has no name.
        """
        if not self.finished:
            raise Malformed("ended its answer in the middle.")
        calls: tuple[WireToolCall, ...] = ()
        if self._reason in WHOLE:
            calls = tuple(_whole(call) for call in self._calls)
        return Finish(self._reason, self._model, calls, self._usage)

    def _event(self, data: bytes) -> str:
        if data == b"[DONE]":
            self.done = True
            return ""
        if self.finished:
            self._after_the_end(data)
            return ""
        try:
            event = orjson.loads(data)
        except orjson.JSONDecodeError:
            # Plain words are an error of a proxy, and worth telling. Half an object holds what was said.
            words = "" if data.lstrip().startswith((b"{", b"[")) else f": {data[:80].decode('utf-8', 'replace')}"
            raise Malformed(f"sent an event that is not JSON{words or '.'}") from None
        if not isinstance(event, dict):
            raise Malformed("sent an event that is not a JSON object.")
        if event.get("error"):
            raise ErrorEvent(event)
        usage = event.get("usage")
        if isinstance(usage, dict):
            self._usage = usage
        choices = event.get("choices")
        if not choices:
            return ""
        try:
            return self._choice(event, choices[0])
        except (KeyError, TypeError, AttributeError, IndexError, ValueError) as error:
            raise Malformed(f"sent an event of an unknown form ({type(error).__name__}).") from error

    def _after_the_end(self, data: bytes) -> None:
        """The usage may follow; the answer is whole, and nothing else that comes takes it back."""
        try:
            usage = orjson.loads(data).get("usage")
        except (orjson.JSONDecodeError, AttributeError):
            return
        if isinstance(usage, dict):
            self._usage = usage

    def _choice(self, event: Mapping[str, Any], choice: Mapping[str, Any]) -> str:
        # ``message`` instead of ``delta``: a server that does not stream, and answers the request whole.
        delta = choice.get("delta") or choice.get("message") or {}
        for part in delta.get("tool_calls") or ():
            self._tool_call(part)
        reason = choice.get("finish_reason")
        if reason:
            self.finished = True
            self._reason = str(reason)
            self._model = str(event.get("model") or "")
        # Text that a model gives with a refusal is what it wants the caller to hear.
        text = delta.get("content") or delta.get("refusal") or ""
        if not isinstance(text, str):
            text = "".join(part.get("text") or "" for part in text)
        if text:
            self._count(text)
        return text

    def _tool_call(self, part: Mapping[str, Any]) -> None:
        call = self._call_of(part)
        call.id = part.get("id") or call.id
        function = part.get("function") or {}
        call.name = function.get("name") or call.name
        arguments = function.get("arguments")
        if arguments:
            # Ollama's older versions send an object where the protocol has a string.
            text = arguments if isinstance(arguments, str) else orjson.dumps(arguments).decode()
            self._count(text)
            call.arguments.append(text)

    def _call_of(self, part: Mapping[str, Any]) -> ToolCallParts:
        """The call that ``part`` belongs to.

        By the protocol its index says so. Some servers leave it out, others write 0 for every call (Ollama did): there
        a name beside another id, or beside none, begins the next one.
        """
        index = None if part.get("index") is None else int(part["index"])
        call, id = self._open.get(index), part.get("id")
        begins = bool((part.get("function") or {}).get("name"))
        if call is not None and begins:
            begins = (id != call.id if id else True) if index is None else bool(id and call.id and id != call.id)
        if call is None or begins:
            call = self._open[index] = ToolCallParts()
            self._calls.append(call)
        return call

    def _count(self, text: str) -> None:
        self._characters += len(text)
        if self._characters > MAX_TEXT:
            raise Malformed(f"sent an answer of more than {MAX_TEXT:,} characters.")


def read_whole(body: bytes) -> tuple[str, Finish]:
    """An answer that was not streamed: its text and its end.

    Raises:
        Malformed, ErrorEvent: As :class:`CompletionStream` does.
    """
    stream = CompletionStream()
    text = stream._thoughts.feed(stream._event(body.strip()))
    return text + stream._thoughts.end(), stream.end()


def _whole(call: ToolCallParts) -> WireToolCall:
    arguments = "".join(call.arguments).strip() or "{}"
    if not call.name:
        raise Malformed("called a tool without a name.")
    return WireToolCall(call.id, call.name, arguments if is_object(arguments) else UNREADABLE)
