"""What an operator typed, made into a :class:`ToolDefinition`; every mistake by the name of its field."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any, get_args
from urllib.parse import urlsplit

import orjson
from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError, best_match

from app.tools.arguments import ArgumentSchema
from app.tools.definition import NAME_PATTERN, Method, RequestSpec, ToolDefinition
from app.tools.errors import ToolInvalid
from app.tools.keywords import check_pattern
from app.tools.placeholders import Placeholder, placeholders_in

MIN_TIMEOUT, MAX_TIMEOUT = 0.1, 120.0
MIN_RESPONSE_BYTES, MAX_RESPONSE_BYTES = 1_000, 20_000_000
MAX_DESCRIPTION_CHARS = 4_000
MAX_SCHEMA_BYTES = 100_000
# Names that the agent gives to tools of its own; a second tool of the same name would hide one of them.
RESERVED_NAMES = frozenset({"answer", "end_call", "transfer_call"})

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_URL_CONTROL = re.compile(r"[\x00-\x20\x7f]")
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HOP_HEADERS = frozenset({"host", "content-length", "transfer-encoding", "connection", "upgrade", "te", "trailer"})


def parse_definition(data: Mapping[str, Any], *, id: int = 0, version: int = 0) -> ToolDefinition:
    """A definition from ``name``, ``description``, ``parameters``, ``request`` (the fields of
    :class:`~app.tools.definition.RequestSpec`) and ``enabled``.

    Raises:
        ToolInvalid: at the first field that is wrong; ``field`` is its name, ``request.url`` and the like for parts of
            the request.
    """
    name = _text(data, "name")
    if not re.fullmatch(NAME_PATTERN, name):
        raise ToolInvalid(
            "The name may have letters, digits, _ and -, begins with a letter or _, and has at most 64 characters.",
            field="name",
        )
    if name in RESERVED_NAMES:
        raise ToolInvalid(f"The name {name} belongs to a built-in tool; choose another.", field="name")
    description = _text(data, "description").strip()
    if not description:
        raise ToolInvalid(
            "Describe what the tool does and when to use it: the model decides by it.", field="description"
        )
    if len(description) > MAX_DESCRIPTION_CHARS:
        raise ToolInvalid(f"The description may have {MAX_DESCRIPTION_CHARS:,} characters.", field="description")
    parameters = _parameters(data.get("parameters"))
    request = _request(data.get("request"))
    _known_placeholders(request, parameters)
    enabled = data.get("enabled", True)
    if not isinstance(enabled, bool):
        raise ToolInvalid("enabled is true or false.", field="enabled")
    return ToolDefinition(id, version, name, description, parameters, request, enabled)


def validate_arguments(definition: ToolDefinition, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments with the schema's defaults. Raises :class:`~app.tools.errors.ArgumentsInvalid`.

    For a single use; the executor keeps the compiled schema.
    """
    return ArgumentSchema(definition.parameters).complete(definition.name, arguments)


def warnings_of(definition: ToolDefinition) -> list[str]:
    """What a provider would not take or would ignore, one sentence each; the tool can be saved all the same."""
    return list(dict.fromkeys(_schema_warnings(definition.parameters, "parameters", depth=0)))


def _text(data: Mapping[str, Any], field: str) -> str:
    value = data.get(field)
    if not isinstance(value, str):
        raise ToolInvalid(f"{field} is missing; it is a text.", field=field)
    return value


