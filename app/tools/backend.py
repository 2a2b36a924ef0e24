"""What the executor and the ways to carry out a call agree on: HTTP, MCP, functions in Python."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from app.tools.definition import CallContext, ToolDefinition
from app.tools.exchange import ExchangeObserver


@dataclass(frozen=True, slots=True)
class Response:
    """What came back, as it came, of whatever kind.

    Attributes:
        status: Of HTTP; 200 for what has none.
        content_type: As in HTTP: ``application/json``, ``text/plain``.
        body: Decompressed, and no longer than the tool's ``max_response_bytes``.
        retry_after: The header of that name, as it came: when another try is welcome.
        cache_control: The header of that name.
        hidden: Secrets that were sent, in each form in which they were: nobody is to see them in the body.
        note: For the operator, to stand after the status where that is no success. Holds no secret.
    """

    status: int
    content_type: str
    charset: str | None
    body: bytes
    hidden: tuple[str, ...] = field(default=(), repr=False)
    note: str = ""
    retry_after: str = ""
    cache_control: str = ""


@dataclass(frozen=True, slots=True)
class ToolCall:
    """One call of a model, ready to be carried out; each repeat of it is the same object.

    Attributes:
        arguments: Checked against the schema, with defaults and bound parameters.
        key: Its own; for idempotency.
        ends: Loop time at which it must be over: the tool's timeout and the turn's deadline, whichever is first. The
            executor holds it; a backend need not.
    """

    tool: ToolDefinition
    arguments: Mapping[str, Any]
    context: CallContext
    key: str
    ends: float


class Backend(Protocol):
    """Carries out calls of one kind of tool. Shared by all turns."""

    async def call(self, call: ToolCall, observer: ExchangeObserver | None) -> Response:
        """One try.

        Raises:
            ToolFailure: no response, or none that can be used. ``retryable`` where another try may help; a response
                with a bad HTTP status is a :class:`Response`, not an error.
        """
        ...

    async def aclose(self) -> None:
        """Close what is kept open. Calls in flight fail."""
        ...


@runtime_checkable
class Recognises(Protocol):
    """A backend that can tell whether two calls would ask for the same."""

    def identity(self, call: ToolCall) -> bytes | None:
        """The same for calls that send the same with the same login, and only for those; None: it cannot be told, and
        the call is made."""
        ...
