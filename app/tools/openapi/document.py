"""The text of an OpenAPI document, JSON or YAML, as plain values: bounded, and nothing in it is ever fetched.

YAML is read from the parser's events. So its bounds hold before anything is built: a few lines of aliases can stand for
gigabytes, and the library's own constructors make dates, and booleans of ``no``, which JSON Schema does not know.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import orjson
import yaml

from app.tools.errors import OpenApiInvalid

MAX_JSON_BYTES: Final = 6_000_000
MAX_YAML_BYTES: Final = 2_000_000
# Values of the document with each alias written out.
MAX_VALUES: Final = 300_000
MAX_DEPTH: Final = 100

_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TAG: Final = "tag:yaml.org,2002:"
_NULL: Final = re.compile(r"|~|null|Null|NULL")
_BOOL: Final = re.compile(r"true|True|TRUE|false|False|FALSE")
_INT: Final = re.compile(r"[-+]?[0-9]{1,18}")
_FLOAT: Final = re.compile(r"[-+]?(?:\.[0-9]{1,30}|[0-9]{1,30}(?:\.[0-9]{0,30})?)(?:[eE][-+]?[0-9]{1,3})?")


def read_document(text: str) -> Mapping[str, Any]:
    """The document, version 3.x.

    Takes up to a second of processor time for the largest: not for the event loop.

    Raises:
        OpenApiInvalid: it is none, of another version, or too large; says where.
    """
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        raise OpenApiInvalid("The document holds half of a character pair; save it as UTF-8.") from None
    if size > MAX_JSON_BYTES:
        raise OpenApiInvalid(f"The document has {size:,} bytes; at most {MAX_JSON_BYTES:,} are read.")
    document = _json(text) if text.lstrip("\ufeff \t\r\n").startswith(("{", "[")) else _yaml(text, size)
    if not isinstance(document, Mapping):
        raise OpenApiInvalid("This is no OpenAPI document: it has to be an object with openapi, info and paths.")
    _check_version(document)
    return document


def _check_version(document: Mapping[str, Any]) -> None:
    if "swagger" in document:
        raise OpenApiInvalid(
            f"This is Swagger {str(document['swagger'])[:10]}, the version before OpenAPI 3. Convert it, for example "
            "in the Swagger Editor with Edit, Convert to OpenAPI 3, and import the result."
        )
    version = document.get("openapi")
    if not isinstance(version, str | float) or not str(version).startswith("3."):
        raise OpenApiInvalid('This is no OpenAPI 3 document: it has to say its version, such as "openapi": "3.1.0".')
    if not isinstance(document.get("paths"), Mapping):
        raise OpenApiInvalid("The document has no paths, so there is nothing to import.")


def _json(text: str) -> Any:
    try:
        value = orjson.loads(text.lstrip("\ufeff"))
    except orjson.JSONDecodeError as error:
        raise OpenApiInvalid(
            f"The document is not JSON: {error.msg} in line {error.lineno}, column {error.colno}."
        ) from error
    count = 0
    waiting = [(value, 0)]
    while waiting:
        each, depth = waiting.pop()
        count += 1
        if count > MAX_VALUES:
            raise _too_large()
        if depth > MAX_DEPTH:
            raise _too_deep()
        if isinstance(each, dict):
            waiting += [(part, depth + 1) for part in each.values()]
        elif isinstance(each, list):
            waiting += [(part, depth + 1) for part in each]
    return value


def _yaml(text: str, size: int) -> Any:
    if size > MAX_YAML_BYTES:
        raise OpenApiInvalid(f"The document has {size:,} bytes; as YAML at most {MAX_YAML_BYTES:,} are read. Try JSON.")
    builder = _Builder()
    try:
        for event in yaml.parse(text, Loader=_LOADER):
            builder.take(event)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" in line {mark.line + 1}, column {mark.column + 1}" if mark is not None else ""
        words = getattr(error, "problem", None) or getattr(error, "reason", None) or "it cannot be read"
        raise OpenApiInvalid(f"The document is not YAML: {words}{where}.") from error
    return builder.value


class _Open:
    """A list or an object that has begun."""

    def __init__(self, container: list[Any] | dict[str, Any], anchor: str | None, before: int) -> None:
        self.container = container
        self.anchor = anchor
        self.before = before  # the count of values when it began
        self.key: str | None = None

    def add(self, value: Any, *, plain: bool) -> None:
        if isinstance(self.container, list):
            self.container.append(value)
        elif self.key is None:
            if isinstance(value, dict | list):
                raise OpenApiInvalid("The document has a list or an object as a key; keys are texts.")
            self.key = value if isinstance(value, str) else str(value)
            self.merges = plain and value == "<<"
        else:
            if self.merges:
                for each in value if isinstance(value, list) else [value]:
                    for name, part in each.items() if isinstance(each, dict) else ():
                        self.container.setdefault(name, part)
            else:
                self.container[self.key] = value
            self.key = None


class _Builder:
    """Builds the value from the events, and counts."""

    def __init__(self) -> None:
        self.value: Any = None
        self._documents = 0
        self._count = 0
        self._open: list[_Open] = []
        # What an anchor stands for, and how many values that are.
        self._anchors: dict[str, tuple[Any, int]] = {}

    def take(self, event: yaml.Event) -> None:
        if isinstance(event, yaml.DocumentStartEvent):
            self._documents += 1
            if self._documents > 1:
                raise OpenApiInvalid("The text holds several YAML documents; import one at a time.")
        elif isinstance(event, yaml.ScalarEvent):
            key = bool(self._open) and isinstance(self._open[-1].container, dict) and self._open[-1].key is None
            value = event.value if key else _scalar(event)
            self._grow(1)
            if event.anchor:
                self._anchors[event.anchor] = (value, 1)
            self._add(value, plain=event.implicit[0])
        elif isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
            self._begin(event)
        elif isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
            done = self._open.pop()
            if done.anchor:
                self._anchors[done.anchor] = (done.container, self._count - done.before)
            self._add(done.container)
        elif isinstance(event, yaml.AliasEvent):
            name = event.anchor or ""
            if name not in self._anchors:
                raise OpenApiInvalid(f"The alias *{name[:60]} leads to nothing, or into itself.")
            value, size = self._anchors[name]
            self._grow(size)
            self._add(value)

    def _begin(self, event: yaml.MappingStartEvent | yaml.SequenceStartEvent) -> None:
        if event.tag not in (None, "!", f"{_TAG}map", f"{_TAG}seq"):
            raise OpenApiInvalid(f"The document has the tag {str(event.tag)[:60]}, which JSON does not know.")
        if len(self._open) >= MAX_DEPTH:
            raise _too_deep()
        if event.anchor:
            self._anchors.pop(event.anchor, None)
        container: list[Any] | dict[str, Any] = {} if isinstance(event, yaml.MappingStartEvent) else []
        self._open.append(_Open(container, event.anchor, self._count))
        self._grow(1)

    def _grow(self, by: int) -> None:
        self._count += by
        if self._count > MAX_VALUES:
            raise _too_large()

    def _add(self, value: Any, *, plain: bool = False) -> None:
        if self._open:
            self._open[-1].add(value, plain=plain)
        else:
            self.value = value


def _scalar(event: yaml.ScalarEvent) -> Any:
    """By the rules of YAML 1.2, which are those of JSON; a date stays a text."""
    text: str = event.value
    if event.tag not in (None, "!"):
        if event.tag != f"{_TAG}str" and event.tag not in (
            f"{_TAG}{kind}" for kind in ("int", "float", "bool", "null")
        ):
            raise OpenApiInvalid(f"The document has the tag {str(event.tag)[:60]}, which JSON does not know.")
        if event.tag == f"{_TAG}str":
            return text
    elif not event.implicit[0]:
        return text
    if _NULL.fullmatch(text):
        return None
    if _BOOL.fullmatch(text):
        return text.lower() == "true"
    if _INT.fullmatch(text):
        return int(text)
    return float(text) if _FLOAT.fullmatch(text) else text


def _too_large() -> OpenApiInvalid:
    return OpenApiInvalid(f"The document holds more than {MAX_VALUES:,} values. Take a smaller part of it.")


def _too_deep() -> OpenApiInvalid:
    return OpenApiInvalid(f"The document is nested more than {MAX_DEPTH} levels deep.")
