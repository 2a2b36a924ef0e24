"""Settings of a tool that never do anything, as it stands. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from app.tools.behaviour.retrying import tries_of
from app.tools.definition import RequestSpec, ToolDefinition
from app.tools.errors import Mistake


def without_effect(tool: ToolDefinition) -> Iterator[Mistake]:
    """The fields whose setting changes nothing. The tool can be saved all the same."""
    behaviour, request = tool.behaviour, tool.request
    method = request.method if isinstance(request, RequestSpec) else None
    if behaviour.retries and tries_of(tool) == 1:
        what = f"A {method}" if method else "A call of this kind"
        yield Mistake(
            "behaviour.retries",
            f"{what} is not repeated, so this has no effect. If nothing is done twice by it, say that repeating it "
            "is safe; or else set it to 0.",
        )
    if behaviour.cache_seconds and method != "GET":
        yield Mistake(
            "behaviour.cache_seconds",
            "Only answers to GET are used again, so this has no effect. Set it to 0.",
        )
