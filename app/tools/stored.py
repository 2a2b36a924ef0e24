"""A tool's parts as JSON for the database and back. What a later version of the service has written, and this one does
not know, is passed over; what is missing has its usual value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any, Final, TypeVar

from app.tools.auth.parsing import parse_authorisation, stored_form
from app.tools.definition import (
    AnyRequest,
    Behaviour,
    Body,
    McpCall,
    PythonCall,
    RequestSpec,
    ResultSpec,
    ToolDefinition,
)
from app.tools.errors import ToolInvalid, ToolUnreadable

# The kind of a request; one without is HTTP, as all were once.
_KIND: Final = "kind"
_KINDS: Final[Mapping[str, type[AnyRequest]]] = {"http": RequestSpec, "mcp": McpCall, "python": PythonCall}
_NAMES: Final = {made: name for name, made in _KINDS.items()}

T = TypeVar("T")


def kind_of(request: AnyRequest) -> str:
    """``http``, ``mcp`` or ``python``."""
    return _NAMES[type(request)]


def request_form(request: AnyRequest) -> dict[str, Any]:
    """The column ``request``."""
    kind = kind_of(request)
    return asdict(request) if kind == "http" else {_KIND: kind, **asdict(request)}


def request_from(data: Mapping[str, Any]) -> AnyRequest:
    """The reverse of :func:`request_form`. Raises ToolUnreadable."""
    kind = data.get(_KIND, "http")
    made = _KINDS.get(kind)
    if made is None:
        raise ToolUnreadable(f"it is a tool of the kind {str(kind)[:40]!r}, which this version of the service has not")
    try:
        request = _made(made, data)
        if isinstance(request, RequestSpec) and isinstance(request.body, Mapping):
            return _made(RequestSpec, {**data, "body": _made(Body, request.body)})
    except TypeError as error:  # a field is missing
        raise ToolUnreadable(f"what is stored is not whole: {error}") from error
    return request


def options_form(definition: ToolDefinition) -> dict[str, Any]:
    """The column ``options``: everything but the request and the parameters."""
    return {
        "bound": dict(definition.bound),
        "result": asdict(definition.result),
        "behaviour": asdict(definition.behaviour),
        "authorisation": stored_form(definition.authorisation),
    }


def options_from(data: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a :class:`ToolDefinition` that :func:`options_form` writes. Raises ToolUnreadable."""
    try:
        authorisation = parse_authorisation(data.get("authorisation"))
    except ToolInvalid as error:
        raise ToolUnreadable(f"its authorisation cannot be read: {error}") from error
    return {
        "bound": data.get("bound") or {},
        "result": _made(ResultSpec, data.get("result") or {}),
        "behaviour": _made(Behaviour, data.get("behaviour") or {}),
        "authorisation": authorisation,
    }


def _made(made: type[T], data: Mapping[str, Any]) -> T:
    known = {field.name for field in fields(made)}  # type: ignore[arg-type]  # all of them are dataclasses
    return made(**{name: value for name, value in data.items() if name in known})
