"""A tool as the fields of a form, and back. Shared by the pages that show, create and edit tools."""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from typing import Any, Final

from app.tools.definition import AnyRequest, McpCall, PythonCall, RequestSpec, ToolDefinition
from app.tools.errors import ToolInvalid
from app.tools.python.signature import Function
from app.tools.secrets import hidden
from app.tools.stored import kind_of, options_form
from app.web.forms import Form
from app.web.tool_options import shown_options, typed_options
from app.web.tool_rows import FIELDS, HEADERS, QUERY, columns, texts, values

METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")
BODIES: Final = (
    ("json", "JSON"),
    ("form", "Form fields (application/x-www-form-urlencoded)"),
    ("multipart", "Form fields with files (multipart/form-data)"),
    ("xml", "XML"),
    ("text", "Other text"),
)
EXAMPLE_PARAMETERS: Final = '{\n  "type": "object",\n  "properties": {}\n}'
_ALL_ARGUMENTS, _ROWS = "arguments", "rows"
_DEFAULTS: Final = RequestSpec("GET", "")
_USUAL: Final = ToolDefinition(0, 0, "", "", {}, _DEFAULTS)


def new_form() -> Form:
    """Of a tool that is yet to be written."""
    return Form.of(
        {
            "parameters": EXAMPLE_PARAMETERS,
            "enabled": True,
            "request.method": "GET",
            "request.timeout": "5",
            "request.max_response_bytes": "1000000",
            "query_mode": _ALL_ARGUMENTS,
            "request.body.kind": "json",
            **shown_options(_USUAL),
        }
    )


def form_for_function(entry: str, function: Function) -> Form:
    """Of a tool that is yet to be made of a function: name, description and parameters are the function's."""
    form = new_form()
    named = re.sub(r"[^A-Za-z0-9_-]", "_", entry)[:64]
    form.values |= {
        "name": named if named[:1].isalpha() or named[:1] == "_" else f"_{named[:63]}",
        "description": function.description,
        "parameters": pretty(function.parameters),
        "request.kind": "python",
        "request.entry": entry,
    }
    return form


def form_of(definition: ToolDefinition) -> Form:
    """Of a tool that there is. Its secrets are masked; a save that sends the mask keeps them."""
    shown = hidden(definition)
    return Form.of(
        {
            "name": shown.name,
            "description": shown.description,
            "parameters": pretty(shown.parameters),
            "enabled": shown.enabled,
            "request.kind": kind_of(shown.request),
            "request.timeout": f"{shown.request.timeout:g}",
            "request.max_response_bytes": shown.request.max_response_bytes,
            **_shown_request(shown.request),
            **shown_options(shown),
        }
    )


def _shown_request(request: AnyRequest) -> dict[str, Any]:
    match request:
        case McpCall():
            return {"request.server": request.server, "request.tool": request.tool}
        case PythonCall():
            return {"request.entry": request.entry}
        case RequestSpec():
            body = request.body
            return {
                "request.method": request.method,
                "request.url": request.url,
                "query_mode": _ALL_ARGUMENTS if request.query is None else _ROWS,
                **columns(HEADERS, request.headers),
                **columns(QUERY, request.query or {}),
                "request.json_body": None if request.json_body is None else pretty(request.json_body),
                "request.body.kind": "json" if body is None else body.kind,
                "request.body.text": None if body is None else body.text,
                "request.body.content_type": None if body is None else body.content_type,
                **columns(FIELDS, {} if body is None else body.fields),
            }


def fields_of(form: Form) -> dict[str, Any]:
    """What was typed, as :func:`app.tools.validation.check_definition` reads it; what cannot even be read is noted.

    May take some milliseconds for large texts: not for the event loop.
    """
    return {
        "name": form.text("name").strip(),
        "description": form.text("description"),
        "parameters": form.json("parameters", {"type": "object", "properties": {}}),
        "enabled": form.flag("enabled"),
        "request": _request(form),
        **typed_options(form),
    }


def _request(form: Form) -> dict[str, Any]:
    bounds = {
        "timeout": _number(form, "request.timeout", _DEFAULTS.timeout),
        "max_response_bytes": _number(form, "request.max_response_bytes", _DEFAULTS.max_response_bytes),
    }
    match form.text("request.kind"):
        case "mcp":
            server = form.whole("request.server")
            return {"kind": "mcp", "server": server, "tool": form.text("request.tool").strip(), **bounds}
        case "python":
            return {"kind": "python", "entry": form.text("request.entry").strip(), **bounds}
    found: dict[str, Any] = {
        "method": form.text("request.method").strip() or "GET",
        "url": form.text("request.url"),
        "headers": texts(form, HEADERS),
        "query": values(form, QUERY) if form.text("query_mode") == _ROWS else None,
        "json_body": None,
        **bounds,
    }
    kind = form.text("request.body.kind") or "json"
    if kind == "json":
        found["json_body"] = form.json("request.json_body")
        return found
    found["body"] = {"kind": kind, "content_type": form.text("request.body.content_type").strip()}
    if kind in ("form", "multipart"):
        found["body"]["fields"] = values(form, FIELDS)
    else:
        found["body"]["text"] = form.text("request.body.text")
    return found


def note_mistakes(form: Form) -> None:
    """Note beside their fields all the mistakes that the last refusal names, not only its first."""
    if isinstance(form.refused, ToolInvalid):
        for mistake in form.refused.mistakes:
            form.note(mistake.field, mistake.message)


def pretty(value: Any) -> str:
    """JSON for people."""
    return json.dumps(value, indent=2, ensure_ascii=False)


def document_of(definition: ToolDefinition) -> str:
    """A version as one text, to compare it with another; without its secrets."""
    shown = hidden(definition)
    return pretty(
        {
            "name": shown.name,
            "description": shown.description,
            "parameters": shown.parameters,
            "request": {"kind": kind_of(shown.request), **asdict(shown.request)},
            **options_form(shown),
        }
    )


def _number(form: Form, name: str, default: float) -> float:
    value = form.number(name)
    return default if value is None else value
