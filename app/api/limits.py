"""A bound on request bodies, held while they are read."""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.problems import ProblemError, respond_to

# A prompt of a million characters fits, even where each is written as an escape of six.
MAX_BODY_BYTES: Final = 8_000_000


def _too_large(limit: int) -> ProblemError:
    return ProblemError(
        413,
        "body_too_large",
        f"The body is larger than {limit // 1_000_000} MB. A prompt holds at most a million characters.",
        # What is left of the body is not read, so the connection is of no more use.
        headers={"Connection": "close"},
    )


class BodyLimit:
    """ASGI middleware: refuses a body that says it is too large before reading it, and stops reading one that turns
    out to be."""

    def __init__(self, app: ASGIApp, limit: int = MAX_BODY_BYTES) -> None:
        self._app = app
        self._limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on with a receive that counts."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        announced = request.headers.get("content-length", "")
        if announced.isdecimal() and int(announced) > self._limit:
            error = _too_large(self._limit)
            await respond_to(request, error.problem, error.headers)(scope, receive, send)
            return
        size = 0

        async def count() -> Message:
            nonlocal size
            message = await receive()
            if message["type"] == "http.request":
                size += len(message.get("body", b""))
                if size > self._limit:
                    raise _too_large(self._limit)
            return message

        await self._app(scope, count, send)