def _parameters(value: Any) -> Mapping[str, Any]:
    field = "parameters"
    if value is None:
        return {"type": "object", "properties": {}}
    if not isinstance(value, Mapping):
        raise ToolInvalid('The parameters are a JSON Schema: {"type": "object", "properties": {...}}', field=field)
    schema = dict(value)
    if schema.setdefault("type", "object") != "object":
        raise ToolInvalid('The parameters are an object: "type": "object" at the top.', field=field)
    # LangChain and two of the three providers fail on an object schema without properties.
    if not isinstance(schema.setdefault("properties", {}), Mapping):
        raise ToolInvalid('"properties" maps the name of each parameter to its schema.', field=field)
    try:
        size = len(orjson.dumps(schema))
        mistake = best_match(Draft202012Validator(Draft202012Validator.META_SCHEMA).iter_errors(schema))
    except (TypeError, RecursionError, SchemaError, orjson.JSONEncodeError) as error:
        raise ToolInvalid(f"The parameters are no JSON Schema: {error}", field=field) from error
    if size > MAX_SCHEMA_BYTES:
        raise ToolInvalid(f"The parameters may have {MAX_SCHEMA_BYTES:,} bytes as JSON.", field=field)
    if mistake is not None:
        place = ".".join(str(part) for part in mistake.absolute_path) or "the top"
        raise ToolInvalid(f"The parameters are no valid JSON Schema: at {place}: {mistake.message[:300]}", field=field)
    for part in _subschemas(schema):
        reference = part.get("$ref")
        if isinstance(reference, str) and not reference.startswith("#"):
            raise ToolInvalid(f"$ref {reference!r} leads outside the schema; copy it to $defs.", field=field)
        pattern, by_pattern = part.get("pattern"), part.get("patternProperties")
        for each in (pattern, *(by_pattern if isinstance(by_pattern, Mapping) else ())):
            if isinstance(each, str):
                _pattern(each)
    return schema


def _pattern(pattern: str) -> None:
    try:
        check_pattern(pattern)
    except ValueError as error:
        raise ToolInvalid(f"The pattern {pattern!r} is no regular expression: {error}", field="parameters") from error


