"""The parts of a tool in requests and answers: what it does when it is called, its login, what the model sees of the
result, and how it behaves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import PydanticCustomError

from app.tools.auth.definition import Authorisation
from app.tools.auth.parsing import MAX_TIMEOUT as MAX_TOKEN_TIMEOUT
from app.tools.auth.parsing import MIN_TIMEOUT as MIN_TOKEN_TIMEOUT
from app.tools.auth.parsing import stored_form
from app.tools.definition import AnyRequest, Behaviour, Body, BodyKind, McpCall, PythonCall, RequestSpec, ResultSpec
from app.tools.option_rules import LIMITS, MAX_FILLER_CHARS, MAX_TEMPLATE_CHARS
from app.tools.request_rules import MAX_RESPONSE_BYTES, MAX_TIMEOUT, MIN_RESPONSE_BYTES, MIN_TIMEOUT

_USUAL: Final = Behaviour()
_TIMEOUT: Final = Field(
    default=5.0,
    ge=MIN_TIMEOUT,
    le=MAX_TIMEOUT,
    allow_inf_nan=False,
    description="Seconds for the whole call, repeats and token requests too, within the turn's deadline.",
    examples=[5],
)
_SIZE: Final = Field(
    default=1_000_000,
    ge=MIN_RESPONSE_BYTES,
    le=MAX_RESPONSE_BYTES,
    description="Reading stops there, and the call fails.",
    examples=[1_000_000],
)


def _number(name: str, usual: float, words: str, example: float) -> Any:
    limits = LIMITS[name]
    least = 0 if limits.zero else limits.low
    off = (
        (" 0: no limit." if name in ("max_concurrent", "per_minute") else " 0: none.")
        if limits.zero and limits.low > 0
        else ""
    )
    return Field(
        default=usual, ge=least, le=limits.high, allow_inf_nan=False, description=words + off, examples=[example]
    )


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid")


class FormBody(_Part):
    """A body that is no JSON, in place of `json_body`."""

    kind: BodyKind = Field(examples=["form"])
    fields: dict[str, Any] = Field(
        default_factory=dict,
        description="Of `form` and `multipart`: values by name; a list repeats the name. A part of `multipart` may be "
        "an object with `value`, `filename` and `content_type`.",
        examples=[{"number": "{{ order_id }}", "tag": ["phone", "urgent"]}],
    )
    text: str = Field(
        default="",
        max_length=1_000_000,
        description="Of `xml` and `text`, with placeholders.",
        examples=["<order><number>{{ order_id }}</number></order>"],
    )
    content_type: str = Field(
        default="", max_length=300, description="Empty: the usual one of its kind.", examples=["text/xml"]
    )


class RequestBody(_Part):
    """The HTTP request that a tool makes. `{{ name }}` stands for an argument of the model, `{{ call.name }}` for a
    call variable, `{{ secret.name }}` for a secret."""

    kind: Literal["http"] = Field(default="http", description="May be left out; answers always have it.")
    method: str = Field(min_length=1, max_length=32, description="Any but CONNECT and TRACE.", examples=["GET"])
    url: str = Field(min_length=1, max_length=8_000, examples=["https://shop.example.com/orders/{{ order_id }}"])
    headers: dict[str, str] = Field(default_factory=dict, examples=[{"Accept": "application/json"}])
    query: dict[str, Any] | None = Field(
        default=None,
        description="Null: for methods without a body, the arguments that no placeholder used.",
        examples=[{"language": "{{ call.language }}"}],
    )
    json_body: Any = Field(
        default=None,
        description="Null: for methods with a body, an object of the arguments that no placeholder used.",
        examples=[{"number": "{{ order_id }}"}],
    )
    body: FormBody | None = Field(default=None, description="A body of another kind than JSON.", examples=[None])
    timeout: float = _TIMEOUT
    max_response_bytes: int = _SIZE


class McpRequestBody(_Part):
    """A call of one tool of an MCP server."""

    kind: Literal["mcp"]
    server: int = Field(ge=1, le=2**31 - 1, description="The id of the server.", examples=[1])
    tool: str = Field(min_length=1, max_length=300, description="Its name there.", examples=["find_customer"])
    timeout: float = _TIMEOUT
    max_response_bytes: int = _SIZE


class PythonRequestBody(_Part):
    """A call of a function in an installed package."""

    kind: Literal["python"]
    entry: str = Field(
        min_length=1,
        max_length=300,
        description="As `GET /api/tools/python` lists it.",
        examples=["opening_hours"],
    )
    timeout: float = _TIMEOUT
    max_response_bytes: int = _SIZE


class _Login(_Part):
    client_certificate: CertificateBody | None = Field(
        default=None, description="Mutual TLS; goes with each type, also with `none`.", examples=[None]
    )


def _secret(words: str, example: str) -> Any:
    return Field(min_length=1, max_length=64, description=f"Name of a secret: {words}.", examples=[example])


def _maybe(words: str, example: str) -> Any:
    return Field(default=None, max_length=64, description=f"Name of a secret: {words}.", examples=[example])


class CertificateBody(_Part):
    """Names of secrets in PEM form."""

    certificate: str = _secret("the certificate, with the intermediate ones after it", "crm-certificate")
    key: str | None = _maybe("its key, where that is not in `certificate`", "crm-key")
    password: str | None = _maybe("the password of the key", "crm-key-password")
    authority: str | None = _maybe("the certificates that the server's must come from", "company-ca")


class NoLoginBody(_Login):
    """The request is sent as it is."""

    type: Literal["none"] = "none"


class BasicBody(_Login):
    """User name and password in each request."""

    type: Literal["basic"]
    username: str = Field(max_length=1_000, examples=["asterisk"])
    password: str = _secret("the password", "crm-password")


class BearerBody(_Login):
    """A token that does not expire."""

    type: Literal["bearer"]
    token: str = _secret("the token", "crm-token")


class ApiKeyBody(_Login):
    """A key in a header or in the query."""

    type: Literal["api_key"]
    place: Literal["header", "query"] = Field(examples=["header"])
    name: str = Field(max_length=1_000, description="Of the header or the parameter.", examples=["X-Api-Key"])
    key: str = _secret("the key", "shop-key")
    prefix: str = Field(
        default="",
        max_length=1_000,
        description="What stands before the key in the header, with its space.",
        examples=["Token "],
    )


class OAuthBody(_Login):
    """A token from an authorisation server, renewed before it expires."""

    type: Literal["oauth2"]
    grant: Literal["client_credentials", "refresh_token"] = Field(examples=["client_credentials"])
    token_url: str = Field(max_length=1_000, examples=["https://login.example.com/oauth/token"])
    client_id: str = Field(max_length=1_000, examples=["asterisk-ai"])
    client_secret: str | None = _maybe("the client's", "crm-client-secret")
    refresh_token: str | None = _maybe("of the grant `refresh_token`; a new one is stored there", "crm-refresh")
    scope: str = Field(default="", max_length=1_000, description="Words with spaces between.", examples=["orders.read"])
    extra: dict[str, str] = Field(
        default_factory=dict,
        description="Further fields of the token request.",
        examples=[{"audience": "https://api.example.com"}],
    )
    client_auth: Literal["basic", "body"] = Field(default="basic", description="Where id and secret stand.")
    timeout: float = Field(
        default=10.0,
        ge=MIN_TOKEN_TIMEOUT,
        le=MAX_TOKEN_TIMEOUT,
        allow_inf_nan=False,
        description="Seconds for one request to the authorisation server.",
        examples=[10],
    )


class ResultBody(_Part):
    """What the model sees of a response."""

    select: str = Field(
        default="",
        max_length=MAX_TEMPLATE_CHARS,
        description="JMESPath over a response of JSON or XML; empty: all of it.",
        examples=["orders[0].{status: status, place: location}"],
    )
    template: str = Field(
        default="",
        max_length=MAX_TEMPLATE_CHARS,
        description="Jinja over `result`, what was selected, and `status`; empty: the result as it is.",
        examples=["The parcel is in {{ result.place }}."],
    )
    max_bytes: int = _number("max_bytes", ResultSpec().max_bytes, "More is cut, and the text says so.", 8_000)
    statuses: dict[str, str] = Field(
        default_factory=dict,
        description="Words for the model by HTTP status, `404` or `5xx`, in place of ours.",
        examples=[{"404": "There is no order of this number. Ask the caller to read it again."}],
    )


class BehaviourBody(_Part):
    """How a tool is called. A number that is 0 switches its part off."""

    retries: int = _number(
        "retries", _USUAL.retries, "Repeats after a failure that another try may mend, within the timeout.", 2
    )
    repeatable: bool = Field(
        default=False, description="Repeating it is safe, although its method (such as POST) does not promise so."
    )
    idempotency_header: str = Field(
        default="",
        max_length=200,
        description="A header whose value is the same in each repeat of one call.",
        examples=["Idempotency-Key"],
    )
    breaker_failures: int = _number(
        "breaker_failures",
        _USUAL.breaker_failures,
        "After so many failures in a row it counts as down for `breaker_seconds`.",
        5,
    )
    breaker_seconds: float = _number("breaker_seconds", _USUAL.breaker_seconds, "Then one call tries again.", 30)
    max_concurrent: int = _number("max_concurrent", _USUAL.max_concurrent, "Calls at a time.", 4)
    per_minute: int = _number("per_minute", _USUAL.per_minute, "Calls that begin within sixty seconds.", 60)
    cache_seconds: float = _number(
        "cache_seconds", _USUAL.cache_seconds, "Of GET: a success serves equal requests for so long.", 60
    )
    filler: str = Field(
        default="",
        max_length=MAX_FILLER_CHARS,
        description="A sentence for the caller while a slow tool runs.",
        examples=["One moment, I am looking that up."],
    )
    filler_after: float = _number("filler_after", _USUAL.filler_after, "Seconds until it is said.", 1)
    needs_confirmation: bool = Field(
        default=False, description="It runs only when the model asked, and the caller agreed, in an earlier turn."
    )
    commit_on_interrupt: bool = Field(
        default=False, description="A call that has begun is finished and remembered also when the caller interrupts."
    )


_REQUESTS: Final[Mapping[str, type[BaseModel]]] = {
    "http": RequestBody,
    "mcp": McpRequestBody,
    "python": PythonRequestBody,
}
_LOGINS: Final[Mapping[str, type[BaseModel]]] = {
    "none": NoLoginBody,
    "basic": BasicBody,
    "bearer": BearerBody,
    "api_key": ApiKeyBody,
    "oauth2": OAuthBody,
}


def _chosen(value: Any, field: str, usual: str, models: Mapping[str, type[BaseModel]]) -> Any:
    # Not pydantic's own choice by a field: that would put its value into the path of each mistake
    # (request.http.timeout), and an absent one would be no choice.
    if isinstance(value, BaseModel):
        return value
    if not isinstance(value, Mapping):
        return models[usual].model_validate(value)
    kind = value.get(field, usual)
    if not isinstance(kind, str) or kind not in models:
        words = PydanticCustomError(
            "kind", "The {field} is one of {kinds}.", {"field": field, "kinds": ", ".join(models)}
        )
        raise ValidationError.from_exception_data(field, [{"type": words, "loc": (field,), "input": kind}])
    return models[kind].model_validate(value)


AnyRequestBody = Annotated[
    RequestBody | McpRequestBody | PythonRequestBody,
    BeforeValidator(lambda value: _chosen(value, "kind", "http", _REQUESTS)),
]
AnyLoginBody = Annotated[
    NoLoginBody | BasicBody | BearerBody | ApiKeyBody | OAuthBody,
    BeforeValidator(lambda value: _chosen(value, "type", "none", _LOGINS)),
]


def request_body(request: AnyRequest) -> RequestBody | McpRequestBody | PythonRequestBody:
    """Built without validation: what is stored is shown, even if the limits changed since. Secrets are the caller's
    business."""
    match request:
        case RequestSpec():
            body = None if request.body is None else _form_body(request.body)
            return RequestBody.model_construct(**{**asdict(request), "kind": "http", "body": body})
        case McpCall():
            return McpRequestBody.model_construct(kind="mcp", **asdict(request))
        case PythonCall():
            return PythonRequestBody.model_construct(kind="python", **asdict(request))


def login_body(authorisation: Authorisation) -> NoLoginBody | BasicBody | BearerBody | ApiKeyBody | OAuthBody:
    """As :func:`request_body`; it holds names of secrets only."""
    fields = stored_form(authorisation)
    certificate = fields.pop("client_certificate", None)
    shown = None if certificate is None else CertificateBody.model_construct(**certificate)
    made: Any = _LOGINS[fields["type"]].model_construct(**fields, client_certificate=shown)
    return made  # type: ignore[no-any-return]


def _form_body(body: Body) -> FormBody:
    return FormBody.model_construct(**asdict(body))
