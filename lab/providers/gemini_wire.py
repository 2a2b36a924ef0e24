"""Gemini's generateContent and streamGenerateContent?alt=sse: https://ai.google.dev/api/generate-content."""

from __future__ import annotations

import base64
from typing import Any

import orjson

from lab.providers.answer import Answer
from lab.providers.wires import Ask, Events, text_of

_FINISH = {"length": "MAX_TOKENS", "filter": "SAFETY", "truncated": "MALFORMED_FUNCTION_CALL"}
_STATUS = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}


def signature(name: str) -> str:
    """The thought signature that comes with a call of the tool ``name``, and that must be sent back with it."""
    return base64.b64encode(f"thought of {name}".encode()).decode()


class GeminiWire:
    """Function calls come whole, as Gemini sends them, each with a thought signature."""

    name = "gemini"

    def read(self, body: dict[str, Any], path: str) -> Ask:
        """The last user text, and the function responses after it. The model is in the path."""
        text, results = "", []
        for content in body.get("contents") or ():
            for part in content.get("parts") or ():
                if part.get("functionResponse"):
                    results.append(_result(part["functionResponse"].get("response")))
                elif content.get("role") == "user" and part.get("text"):
                    text, results = part["text"], []
        model, _, method = path.rpartition("/")[2].partition(":")
        told = text_of((body.get("systemInstruction") or {}).get("parts"))
        return Ask(model, method == "streamGenerateContent", text, tuple(results), told)

    def events(self, answer: Answer, ask: Ask) -> Events:
        """One event for each piece of text; all function calls in one."""
        head = [_event(_body(ask.model, [{"text": piece}])) for piece in answer.pieces()]
        calls = _calls(answer)
        if calls:
            head.append(_event(_body(ask.model, calls)))
        return Events(head, [_event(_body(ask.model, [{"text": ""}], answer))])

    def whole(self, answer: Answer, ask: Ask) -> bytes:
        """A ``GenerateContentResponse``."""
        parts = [{"text": answer.text}] if answer.text else []
        return orjson.dumps(_body(ask.model, [*parts, *_calls(answer)], answer))

    def error(self, status: int, message: str) -> bytes:
        """``{"error": {...}}`` with Google's status word, and a RetryInfo for 429."""
        error: dict[str, Any] = {"code": status, "message": message, "status": _STATUS.get(status, "UNKNOWN")}
        if status == 429:
            error["details"] = [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "17s"}]
        return orjson.dumps({"error": error})

    def nonsense(self) -> bytes:
        """Cut off in the middle."""
        return b'data: {"candidates": [{"content": \r\n\r\n'

    def error_event(self) -> bytes:
        """Google sends the error as it sends it without a stream."""
        return _event({"error": {"code": 503, "message": "The model is overloaded.", "status": "UNAVAILABLE"}})


def _calls(answer: Answer) -> list[dict[str, Any]]:
    if answer.fault == "length":
        return []  # Gemini sends no part of a call that was cut off
    return [
        {"functionCall": {"name": call.name, "args": call.arguments}, "thoughtSignature": signature(call.name)}
        for call in answer.tool_calls
        if answer.fault != "truncated"
    ]


def _body(model: str, parts: list[dict[str, Any]], ended: Answer | None = None) -> dict[str, Any]:
    candidate: dict[str, Any] = {"content": {"parts": parts, "role": "model"}, "index": 0}
    body: dict[str, Any] = {"candidates": [candidate], "modelVersion": model, "responseId": "stub"}
    if ended is not None:
        candidate["finishReason"] = _FINISH.get(ended.fault or "", "STOP")
        taken, given = ended.usage
        body["usageMetadata"] = {
            "promptTokenCount": taken,
            "candidatesTokenCount": given,
            "totalTokenCount": taken + given,
        }
    return body


def _event(body: dict[str, Any]) -> bytes:
    return b"data: " + orjson.dumps(body) + b"\r\n\r\n"


def _result(response: Any) -> str:
    if isinstance(response, dict) and set(response) <= {"output", "result", "error"} and response:
        response = next(iter(response.values()))
    return response if isinstance(response, str) else orjson.dumps(response).decode()
