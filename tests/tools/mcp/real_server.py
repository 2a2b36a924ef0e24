"""A real MCP server, made with the SDK: ``python -m tests.tools.mcp.real_server stdio`` or ``http PORT [old]``.

``old`` speaks the protocol of 2025: with a handshake, and sessions that it may lose.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from typing import Any

from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import ImageContent, TextContent, ToolAnnotations

server = MCPServer("shop", version="7", log_level="CRITICAL")
started = {"slow": 0, "cancelled": 0}


@server.tool(description="Say where an order is.", annotations=ToolAnnotations(readOnlyHint=True))
def order_status(number: int) -> dict[str, Any]:
    return {"number": number, "state": "on its way", "pid": os.getpid()}


@server.tool(annotations=ToolAnnotations(destructiveHint=True), structured_output=False)
def cancel_order(number: int) -> str:
    """Cancel an order for good."""
    raise ToolError(f"order {number} has left the house")


@server.tool(structured_output=False)
async def slow(seconds: float) -> str:
    """Take a while."""
    started["slow"] += 1
    try:
        await asyncio.sleep(seconds)
    except asyncio.CancelledError:
        started["cancelled"] += 1
        raise
    return "done"


@server.tool(structured_output=False)
def counts() -> str:
    """How often slow was begun and cancelled."""
    return json.dumps(started)


@server.tool(structured_output=False)
def picture() -> list[TextContent | ImageContent]:
    """A picture with words."""
    return [
        TextContent(type="text", text="A cat."),
        ImageContent(type="image", data="aGVsbG8=", mimeType="image/png"),
    ]


@server.tool(structured_output=False)
def big(bytes: int) -> str:
    """As much as is asked for."""
    return "x" * bytes


@server.tool(structured_output=False)
def environment() -> str:
    """The names in the environment."""
    return " ".join(sorted(os.environ))


@server.tool(structured_output=False)
async def add_tool(ctx: Context) -> str:
    """Offer one more tool."""

    def late() -> str:
        """A tool that came later."""
        return "late"

    server.add_tool(late)
    await ctx.notify_tools_changed()
    await ctx.session.send_tool_list_changed()
    return "added"


class Old:
    """Refuses what the protocol of 2026 begins with, and records the headers that it gets."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http" or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        messages, body, more = [], b"", True
        while more:
            messages.append(await receive())
            body += messages[-1].get("body", b"")
            more = messages[-1].get("more_body", False)
        if b'"server/discover"' in body:
            await send({"type": "http.response.start", "status": 400, "headers": []})
            await send({"type": "http.response.body", "body": b"no such method"})
            return
        left = iter(messages)

        async def again() -> Any:
            return next(left, None) or await receive()

        await self._app(scope, again, send)


class Keyed:
    """Wants a key, where the environment names one."""

    def __init__(self, app: Any, key: str) -> None:
        self._app, self._key = app, key.encode()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and dict(scope["headers"]).get(b"x-key") != self._key:
            await send({"type": "http.response.start", "status": 401, "headers": []})
            await send({"type": "http.response.body", "body": b"who are you?"})
            return
        await self._app(scope, receive, send)


def main() -> None:
    if sys.argv[1] == "stdio":
        print("a line that is no message", flush=True)
        print("words of the program", file=sys.stderr, flush=True)
        server.run("stdio")
        return
    import uvicorn

    app: Any = server.streamable_http_app(json_response="json" in sys.argv)
    if "old" in sys.argv:
        app = Old(app)
    if key := os.environ.get("TEST_KEY"):
        app = Keyed(app, key)
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[2]), log_level="error", timeout_graceful_shutdown=0)


if __name__ == "__main__":
    main()
