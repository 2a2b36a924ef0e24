"""A tool as a turn sees it: one version, frozen. What an operator types becomes one through
:func:`app.tools.validation.parse_definition`, which says beside each field what is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"]

# The strictest of the providers' rules for the name of a function.
NAME_PATTERN = r"^[a-zA-Z_][a-zA-Z0-9_-]{0,63}$"


@dataclass(frozen=True, slots=True)
class RequestSpec:
    """The HTTP request that a tool makes.

    ``{{ name }}`` stands for an argument of the model, ``{{ call.name }}`` for a call variable; in ``url``, in the
    values of ``headers`` and ``query``, and in the strings of ``json_body``. A string that is one placeholder and
    nothing else takes the value with its type. Substitution is a single pass: what a value holds is never looked
    at again.

    Attributes:
        url: http or https; placeholders in path and query only, each percent-encoded for its place.
        query: Added to the URL's query. None: for methods without a body, the arguments that no placeholder used.
        json_body: A JSON template. None: for methods with a body, an object of the arguments that no placeholder used.
        timeout: Seconds for the whole request, within the turn's deadline.
        max_response_bytes: Reading stops there, and the call fails.
    """

    method: Method
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, Any] | None = None
    json_body: Any = None
    timeout: float = 5.0
    max_response_bytes: int = 1_000_000


@dataclass(frozen=True, slots=True)
class ToolDefinition:
    """One tool that the model may call.

    Attributes:
        parameters: JSON Schema of the arguments; an object with ``properties``.
    """

    id: int
    version: int
    name: str
    description: str
    parameters: Mapping[str, Any]
    request: RequestSpec
    enabled: bool = True

    @property
    def key(self) -> tuple[int, int]:
        """Identity of this version, for caches. Not of a draft, whose version is 0: two of them may share it."""
        return (self.id, self.version)


@dataclass(frozen=True, slots=True)
class CallContext:
    """What a tool may know of the turn in which it is called.

    Attributes:
        turn_id: For logs and idempotency keys.
        variables: Call variables, for bound parameters.
        deadline: ``asyncio`` loop time at which the turn must be over.
    """

    turn_id: str
    variables: Mapping[str, str]
    deadline: float


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What came of a successful call.

    Attributes:
        text: What the model sees; cut to a sensible length, and says so.
        status: HTTP status.
        elapsed_ms: Wall time of the request.
    """

    text: str
    status: int
    elapsed_ms: float
