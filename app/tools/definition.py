"""A tool as a turn sees it: one version, frozen. What an operator types becomes one through
:func:`app.tools.validation.parse_definition`, which says beside each field what is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from app.tools.auth.definition import Authorisation
from app.tools.conduct import Conduct

# A token of RFC 9110, 9.1; CONNECT and TRACE are for proxies and are not taken.
Method = str
BodyKind = Literal["form", "multipart", "xml", "text"]

# The strictest of the providers' rules for the name of a function.
NAME_PATTERN = r"^[a-zA-Z_][a-zA-Z0-9_-]{0,63}$"


@dataclass(frozen=True, slots=True)
class Body:
    """A body that is no JSON.

    Attributes:
        fields: Of ``form`` and ``multipart``: values by name; a list repeats the name. A part of ``multipart`` may be
            an object with ``value``, ``filename`` and ``content_type``.
        text: Of ``xml`` and ``text``.
        content_type: Empty: the usual one of its kind.
    """

    kind: BodyKind
    fields: Mapping[str, Any] = field(default_factory=dict)
    text: str = ""
    content_type: str = ""


@dataclass(frozen=True, slots=True)
class RequestSpec:
    """The HTTP request that a tool makes.

    ``{{ name }}`` stands for an argument of the model, ``{{ call.name }}`` for a call variable, ``{{ secret.name }}``
    for a secret; in ``url``, in the values of ``headers`` and ``query``, and in the strings of ``json_body`` and
    ``body``. A string that is one placeholder and
    nothing else takes the value with its type. Substitution is a single pass: what a value holds is never looked
    at again.

    Attributes:
        url: http or https; placeholders in path and query only, each percent-encoded for its place.
        query: Added to the URL's query. None: for methods without a body, the arguments that no placeholder used.
        json_body: A JSON template. None: for methods with a body, an object of the arguments that no placeholder used.
        body: In place of ``json_body``.
        timeout: Seconds for the whole call, repeats and token requests too, within the turn's deadline.
        max_response_bytes: Reading stops there, and the call fails.
    """

    method: Method
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, Any] | None = None
    json_body: Any = None
    timeout: float = 5.0
    max_response_bytes: int = 1_000_000
    body: Body | None = None


@dataclass(frozen=True, slots=True)
class McpCall:
    """A call of one tool of an MCP server.

    Attributes:
        server: The id of the registered server.
        tool: Its name there.
    """

    server: int
    tool: str
    timeout: float = 5.0
    max_response_bytes: int = 1_000_000


@dataclass(frozen=True, slots=True)
class PythonCall:
    """A call of a function in an installed package.

    Attributes:
        entry: The name under which the package announces it, in the group ``asterisk_ai.tools``.
    """

    entry: str
    timeout: float = 5.0
    max_response_bytes: int = 1_000_000


# What a tool does when it is called.
AnyRequest = RequestSpec | McpCall | PythonCall


@dataclass(frozen=True, slots=True)
class ResultSpec:
    """What the model sees of a response.

    Attributes:
        select: JMESPath over a JSON (or XML) response; empty: all of it.
        template: Jinja over ``result``, what was selected, and ``status``; empty: the result as it is.
        max_bytes: Of the text for the model; more is cut, and the text says so.
        statuses: Words for the model in place of ours, by HTTP status: ``"404"``, or ``"5xx"`` for all of a hundred.
    """

    select: str = ""
    template: str = ""
    max_bytes: int = 8_000
    statuses: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How a tool is called. A number that is 0 switches its part off.

    Attributes:
        retries: Repeats after a failure that another try may mend, within the timeout: for GET, HEAD, OPTIONS, PUT and
            DELETE (RFC 9110, 9.2.2), and for others where ``repeatable`` says that it is safe.
        idempotency_header: Its value is the same in each repeat of one call, and another one in each call.
        breaker_failures: After so many failures in a row the tool counts as down for ``breaker_seconds``; the model is
            told at once, and then one call tries whether it is up again.
        max_concurrent: Calls at a time.
        per_minute: Calls that begin within sixty seconds.
        cache_seconds: Of GET: a response of 2xx serves equal requests for so long.
        filler: A sentence for the caller while a slow tool runs, after ``filler_after`` seconds.
        needs_confirmation: It runs only when the model asked, and the caller agreed, in an earlier turn.
        commit_on_interrupt: A call that has begun is finished and remembered also when the caller interrupts.
    """

    retries: int = 0
    repeatable: bool = False
    idempotency_header: str = ""
    breaker_failures: int = 5
    breaker_seconds: float = 30.0
    max_concurrent: int = 0
    per_minute: int = 0
    cache_seconds: float = 0.0
    filler: str = ""
    filler_after: float = 1.0
    needs_confirmation: bool = False
    commit_on_interrupt: bool = False


@dataclass(frozen=True, slots=True)
class ToolDefinition:
    """One tool that the model may call.

    Attributes:
        parameters: JSON Schema of the arguments; an object with ``properties``.
        bound: Parameters that the model neither sees nor fills: a JSON value, or a text with ``{{ call.name }}``.
    """

    id: int
    version: int
    name: str
    description: str
    parameters: Mapping[str, Any]
    request: AnyRequest
    enabled: bool = True
    bound: Mapping[str, Any] = field(default_factory=dict)
    result: ResultSpec = field(default_factory=ResultSpec)
    behaviour: Behaviour = field(default_factory=Behaviour)
    authorisation: Authorisation = field(default_factory=Authorisation)

    @property
    def http(self) -> RequestSpec:
        """The HTTP request, of a tool that makes one. Raises TypeError for the other kinds."""
        if not isinstance(self.request, RequestSpec):
            raise TypeError(f"{self.name} makes no HTTP request")
        return self.request

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
        conduct: Confirmations, fillers, and calls that outlive the turn; None: an operator's call, outside of a turn.
    """

    turn_id: str
    variables: Mapping[str, str]
    deadline: float
    conduct: Conduct | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What came of a successful call.

    Attributes:
        text: What the model sees; cut to a sensible length, and says so.
        status: HTTP status.
        elapsed_ms: Wall time of the request.
        note: For who tries the tool: why the model sees nothing of an answer that came. Empty: it does.
    """

    text: str
    status: int
    elapsed_ms: float
    note: str = ""