def _subschemas(value: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(value, Mapping):
        yield value
        for part in value.values():
            yield from _subschemas(part)
    elif isinstance(value, list):
        for part in value:
            yield from _subschemas(part)


def _request(value: Any) -> RequestSpec:
    if not isinstance(value, Mapping):
        raise ToolInvalid("The request says at least method and url.", field="request")
    unknown = sorted(set(value) - set(RequestSpec.__slots__))
    if unknown:
        raise ToolInvalid(
            f"The request has no field {unknown[0]!r}; it has {', '.join(RequestSpec.__slots__)}.", field="request"
        )
    method = value.get("method", "GET")
    if not isinstance(method, str) or method.upper() not in get_args(Method):
        raise ToolInvalid(f"The method is one of {', '.join(get_args(Method))}.", field="request.method")
    query = value.get("query")
    if query is not None and not isinstance(query, Mapping):
        raise ToolInvalid('The query is an object: {"name": "{{ argument }}"}', field="request.query")
    json_body = value.get("json_body")
    if json_body is not None and method.upper() == "HEAD":
        raise ToolInvalid("A HEAD request has no body.", field="request.json_body")
    return RequestSpec(
        method=method.upper(),  # type: ignore[arg-type]  # checked above
        url=_url(value.get("url")),
        headers=_headers(value.get("headers") or {}),
        query=query,
        json_body=json_body,
        timeout=_number(value.get("timeout", 5.0), "timeout", MIN_TIMEOUT, MAX_TIMEOUT, "seconds"),
        max_response_bytes=int(
            _number(
                value.get("max_response_bytes", 1_000_000),
                "max_response_bytes",
                MIN_RESPONSE_BYTES,
                MAX_RESPONSE_BYTES,
                "bytes",
            )
        ),
    )


def _number(value: Any, name: str, low: float, high: float, unit: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or math.isnan(value) or not low <= value <= high:
        raise ToolInvalid(f"{name} is a number from {low:,g} to {high:,g} ({unit}).", field=f"request.{name}")
    return float(value)


def _url(value: Any) -> str:
    field = "request.url"
    if not isinstance(value, str) or not value.strip():
        raise ToolInvalid("The URL is missing: http://host/path or https://host/path.", field=field)
    url = value.strip()
    _placeholders(url, field)
    # Spaces within a placeholder are the operator's; anywhere else they, and control characters, are a mistake.
    if _URL_CONTROL.search(re.sub(r"\{\{.*?\}\}", "", url)) or "\n" in url or "\r" in url:
        raise ToolInvalid("The URL holds a space or a line break; write %20 for a space.", field=field)
    scheme, separator, rest = url.partition("://")
    if not separator or scheme.lower() not in ("http", "https"):
        raise ToolInvalid("The URL begins with http:// or https://.", field=field)
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    if "{{" in authority or "}}" in authority:
        raise ToolInvalid("A placeholder may stand in the path and the query, not in the host.", field=field)
    if "@" in authority:
        raise ToolInvalid("Take the user name and password out of the URL; send them in a header.", field=field)
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


def _headers(value: Any) -> Mapping[str, str]:
    field = "request.headers"
    if not isinstance(value, Mapping):
        raise ToolInvalid('The headers are an object: {"Name": "value"}', field=field)
    seen: set[str] = set()
    for name, text in value.items():
        if not isinstance(name, str) or not _HEADER_NAME.fullmatch(name):
            raise ToolInvalid(f"{str(name)[:60]!r} is no header name.", field=field)
        if name.lower() in _HOP_HEADERS:
            raise ToolInvalid(f"The header {name} is set by the HTTP client itself; leave it out.", field=field)
        if name.lower() in seen:
            raise ToolInvalid(f"The header {name} is there twice.", field=field)
        seen.add(name.lower())
        if not isinstance(text, str) or _CONTROL.search(text):
            raise ToolInvalid(f"The value of the header {name} is a text without line breaks.", field=field)
    return dict(value)


def _placeholders(value: Any, field: str) -> list[Placeholder]:
    try:
        return placeholders_in(value)
    except ValueError as error:
        raise ToolInvalid(str(error), field=field) from error


def _known_placeholders(request: RequestSpec, parameters: Mapping[str, Any]) -> None:
    known = set(parameters["properties"])
    for name in ("url", "headers", "query", "json_body"):
        field = f"request.{name}"
        for found in _placeholders(getattr(request, name), field):
            if found.source == "argument" and found.name not in known:
                has = ", ".join(sorted(known)) or "none"
                raise ToolInvalid(
                    f"{{{{ {found} }}}} is no parameter of the tool (it has: {has}). "
                    f"A call variable is written {{{{ call.{found} }}}}.",
                    field=field,
                )


def _schema_warnings(schema: Any, place: str, *, depth: int) -> Iterator[str]:
    """Rules as documented by the providers, tried against langchain-google-genai 4.4."""
    if not isinstance(schema, Mapping) or depth > 20:
        return
    values = schema.get("enum")
    if isinstance(values, list) and any(not isinstance(each, str) for each in values):
        yield f"{place}: Gemini does not take an enum of numbers; use texts, or minimum and maximum."
    for word in ("oneOf", "allOf", "const"):
        if word in schema:
            yield f"{place}: Gemini does not know {word} and takes any text there; the arguments are checked here."
    if "$ref" in schema:
        yield f"{place}: Gemini follows $ref only where it does not lead back to itself."
    if schema.get("type") == "array" and "items" not in schema:
        yield f"{place}: Gemini wants items for a list: say what it holds."
    if isinstance(schema.get("type"), list):
        yield f"{place}: some providers take a single type only; use one, and leave the parameter optional."
    properties = schema.get("properties")
    for name, part in properties.items() if isinstance(properties, Mapping) else ():
        yield from _schema_warnings(part, f"{place}.{name}", depth=depth + 1)
        if isinstance(part, Mapping) and not part.get("description") and "$ref" not in part:
            yield f"{place}.{name}: describe it; the model has nothing else to go by."
    for word in ("items", "additionalProperties"):
        yield from _schema_warnings(schema.get(word), f"{place}.{word}", depth=depth + 1)
    for word in ("anyOf", "oneOf", "allOf"):
        for index, part in enumerate(schema.get(word) or ()):
            yield from _schema_warnings(part, f"{place}.{word}.{index}", depth=depth + 1)
