"""Anthropic's messages: https://docs.anthropic.com/en/api/messages-streaming."""

from __future__ import annotations

from typing import Any

import orjson

from lab.providers.answer import Answer
from lab.providers.wires import Ask, Events, cut, text_of

_FINISH = {"length": "max_tokens", "filter": "refusal"}
_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
    500: "api_error",
    529: "overloaded_error",
}


class AnthropicWire:
    """Content blocks with their start, deltas and stop, and a ping between."""

    name = "anthropic"

    def read(self, body: dict[str, Any], path: str) -> Ask:
        """The last user text, and the tool results after it."""
        text, results = "", []
        for message in body.get("messages") or ():
            if message.get("role") != "user":
                continue
            content = message.get("content")
            parts = content if isinstance(content, list) else [{"type": "text", "text": content}]
            for part in parts:
                if part.get("type") == "tool_result":
                    results.append(text_of(part.get("content")))
                elif part.get("type") == "text":
                    text, results = str(part.get("text")), []
        told = text_of(body.get("system"))
        return Ask(str(body.get("model") or ""), bool(body.get("stream")), text, tuple(results), told)

    def events(self, answer: Answer, ask: Ask) -> Events:
        """A text block when there is text, then a block for each tool call."""
        message = {**_message(answer, ask, []), "stop_reason": None}
        head = [_event("message_start", message=message), _event("ping")]
        index = 0
        if answer.text:
            head.append(_event("content_block_start", index=0, content_block={"type": "text", "text": ""}))
            head += [
                _event("content_block_delta", index=0, delta={"type": "text_delta", "text": piece})
                for piece in answer.pieces()
            ]
            head.append(_event("content_block_stop", index=0))
            index = 1
        for block, arguments in _calls(answer):
            middle = len(arguments) // 2
            head.append(_event("content_block_start", index=index, content_block=block))
            head += [
                _event("content_block_delta", index=index, delta={"type": "input_json_delta", "partial_json": part})
                for part in (arguments[:middle], arguments[middle:])
            ]
            head.append(_event("content_block_stop", index=index))
            index += 1
        ended = {"stop_reason": _finish(answer), "stop_sequence": None}
        tail = [
            _event("message_delta", delta=ended, usage=_usage(answer)),
            _event("message_stop"),
        ]
        return Events(head, tail)

    def whole(self, answer: Answer, ask: Ask) -> bytes:
        """A ``message``."""
        content: list[dict[str, Any]] = [{"type": "text", "text": answer.text}] if answer.text else []
        for number, (block, _) in enumerate(_calls(answer)):
            content.append({**block, "input": answer.tool_calls[number].arguments})
        return orjson.dumps(_message(answer, ask, content))

    def error(self, status: int, message: str) -> bytes:
        """``{"type": "error", "error": {...}}``."""
        return orjson.dumps({"type": "error", "error": {"type": _TYPES.get(status, "api_error"), "message": message}})

    def nonsense(self) -> bytes:
        """Cut off in the middle."""
        return b'event: content_block_delta\ndata: {"type": "content_block_delta", \n\n'

    def error_event(self) -> bytes:
        """The form that Anthropic documents for an overload in the middle of a stream."""
        return _event("error", error={"type": "overloaded_error", "message": "Overloaded"})


def _calls(answer: Answer) -> list[tuple[dict[str, Any], str]]:
    calls = []
    for index, call in enumerate(answer.tool_calls):
        arguments = orjson.dumps(call.arguments)
        if answer.fault in ("truncated", "length"):
            arguments = cut(arguments)
        block = {"type": "tool_use", "id": f"toolu_stub_{index}", "name": call.name, "input": {}}
        calls.append((block, arguments.decode()))
    return calls


def _finish(answer: Answer) -> str:
    return _FINISH.get(answer.fault or "") or ("tool_use" if answer.tool_calls else "end_turn")


def _message(answer: Answer, ask: Ask, content: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "id": "msg_stub",
        "type": "message",
        "role": "assistant",
        "model": ask.model,
        "content": content,
        "stop_reason": _finish(answer),
        "stop_sequence": None,
        "usage": _usage(answer),
    }


def _usage(answer: Answer) -> dict[str, int]:
    taken, given = answer.usage
    return {"input_tokens": taken, "output_tokens": given}


def _event(kind: str, **fields: Any) -> bytes:
    return b"event: " + kind.encode() + b"\ndata: " + orjson.dumps({"type": kind, **fields}) + b"\n\n"
