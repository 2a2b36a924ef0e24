"""OpenAI's chat completions: https://platform.openai.com/docs/api-reference/chat."""

from __future__ import annotations

from typing import Any

import orjson

from lab.providers.answer import Answer
from lab.providers.wires import Ask, Events, cut, text_of

_ID = "chatcmpl-stub"
_CREATED = 1_790_000_000
_FINISH = {"length": "length", "filter": "content_filter"}
_TYPES = {400: "invalid_request_error", 401: "authentication_error", 429: "rate_limit_error"}


class OpenAIWire:
    """Streams chunks with one delta each, the usage when asked for it, and ``[DONE]``."""

    name = "openai"

    def read(self, body: dict[str, Any], path: str) -> Ask:
        """The last user message, and the tool messages after it."""
        text, results, told = "", list[str](), list[str]()
        for message in body.get("messages") or ():
            if message.get("role") == "user":
                text, results = text_of(message.get("content")), []
            elif message.get("role") == "tool":
                results.append(text_of(message.get("content")))
            elif message.get("role") in ("system", "developer"):
                told.append(text_of(message.get("content")))
        return Ask(str(body.get("model") or ""), bool(body.get("stream")), text, tuple(results), "\n".join(told))

    def events(self, answer: Answer, ask: Ask) -> Events:
        """One event for each piece; each tool call in three."""
        head = [_delta(ask.model, {"role": "assistant", "content": ""})]
        head += [_delta(ask.model, {"content": piece}) for piece in answer.pieces()]
        for index, (call, arguments) in enumerate(_calls(answer)):
            start = {"index": index, "id": f"call_stub_{index}", "type": "function"}
            head.append(_delta(ask.model, {"tool_calls": [{**start, "function": {"name": call, "arguments": ""}}]}))
            middle = len(arguments) // 2
            head += [
                _delta(ask.model, {"tool_calls": [{"index": index, "function": {"arguments": part}}]})
                for part in (arguments[:middle], arguments[middle:])
            ]
        tail = [_event(ask.model, [{"index": 0, "delta": {}, "finish_reason": _finish(answer)}])]
        tail.append(_event(ask.model, [], usage=_usage(answer)))
        tail.append(b"data: [DONE]\n\n")
        return Events(head, tail)

    def whole(self, answer: Answer, ask: Ask) -> bytes:
        """A ``chat.completion``."""
        message: dict[str, Any] = {"role": "assistant", "content": answer.text or None}
        calls = [
            {"id": f"call_stub_{index}", "type": "function", "function": {"name": name, "arguments": arguments}}
            for index, (name, arguments) in enumerate(_calls(answer))
        ]
        if calls:
            message["tool_calls"] = calls
        return orjson.dumps(
            {
                "id": _ID,
                "object": "chat.completion",
                "created": _CREATED,
                "model": ask.model,
                "choices": [{"index": 0, "message": message, "finish_reason": _finish(answer)}],
                "usage": _usage(answer),
            }
        )

    def error(self, status: int, message: str) -> bytes:
        """``{"error": {...}}``."""
        kind = _TYPES.get(status, "server_error" if status >= 500 else "invalid_request_error")
        code = {401: "invalid_api_key", 429: "rate_limit_exceeded"}.get(status)
        return orjson.dumps({"error": {"message": message, "type": kind, "param": None, "code": code}})

    def nonsense(self) -> bytes:
        """Cut off in the middle."""
        return b'data: {"choices": [{"delta": \n\n'

    def error_event(self) -> bytes:
        """The form that OpenAI sends in a stream."""
        return b'data: {"error": {"message": "The server had an error", "type": "server_error", "code": null}}\n\n'


def _calls(answer: Answer) -> list[tuple[str, str]]:
    calls = []
    for call in answer.tool_calls:
        arguments = orjson.dumps(call.arguments)
        if answer.fault in ("truncated", "length"):
            arguments = cut(arguments)
        calls.append((call.name, arguments.decode()))
    return calls


def _finish(answer: Answer) -> str:
    return _FINISH.get(answer.fault or "") or ("tool_calls" if answer.tool_calls else "stop")


def _usage(answer: Answer) -> dict[str, int]:
    taken, given = answer.usage
    return {"prompt_tokens": taken, "completion_tokens": given, "total_tokens": taken + given}


def _delta(model: str, delta: dict[str, Any]) -> bytes:
    return _event(model, [{"index": 0, "delta": delta, "finish_reason": None}])


def _event(model: str, choices: list[dict[str, Any]], **more: Any) -> bytes:
    event = {"id": _ID, "object": "chat.completion.chunk", "created": _CREATED, "model": model, "choices": choices}
    return b"data: " + orjson.dumps({**event, **more}) + b"\n\n"
