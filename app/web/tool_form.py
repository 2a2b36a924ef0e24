"""A tool as the fields of a form, and back. Shared by the pages that show, create and edit tools."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from app.tools.definition import RequestSpec, ToolDefinition
from app.tools.errors import ToolInvalid
from app.tools.secrets import hidden
from app.web.forms import Form

METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")
EXAMPLE_PARAMETERS: Final = '{\n  "type": "object",\n  "properties": {}\n}'
# Rows to fill in where there is no script that adds them.
_EMPTY_ROWS: Final = 2
_ALL_ARGUMENTS, _ROWS = "arguments", "rows"
_DEFAULTS: Final = RequestSpec("GET", "")


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the headers or of the query.

    Attributes:
        kind: ``text``, or ``json`` for a value of the query that is no text.
        field: Its path, by which a mistake is noted.
    """

    name: str
    value: str
    kind: str
    field: str


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
        }
    )


def form_of(definition: ToolDefinition) -> Form:
    """Of a tool that there is. Its secrets are masked; a save that sends the mask keeps them."""
    shown = hidden(definition)
    request = shown.request if isinstance(shown.request, RequestSpec) else _DEFAULTS
    query = [(name, *_typed(value)) for name, value in (request.query or {}).items()]
    return Form.of(
        {
            "name": shown.name,
            "description": shown.description,
            "parameters": pretty(shown.parameters),
            "enabled": shown.enabled,
            "request.method": request.method,
            "request.url": request.url,
            "header_name": list(request.headers),
            "header_value": list(request.headers.values()),
            "query_mode": _ALL_ARGUMENTS if request.query is None else _ROWS,
            "query_name": [name for name, _, _ in query],
            "query_value": [value for _, value, _ in query],
            "query_kind": [kind for _, _, kind in query],
            "request.json_body": None if request.json_body is None else pretty(request.json_body),
            "request.timeout": f"{request.timeout:g}",
            "request.max_response_bytes": request.max_response_bytes,
        }
    )


def fields_of(form: Form) -> dict[str, Any]:
    """What was typed, as :func:`app.tools.validation.check_definition` reads it; what cannot even be read is noted.

    May take some milliseconds for large texts: not for the event loop.
    """
    return {
        "name": form.text("name").strip(),
        "description": form.text("description"),
        "parameters": form.json("parameters", {"type": "object", "properties": {}}),
        "enabled": form.flag("enabled"),
        "request": {
            "method": form.text("request.method") or "GET",
            "url": form.text("request.url"),
            "headers": headers_of(form),
            "query": _query(form),
            "json_body": form.json("request.json_body"),
            "timeout": _number(form, "request.timeout", _DEFAULTS.timeout),
            "max_response_bytes": _number(form, "request.max_response_bytes", _DEFAULTS.max_response_bytes),
        },
    }


def note_mistakes(form: Form) -> None:
    """Note beside their fields all the mistakes that the last refusal names, not only its first."""
    if isinstance(form.refused, ToolInvalid):
        for mistake in form.refused.mistakes:
            form.note(mistake.field, mistake.message)


def header_rows(form: Form, *, spare: bool = True) -> list[Row]:
    """The headers as typed; with ``spare``, and some empty rows."""
    return _rows(form, "header", "request.headers", spare)


def headers_of(form: Form) -> Mapping[str, str]:
    """The headers as typed, by name; a value without a name, and a name twice, are noted."""
    found: dict[str, str] = {}
    for row in header_rows(form, spare=False):
        _name(form, row, found, "header")
        found[row.name.strip()] = row.value.strip()
    return found


def query_rows(form: Form, *, spare: bool = True) -> list[Row]:
    """The query as typed; with ``spare``, and some empty rows."""
    return _rows(form, "query", "request.query", spare)


def pretty(value: Any) -> str:
    """JSON for people."""
    return json.dumps(value, indent=2, ensure_ascii=False)


def document_of(definition: ToolDefinition) -> str:
    """A version as one text, to compare it with another; without its secrets."""
    shown = hidden(definition)
    request = shown.request
    return pretty(
        {
            "name": shown.name,
            "description": shown.description,
            "parameters": shown.parameters,
            "request": {name: getattr(request, name) for name in RequestSpec.__slots__},
        }
    )


def _typed(value: Any) -> tuple[str, str]:
    return (value, "text") if isinstance(value, str) else (json.dumps(value, ensure_ascii=False), "json")


def _rows(form: Form, part: str, field: str, spare: bool) -> list[Row]:
    names, values, kinds = (form.many(f"{part}_{each}") for each in ("name", "value", "kind"))
    found = [
        Row(name, _at(values, index), _at(kinds, index) or "text", f"{field}.{name.strip()}")
        for index, name in enumerate(names)
        if name.strip() or _at(values, index)
    ]
    return [*found, *[Row("", "", "text", "")] * (_EMPTY_ROWS if spare else 0)]


def _at(values: list[str], index: int) -> str:
    return values[index] if index < len(values) else ""


def _query(form: Form) -> Mapping[str, Any] | None:
    if form.text("query_mode") != _ROWS:
        return None
    found: dict[str, Any] = {}
    for row in query_rows(form, spare=False):
        _name(form, row, found, "parameter")
        value: Any = row.value
        if row.kind == "json":
            try:
                value = json.loads(row.value)
            except (ValueError, RecursionError):
                form.note(row.field, 'This is not JSON. A text stands in quotes: "text".')
        found[row.name.strip()] = value
    return found


def _name(form: Form, row: Row, found: Mapping[str, Any], what: str) -> None:
    if not row.name.strip():
        form.note(row.field, f"This value has no name: name the {what}, or empty the line.")
    elif row.name.strip() in found:
        form.note(row.field, f"The {what} {row.name.strip()} is there twice.")


def _number(form: Form, name: str, default: float) -> float:
    value = form.number(name)
    return default if value is None else value
