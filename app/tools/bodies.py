"""The body of a tool's request: its template compiled once, and the bytes of one call. Pure.

==============  ======================================================================================================
JSON            by the encoder; a string that is one placeholder takes the value with its type
form            ``application/x-www-form-urlencoded`` (WHATWG URL, 5.2); a list repeats the name
multipart       ``multipart/form-data`` (RFC 7578); the boundary is none that occurs in the content
XML             each value escaped for text and attributes alike
text            each value as it is; NUL is refused
==============  ======================================================================================================
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from app.tools.definition import Body
from app.tools.escaping import Unwritable, file_name_problem, in_form, in_quotes, in_text, in_xml, json_bytes, plain
from app.tools.placeholders import MISSING, Get, Placeholder, Text, split

# The fields of a part of multipart that is more than its value.
PART_FIELDS: Final = ("value", "filename", "content_type")
_TEXT_PART: Final = "text/plain; charset=utf-8"

# A JSON template with its values; MISSING where it is one placeholder that stands for nothing.
Fill = Callable[[Get], Any]


class BodyTemplate(Protocol):
    """One tool's body, compiled."""

    content_type: str

    def render(self, get: Get) -> tuple[bytes, str]:
        """The body and its Content-Type. Raises :class:`~app.tools.escaping.Unwritable`."""
        ...


def compiled(body: Body) -> BodyTemplate:
    """The template of a body that is no JSON. Raises ValueError at what :mod:`app.tools.body_rules` refuses."""
    match body.kind:
        case "form":
            return FormBody(body)
        case "multipart":
            return MultipartBody(body)
        case "xml":
            return XmlBody(body)
        case "text":
            return TextBody(body)
    raise ValueError(f"there is no body of the kind {body.kind!r}")


def joined(pieces: Text, get: Get, escape: Callable[[str], str] | None = None) -> str:
    """The pieces as one text; ``escape`` is for the values alone. Raises Unwritable."""
    if escape is None:
        return "".join([piece if isinstance(piece, str) else plain(get(piece)) for piece in pieces])
    parts = []
    for piece in pieces:
        if isinstance(piece, Placeholder):
            try:
                parts.append(escape(plain(get(piece))))
            except Unwritable as error:
                raise Unwritable(str(error), piece) from error
        else:
            parts.append(piece)
    return "".join(parts)


def compile_json(template: Any) -> Fill:
    """A JSON template. A key whose only value is missing is left out; in a list it becomes null."""
    if isinstance(template, str):
        return _compile_text(template)
    if isinstance(template, Mapping):
        named = [(name, compile_json(part)) for name, part in template.items()]
        return lambda get: {name: value for name, fill in named if (value := fill(get)) is not MISSING}
    if isinstance(template, list | tuple):
        fills = [compile_json(part) for part in template]
        return lambda get: [None if (value := fill(get)) is MISSING else value for fill in fills]
    return lambda _get: template


def _compile_text(template: str) -> Fill:
    pieces = split(template)
    if not any(isinstance(piece, Placeholder) for piece in pieces):
        return lambda _get: template
    if len(pieces) == 1 and isinstance(pieces[0], Placeholder):
        whole = pieces[0]
        return lambda get: get(whole)
    return lambda get: joined(pieces, get)


class JsonBody:
    """A JSON template."""

    content_type = "application/json"

    def __init__(self, template: Any) -> None:
        self._fill = compile_json(template)

    def render(self, get: Get) -> tuple[bytes, str]:
        """See :class:`BodyTemplate`."""
        filled = self._fill(get)
        return json_bytes({} if filled is MISSING else filled), self.content_type


class FormBody:
    """Fields as a page's form sends them."""

    def __init__(self, body: Body) -> None:
        self.content_type = body.content_type or "application/x-www-form-urlencoded"
        self._fields = [(in_form(name), compile_json(value)) for name, value in body.fields.items()]

    def render(self, get: Get) -> tuple[bytes, str]:
        """See :class:`BodyTemplate`."""
        pairs = [f"{name}={in_form(plain(each))}" for name, fill in self._fields for each in _each(fill(get))]
        return "&".join(pairs).encode(), self.content_type


@dataclass(frozen=True, slots=True)
class _PartTemplate:
    value: Fill
    filename: Text | None
    content_type: str


class MultipartBody:
    """Fields and files in parts. What a part holds is text: a value of the call, or of the operator."""

    def __init__(self, body: Body) -> None:
        self.content_type = body.content_type or "multipart/form-data"
        self._fields = [
            (in_quotes(name), [_part(each) for each in (value if isinstance(value, list | tuple) else [value])])
            for name, value in body.fields.items()
        ]

    def render(self, get: Get) -> tuple[bytes, str]:
        """See :class:`BodyTemplate`. Equal parts make equal bytes, so that a repeat is the same request."""
        parts = [part for name, templates in self._fields for each in templates for part in _written(name, each, get)]
        boundary = _boundary(parts)
        mark = f"--{boundary}".encode()
        lines = [line for part in parts for line in (mark, b"\r\n", part, b"\r\n")]
        return b"".join([*lines, mark, b"--\r\n"]), f"{self.content_type}; boundary={boundary}"


def _part(template: Any) -> _PartTemplate:
    if not isinstance(template, Mapping):
        return _PartTemplate(compile_json(template), None, "")
    name = template.get("filename")
    return _PartTemplate(
        compile_json(template.get("value")),
        split(name) if name else None,
        template.get("content_type") or "",
    )


def _written(name: str, template: _PartTemplate, get: Get) -> Iterator[bytes]:
    head = f'Content-Disposition: form-data; name="{name}"'
    content_type = template.content_type
    if template.filename is not None:
        filename = joined(template.filename, get)
        if filename and (problem := file_name_problem(filename)):
            raise Unwritable(problem, *(piece for piece in template.filename if isinstance(piece, Placeholder)))
        # An empty one, too: that this part is a file is for the operator to say, and not for a value.
        head += f'; filename="{in_quotes(filename)}"'
        content_type = content_type or _TEXT_PART
    if content_type:
        head += f"\r\nContent-Type: {content_type}"
    for each in _each(template.value(get)):
        yield f"{head}\r\n\r\n{plain(each)}".encode()


def _boundary(parts: list[bytes]) -> str:
    """Made of the content, so nobody can write it into the content; and looked for there all the same."""
    digest = hashlib.blake2b(b"\0".join(parts), digest_size=16)
    while any(digest.hexdigest().encode() in part for part in parts):
        digest.update(b"\0")
    return f"part-{digest.hexdigest()}"


class XmlBody:
    """An XML document whose values stand in texts and attributes."""

    def __init__(self, body: Body) -> None:
        self.content_type = body.content_type or "application/xml; charset=utf-8"
        self._pieces = split(body.text)

    def render(self, get: Get) -> tuple[bytes, str]:
        """See :class:`BodyTemplate`."""
        return joined(self._pieces, get, in_xml).encode(), self.content_type


class TextBody:
    """Text in which nothing is escaped."""

    def __init__(self, body: Body) -> None:
        self.content_type = body.content_type or "text/plain; charset=utf-8"
        self._pieces = split(body.text)

    def render(self, get: Get) -> tuple[bytes, str]:
        """See :class:`BodyTemplate`."""
        return joined(self._pieces, get, in_text).encode(), self.content_type


def _each(value: Any) -> list[Any]:
    """The values of a field: none where there is none, each of a list."""
    if isinstance(value, list | tuple):
        return [each for each in value if each is not None]
    return [] if value is None or value is MISSING else [value]
