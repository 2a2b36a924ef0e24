"""Tools of MCP servers: a call of the model becomes a call of the server's tool."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import orjson

from app.tools.backend import Response, ToolCall
from app.tools.definition import McpCall, ToolDefinition
from app.tools.errors import ToolFailure, ToolResponseTooLarge
from app.tools.exchange import ExchangeObserver
from app.tools.mcp.definition import Answer
from app.tools.mcp.errors import McpNotInstalled, McpUnavailable
from app.tools.mcp.sessions import McpSessions
from app.tools.secrets import SHORTEST_FOR_MODELS, SecretMask

_MAX_WORDS: Final = 500
# In a tool's own words for the model by status, these stand for a tool that says it failed.
_OWN_WORDS: Final = ("422", "4xx")


class McpBackend:
    """Calls tools of MCP servers. Closes the sessions."""

    def __init__(self, sessions: McpSessions) -> None:
        self._sessions = sessions

    async def call(self, call: ToolCall, observer: ExchangeObserver | None) -> Response:
        """See :class:`app.tools.backend.Backend`. A tool that says itself that it failed is a ToolFailure."""
        request = call.tool.request
        assert isinstance(request, McpCall)
        if observer is not None:
            sent = orjson.dumps({"name": request.tool, "arguments": dict(call.arguments)}, default=str)
            observer.sent("tools/call", f"mcp://{self._sessions.name_of(request.server)}/", {}, sent)
        try:
            answer, hidden = await self._sessions.call(request.server, request.tool, call.arguments)
        except McpNotInstalled as error:
            raise McpUnavailable(str(error), retryable=False) from error
        except ToolFailure as error:
            error.add_note(f"tool {call.tool.name}")
            raise
        if len(answer.body) > request.max_response_bytes:
            raise ToolResponseTooLarge(
                f"{call.tool.name}: the response is longer than {request.max_response_bytes:,} bytes",
                for_model=f"{call.tool.name} answered with more than can be read. Ask for less, or go on without it.",
            )
        if observer is not None:
            observer.hides(hidden)
            observer.answered(200, [("Content-Type", answer.content_type)], "utf-8")
            observer.received(answer.body)
            observer.finished()
        if answer.failed:
            raise _failure(call.tool, answer, hidden)
        return Response(200, answer.content_type, "utf-8", answer.body, tuple(hidden))

    async def aclose(self) -> None:
        """Close the sessions. Calls in flight fail."""
        await self._sessions.aclose()


def _failure(tool: ToolDefinition, answer: Answer, hidden: Iterable[str]) -> ToolFailure:
    """What the tool says is for the model, which alone may be able to do something about it; the operator reads it in
    the history, as what the model was told. It may hold what the caller said, so the log has none of it."""
    own = next((words for key in _OWN_WORDS if (words := tool.result.statuses.get(key))), "")
    said = ""
    if not tool.result.select and not tool.result.template:
        text = SecretMask(hidden, shortest=SHORTEST_FOR_MODELS).text(answer.body.decode(errors="replace"))
        said = " ".join(text[: 4 * _MAX_WORDS].split())
        said = f"{said[:_MAX_WORDS]} [cut]" if len(said) > _MAX_WORDS else said
    told = f"{tool.name} failed. It says: {said}" if said else f"{tool.name} failed, and does not say why."
    return ToolFailure(f"{tool.name}: the MCP server says that the tool failed", for_model=own or told)
