"""Lines of name and value in the form of a tool: headers, query, fields of a body, words for statuses, bound ones."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from app.web.forms import Form

# Rows to fill in where there is no script that adds them.
_EMPTY_ROWS: Final = 2
_CALL: Final = re.compile(r"\s*\{\{\s*call\.([^\s{}]+)\s*\}\}\s*")


@dataclass(frozen=True, slots=True)
class Lines:
    """A group of lines.

    Attributes:
        part: Before the names of its inputs: ``header_name``, ``header_value``.
        field: The path of the group; a mistake in a line is at ``field.NAME``.
        what: What a line is, for people.
    """

    part: str
    field: str
    what: str


HEADERS: Final = Lines("header", "request.headers", "header")
QUERY: Final = Lines("query", "request.query", "parameter")
FIELDS: Final = Lines("field", "request.body.fields", "field")
STATUSES: Final = Lines("status", "result.statuses", "status")
EXTRA: Final = Lines("extra", "authorisation.extra", "field")
BOUND: Final = Lines("bound", "bound", "parameter")


@dataclass(frozen=True, slots=True)
class Row:
    """A line.

    Attributes:
        kind: ``text``, or ``json`` for a value that is no text; of a bound parameter also ``call``, the name of a call
            variable.
        field: Its path, by which a mistake is noted.
        filename, type: Of a part of a multipart body.
    """

    name: str
    value: str
    kind: str
    field: str
    filename: str = ""
    type: str = ""


def rows(form: Form, lines: Lines, *, spare: bool = True) -> list[Row]:
    """The lines as typed; with ``spare``, and some empty ones."""
    columns = ("name", "value", "kind", "filename", "type")
    names, values, kinds, filenames, types = (form.many(f"{lines.part}_{each}") for each in columns)
    found = [
        Row(
            name,
            _at(values, index),
            _at(kinds, index) or "text",
            f"{lines.field}.{name.strip()}",
            _at(filenames, index),
            _at(types, index),
        )
        for index, name in enumerate(names)
        if name.strip() or _at(values, index)
    ]
    usual = "call" if lines is BOUND else "text"
    return [*found, *[Row("", "", usual, "")] * (_EMPTY_ROWS if spare else 0)]


def texts(form: Form, lines: Lines) -> dict[str, str]:
    """Name to value; a value without a name, and a name twice, are noted."""
    found: dict[str, str] = {}
    for row in rows(form, lines, spare=False):
        _name(form, row, found, lines.what)
        found[row.name.strip()] = row.value.strip()
    return found


def values(form: Form, lines: Lines) -> dict[str, Any]:
    """As :func:`texts`, with the values of other kinds than text; of the fields of a body, several of one name are a
    list."""
    found: dict[str, Any] = {}
    for row in rows(form, lines, spare=False):
        name, value = row.name.strip(), _value(form, row)
        if lines is FIELDS and name in found:
            before = found[name]
            found[name] = [*before, value] if isinstance(before, list) else [before, value]
            continue
        _name(form, row, found, lines.what)
        found[name] = value
    return found


def columns(lines: Lines, found: Mapping[str, Any]) -> dict[str, list[str]]:
    """The values of the inputs that show ``found``: the reverse of :func:`values`."""
    pairs = [(name, each) for name, value in found.items() for each in _several(lines, value)]
    shown = [_row(lines, name, value) for name, value in pairs]
    return {
        f"{lines.part}_{each}": [getattr(row, each) for row in shown]
        for each in ("name", "value", "kind", "filename", "type")
    }


def _several(lines: Lines, value: Any) -> Iterable[Any]:
    return value if lines is FIELDS and isinstance(value, list) and value else [value]


def _row(lines: Lines, name: str, value: Any) -> Row:
    if lines is FIELDS and isinstance(value, Mapping) and set(value) <= {"value", "filename", "content_type"}:
        inner = _row(lines, name, value.get("value", ""))
        return Row(
            name, inner.value, inner.kind, "", str(value.get("filename", "")), str(value.get("content_type", ""))
        )
    if not isinstance(value, str):
        return Row(name, json.dumps(value, ensure_ascii=False), "json", "")
    called = _CALL.fullmatch(value) if lines is BOUND else None
    return Row(name, called[1] if called else value, "call" if called else "text", "")


def _value(form: Form, row: Row) -> Any:
    value: Any = row.value
    if row.kind == "json":
        try:
            value = json.loads(row.value)
        except (ValueError, RecursionError):
            form.note(row.field, 'This is not JSON. A text stands in quotes: "text".')
    if row.kind == "call":
        name = row.value.strip().removeprefix("call.")
        if not name:
            form.note(row.field, "Name the variable of the call that it is filled from, such as caller_number.")
        value = f"{{{{ call.{name} }}}}"
    if row.filename.strip() or row.type.strip():
        part = {"value": value, "filename": row.filename.strip(), "content_type": row.type.strip()}
        return {name: each for name, each in part.items() if name == "value" or each}
    return value


def _name(form: Form, row: Row, found: Mapping[str, Any], what: str) -> None:
    if not row.name.strip():
        form.note(row.field, f"This value has no name: name the {what}, or empty the line.")
    elif row.name.strip() in found:
        form.note(row.field, f"The {what} {row.name.strip()} is there twice.")


def _at(found: list[str], index: int) -> str:
    return found[index] if index < len(found) else ""
