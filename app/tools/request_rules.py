"""The request part of what an operator typed: each mistake by the path of its field."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

from app.db.values import json_problem
from app.tools.body_rules import read_body
from app.tools.definition import AnyRequest, McpCall, PythonCall, RequestSpec
from app.tools.errors import Mistake, ToolInvalid
from app.tools.placeholders import BRACES, Placeholder, placeholders_in

MIN_TIMEOUT, MAX_TIMEOUT = 0.1, 120.0
MIN_RESPONSE_BYTES, MAX_RESPONSE_BYTES = 1_000, 20_000_000
MAX_REQUEST_BYTES: Final = 1_000_000

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_URL_CONTROL = re.compile(r"[\x00-\x20\x7f]")
METHOD: Final = re.compile(r"[A-Z][A-Z0-9_-]{0,31}")
_REFUSED_METHODS: Final = frozenset({"CONNECT", "TRACE"})
HEADER_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
HOP_HEADERS: Final = frozenset(
    {"host", "content-length", "transfer-encoding", "connection", "upgrade", "te", "trailer"}
)

T = TypeVar("T")


class Findings:
    """Collects what is wrong, field by field, so that one look tells all of it."""

    def __init__(self) -> None:
        self.mistakes: list[Mistake] = []

    def read(self, reader: Callable[..., T], *values: Any) -> T | None:
        """What ``reader`` makes of the values; None, and its mistakes noted, where it raises ToolInvalid."""
        try:
            return reader(*values)
        except ToolInvalid as error:
            self.mistakes += error.mistakes
            return None

    def add(self, field: str, message: str) -> None:
        """Note one mistake."""
        self.mistakes.append(Mistake(field, message))


def read_any_request(value: Any, found: Findings) -> AnyRequest | None:
    """What a tool does when it is called; None, with all that is wrong in ``found``. ``kind`` is ``http``, where it is
    absent too, ``mcp`` or ``python``."""
    if not isinstance(value, Mapping):
        found.add("request", "The request says at least method and url.")
        return None
    kind = value.get("kind", "http")
    rest = {name: each for name, each in value.items() if name != "kind"}
    if kind == "mcp":
        return _read_call(McpCall, {"server": int, "tool": str}, rest, found)
    if kind == "python":
        return _read_call(PythonCall, {"entry": str}, rest, found)
    if kind != "http":
        found.add("request.kind", "The kind is http, mcp or python.")
        return None
    return read_request(rest, found)


def _read_call(
    made: type[McpCall | PythonCall], wanted: Mapping[str, type], value: Mapping[str, Any], found: Findings
) -> McpCall | PythonCall | None:
    before = len(found.mistakes)
    for name in sorted(set(map(str, value)) - set(made.__slots__)):
        found.add("request", f"The request has no field {name[:60]!r}; it has {', '.join(made.__slots__)}.")
    for name, kind in wanted.items():
        if not isinstance(value.get(name), kind) or isinstance(value.get(name), bool) or not value.get(name):
            found.add(f"request.{name}", f"{name} is missing.")
    timeout, size = _bounds(value, found)
    if len(found.mistakes) > before:
        return None
    assert timeout is not None
    assert size is not None
    return made(**{name: value[name] for name in wanted}, timeout=timeout, max_response_bytes=int(size))


def _bounds(value: Mapping[str, Any], found: Findings) -> tuple[float | None, float | None]:
    timeout = found.read(_number, value.get("timeout", 5.0), "timeout", MIN_TIMEOUT, MAX_TIMEOUT, "seconds")
    size = found.read(
        _number,
        value.get("max_response_bytes", 1_000_000),
        "max_response_bytes",
        MIN_RESPONSE_BYTES,
        MAX_RESPONSE_BYTES,
        "bytes",
    )
    return timeout, size


def read_request(value: Any, found: Findings) -> RequestSpec | None:
    """The HTTP request of a tool; None, with all that is wrong in ``found``."""
    if not isinstance(value, Mapping):
        found.add("request", "The request says at least method and url.")
        return None
    before = len(found.mistakes)
    # Before anything walks through it: what is nested without end, or is no text, stops every walk half-way.
    for name in ("url", "headers", "query", "json_body", "body"):
        problem = json_problem(value.get(name), max_bytes=MAX_REQUEST_BYTES)
        if problem:
            found.add(f"request.{name}", f"The {name} {problem}.")
    if len(found.mistakes) > before:
        return None
    for name in sorted(set(map(str, value)) - set(RequestSpec.__slots__)):
        found.add("request", f"The request has no field {name[:60]!r}; it has {', '.join(RequestSpec.__slots__)}.")
    method = found.read(_method, value.get("method", "GET"))
    url = found.read(read_url, value.get("url"))
    headers = _headers(value.get("headers") or {}, found)
    query = found.read(_query, value.get("query"))
    json_body = found.read(_json_body, value.get("json_body"), method)
    body, mistakes = read_body(value.get("body"), method=method, headers=headers)
    found.mistakes += mistakes
    if value.get("body") is not None and value.get("json_body") is not None:
        found.add("request.body", "A request has one body: take either json_body or body.")
    timeout, size = _bounds(value, found)
    if len(found.mistakes) > before:
        return None
    assert method is not None
    assert url is not None
    assert timeout is not None
    assert size is not None
    return RequestSpec(
        method=method,
        url=url,
        headers=headers,
        query=query,
        json_body=json_body,
        timeout=timeout,
        max_response_bytes=int(size),
        body=body,
    )


def unknown_placeholders(request: RequestSpec, parameters: Mapping[str, Any]) -> list[Mistake]:
    """The placeholders that name no parameter of the tool."""
    known = set(parameters["properties"])
    has = ", ".join(sorted(known)) or "none"
    return [
        Mistake(
            field,
            f"{{{{ {found} }}}} is no parameter of the tool (it has: {has}). "
            f"A call variable is written {{{{ call.{found} }}}}.",
        )
        for field, value in _templates(request)
        for found in dict.fromkeys(_placeholders(value, field))
        if found.source == "argument" and found.name not in known
    ]


def secret_names_of(request: AnyRequest) -> list[tuple[str, str]]:
    """The fields that name a secret, such as ``request.headers.X-Key``, and the secrets; each pair once. For
    what is looked at when a tool is saved: whether they are there, and may go to this server."""
    if not isinstance(request, RequestSpec):
        return []
    named = [
        (field, found.name)
        for field, value in _templates(request)
        for found in placeholders_in(value)
        if found.source == "secret"
    ]
    return list(dict.fromkeys(named))


def _templates(request: RequestSpec) -> list[tuple[str, Any]]:
    body = request.body
    of_body: list[tuple[str, Any]] = []
    if body is not None:
        of_body = [(f"request.body.fields.{name}", part) for name, part in body.fields.items()]
        of_body.append(("request.body.text", body.text))
    return [
        ("request.url", request.url),
        *((f"request.headers.{name}", text) for name, text in request.headers.items()),
        *((f"request.query.{name}", part) for name, part in (request.query or {}).items()),
        ("request.json_body", request.json_body),
        *of_body,
    ]


def _method(value: Any) -> str:
    if not isinstance(value, str) or not METHOD.fullmatch(value.upper()) or value.upper() in _REFUSED_METHODS:
        raise ToolInvalid(
            "The method is a word such as GET, POST, PUT, PATCH, DELETE, HEAD, OPTIONS or one of the server's own; "
            "CONNECT and TRACE are for proxies.",
            field="request.method",
        )
    return value.upper()


def _query(value: Any) -> Mapping[str, Any] | None:
    if value is None:
        return None
    if not isinstance(value, Mapping):
        raise ToolInvalid('The query is an object: {"name": "{{ argument }}"}', field="request.query")
    found = Findings()
    for name, part in value.items():
        found.read(_placeholders, part, f"request.query.{name}")
    if found.mistakes:
        raise ToolInvalid.of(found.mistakes)
    return value


def _json_body(value: Any, method: str | None) -> Any:
    if value is not None and method == "HEAD":
        raise ToolInvalid("A HEAD request has no body.", field="request.json_body")
    _placeholders(value, "request.json_body")
    return value


def _number(value: Any, name: str, low: float, high: float, unit: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or math.isnan(value) or not low <= value <= high:
        raise ToolInvalid(f"{name} is a number from {low:,g} to {high:,g} ({unit}).", field=f"request.{name}")
    return float(value)


def read_url(value: Any) -> str:
    """The address of a tool. Raises ToolInvalid."""
    field = "request.url"
    if not isinstance(value, str) or not value.strip():
        raise ToolInvalid("The URL is missing: http://host/path or https://host/path.", field=field)
    url = value.strip()
    _placeholders(url, field)
    # Spaces within a placeholder are the operator's; anywhere else they, and control characters, are a mistake.
    if _URL_CONTROL.search(BRACES.sub("", url)) or "\n" in url or "\r" in url:
        raise ToolInvalid("The URL holds a space or a line break; write %20 for a space.", field=field)
    scheme, separator, rest = url.partition("://")
    if not separator or scheme.lower() not in ("http", "https"):
        raise ToolInvalid("The URL begins with http:// or https://.", field=field)
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    if "{{" in authority or "}}" in authority:
        raise ToolInvalid("A placeholder may stand in the path and the query, not in the host.", field=field)
    if "@" in authority:
        raise ToolInvalid(
            "Take the user name and password out of the URL; they belong in the section Login.", field=field
        )
    if "#" in rest:
        raise ToolInvalid("The URL has a # part, which is never sent; leave it out.", field=field)
    try:
        parts = urlsplit(f"{scheme}://{authority}")
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise ToolInvalid(f"The URL's host or port is wrong: {error}", field=field) from error
    if not host or "\\" in authority or not authority.isascii():
        raise ToolInvalid("The URL needs a host of plain letters; write an international name as xn--...", field=field)
    return url


def _headers(value: Any, found: Findings) -> Mapping[str, str]:
    if not isinstance(value, Mapping):
        found.add("request.headers", 'The headers are an object: {"Name": "value"}')
        return {}
    seen: set[str] = set()
    for name, text in value.items():
        field = f"request.headers.{name}"
        if not isinstance(name, str) or not HEADER_NAME.fullmatch(name):
            found.add("request.headers", f"{str(name)[:60]!r} is no header name.")
            continue
        if name.lower() in HOP_HEADERS:
            found.add(field, f"The header {name} is set by the HTTP client itself; leave it out.")
        if name.lower() in seen:
            found.add(field, f"The header {name} is there twice.")
        seen.add(name.lower())
        if not isinstance(text, str) or _CONTROL.search(text):
            found.add(field, f"The value of the header {name} is a text without line breaks.")
        else:
            found.read(_placeholders, text, field)
    return dict(value)


def _placeholders(value: Any, field: str) -> list[Placeholder]:
    try:
        return placeholders_in(value)
    except ValueError as error:
        raise ToolInvalid(str(error), field=field) from error
