"""The ``body`` of a request that is no JSON, from what an operator typed: each mistake by the path of its field."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from app.tools.bodies import PART_FIELDS
from app.tools.definition import Body
from app.tools.errors import Mistake
from app.tools.escaping import CONTROL
from app.tools.placeholders import placeholders_in
from app.tools.xml_template import xml_problem

MAX_FIELDS: Final = 200
_ROOT: Final = "request.body"
_KINDS: Final = ("form", "multipart", "xml", "text")
_FIELDS: Final = ("kind", "fields", "text", "content_type")
# type/subtype and parameters (RFC 9110, 8.3.1), near enough to catch what is none.
_MEDIA_TYPE: Final = re.compile(
    r"""[\w!#$%&'*+.^`|~-]+/[\w!#$%&'*+.^`|~-]+(\s*;\s*[\w!#$&'*+.^`|~-]+=("[^"\\]*"|[^\s;"]+))*""", re.ASCII
)
_PLAIN: Final = (str, int, float, bool)


def read_body(value: Any, *, method: str | None, headers: Mapping[str, str]) -> tuple[Body | None, list[Mistake]]:
    """The body, and all that is wrong with it; None without mistakes: there is none.

    Args:
        method: None where it is wrong itself.
        headers: Of the request, as they were typed.
    """
    if value is None:
        return None, []
    if not isinstance(value, Mapping):
        return None, [Mistake(_ROOT, 'The body is an object: {"kind": "form", "fields": {"name": "{{ argument }}"}}')]
    mistakes = list(_mistakes(value, method, headers))
    if mistakes:
        return None, mistakes
    return (
        Body(
            kind=value["kind"],
            fields=dict(value.get("fields") or {}),
            text=value.get("text") or "",
            content_type=(value.get("content_type") or "").strip(),
        ),
        [],
    )


def _mistakes(value: Mapping[str, Any], method: str | None, headers: Mapping[str, str]) -> Iterator[Mistake]:
    for name in sorted(set(map(str, value)) - set(_FIELDS)):
        yield Mistake(_ROOT, f"The body has no field {name[:60]!r}; it has {', '.join(_FIELDS)}.")
    if method == "HEAD":
        yield Mistake(_ROOT, "A HEAD request has no body.")
    kind = value.get("kind")
    if kind not in _KINDS:
        yield Mistake(f"{_ROOT}.kind", f"The kind is one of {', '.join(_KINDS)}; for JSON there is json_body.")
        return
    yield from _content_type_mistakes(kind, value.get("content_type"), headers)
    if kind in ("form", "multipart"):
        if value.get("text"):
            yield Mistake(f"{_ROOT}.text", f"A body of the kind {kind} has fields and no text; leave it empty.")
        yield from _fields_mistakes(value.get("fields"), _form_problem if kind == "form" else _part_problem)
        return
    if value.get("fields"):
        yield Mistake(f"{_ROOT}.fields", f"A body of the kind {kind} has a text and no fields; leave them out.")
    yield from _text_mistakes(kind, value.get("text"))


def _content_type_mistakes(kind: str, value: Any, headers: Mapping[str, str]) -> Iterator[Mistake]:
    field = f"{_ROOT}.content_type"
    if value not in (None, "") and (problem := _media_type_problem(value)):
        yield Mistake(field, f"The content type {problem}.")
    elif kind == "multipart" and value and (not value.lower().startswith("multipart/") or "boundary" in value.lower()):
        yield Mistake(field, "The content type of parts begins with multipart/; its boundary is made here.")
    if kind == "multipart":
        for name in headers:
            if str(name).lower() == "content-type":
                yield Mistake(f"request.headers.{name}", "The body sets it, with a boundary of its own; leave it out.")


def _media_type_problem(value: Any) -> str | None:
    if not isinstance(value, str) or len(value) > 200 or CONTROL.search(value):
        return "is a short text without line breaks"
    if "{{" in value:
        return "has no placeholders"
    return None if _MEDIA_TYPE.fullmatch(value.strip()) else "looks like application/xml or text/csv; charset=utf-8"


def _fields_mistakes(fields: Any, problem_of: Callable[[Any], str | None]) -> Iterator[Mistake]:
    root = f"{_ROOT}.fields"
    if not isinstance(fields, Mapping) or not fields:
        yield Mistake(root, 'The fields are missing: {"name": "{{ argument }}"}')
        return
    if len(fields) > MAX_FIELDS:
        yield Mistake(root, f"There may be {MAX_FIELDS} fields.")
    for name, value in fields.items():
        field = f"{root}.{name}"
        if not name or CONTROL.search(name):
            yield Mistake(root, "Each field has a name without line breaks.")
            continue
        for each in value if isinstance(value, list | tuple) else [value]:
            problem = problem_of(each) or _placeholder_problem(each)
            if problem:
                yield Mistake(field, problem)
                break


def _form_problem(value: Any) -> str | None:
    if value is None or isinstance(value, _PLAIN):
        return None
    return "A field holds a text, a number, or a list of these."


def _part_problem(value: Any) -> str | None:
    if value is None or isinstance(value, _PLAIN):
        return None
    if not isinstance(value, Mapping):
        return "A part holds a text, a number, a list of these, or an object with value, filename and content_type."
    unknown = sorted(set(map(str, value)) - set(PART_FIELDS))
    if unknown:
        return f"A part has no field {unknown[0][:60]!r}; it has {', '.join(PART_FIELDS)}."
    within = value.get("value")
    if within is None or not isinstance(within, _PLAIN):
        return "The value of the part is missing: a text, or a number."
    filename = value.get("filename")
    if filename is not None and (not isinstance(filename, str) or CONTROL.search(filename) or "\\" in filename):
        return "The filename is a text without line breaks and without \\."
    if isinstance(filename, str) and "/" in filename:
        return "The filename has no /: servers would take it for a folder."
    content_type = value.get("content_type")
    if content_type not in (None, "") and (problem := _media_type_problem(content_type)):
        return f"The content_type of the part {problem}."
    return None


def _text_mistakes(kind: str, text: Any) -> Iterator[Mistake]:
    field = f"{_ROOT}.text"
    if not isinstance(text, str) or not text.strip():
        yield Mistake(field, "The text of the body is missing.")
        return
    if "\0" in text:
        yield Mistake(field, "The text holds a NUL character; remove it.")
        return
    problem = _placeholder_problem(text)
    if problem is None and kind == "xml":
        problem = xml_problem(text)
    if problem:
        yield Mistake(field, problem)


def _placeholder_problem(value: Any) -> str | None:
    try:
        placeholders_in(value)
    except ValueError as error:
        return str(error)
    return None
