"""Tools of MCP servers: a call of the model becomes a call of the server's tool."""

from __future__ import annotations

from typing import Final

import orjson

from app.tools.backend import Response, ToolCall
from app.tools.definition import McpCall
from app.tools.errors import ToolFailure, ToolResponseTooLarge
from app.tools.exchange import ExchangeObserver
from app.tools.mcp.errors import McpNotInstalled, McpUnavailable
from app.tools.mcp.sessions import McpSessions

_FAILED: Final = 422  # the arguments may be at fault; what the tool says is told to the model


class McpBackend:
    """Calls tools of MCP servers. Closes the sessions."""

    def __init__(self, sessions: McpSessions) -> None:
        self._sessions = sessions

    async def call(self, call: ToolCall, observer: ExchangeObserver | None) -> Response:
        """See :class:`app.tools.backend.Backend`. What a tool says itself to have failed has the status 422."""
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
        status = _FAILED if answer.failed else 200
        if observer is not None:
            observer.hides(hidden)
            observer.answered(status, [("Content-Type", answer.content_type)], "utf-8")
            observer.received(answer.body)
            observer.finished()
        return Response(status, answer.content_type, "utf-8", answer.body, tuple(hidden))

    async def aclose(self) -> None:
        """Close the sessions. Calls in flight fail."""
        await self._sessions.aclose()
