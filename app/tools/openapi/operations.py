"""The operations of an OpenAPI document, each as the tool that it would become. Pure; not for the event loop."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from app.db.audit import MASK
from app.tools.definition import ToolDefinition
from app.tools.errors import OpenApiInvalid, ToolInvalid
from app.tools.openapi.document import read_document
from app.tools.openapi.parameters import Arguments, ParameterReader, fill_path
from app.tools.openapi.references import ReferenceLost, References
from app.tools.openapi.schemas import Notes, shortened
from app.tools.openapi.security import hints
from app.tools.request_rules import read_url
from app.tools.secrets import mapped_url
from app.tools.validation import RESERVED_NAMES, check_definition

MAX_OPERATIONS: Final = 1_000

_METHODS: Final = frozenset({"get", "put", "post", "delete", "options", "head", "patch"})
_MAX_DESCRIPTION: Final = 1_000
_VARIABLE: Final = re.compile(r"\{([^{}]+)\}")


@dataclass(frozen=True, slots=True)
class Operation:
    """An operation, and the tool that it would become.

    Attributes:
        id: Its ``operationId``; ``GET /path`` where it has none, or another one has the same.
        tool: None: it cannot be imported; the notes say why.
        notes: What is lost, or is left to do, a sentence each.
    """

    id: str
    method: str
    path: str
    summary: str
    tags: Sequence[str]
    deprecated: bool
    tool: ToolDefinition | None
    notes: Sequence[str]


@dataclass(frozen=True, slots=True)
class Plan:
    """What a document offers.

    Attributes:
        server: The address that all paths are below.
        servers: Those that the document names.
        notes: What concerns the document as a whole.
    """

    title: str
    version: str
    server: str
    servers: Sequence[str]
    operations: Sequence[Operation]
    notes: Sequence[str]


def read_plan(text: str, *, base_url: str | None = None, headers: Mapping[str, str] | None = None) -> Plan:
    """Read a document.

    Args:
        base_url: In place of the server that the document names; needed where it names none, or only a path.
        headers: Of each tool, for keys and tokens.

    Raises:
        OpenApiInvalid
    """
    document = read_document(text)
    info = document.get("info")
    info = info if isinstance(info, Mapping) else {}
    servers = [url for url in map(_server_url, _objects(document.get("servers"))) if url]
    server = _server(servers[0] if servers else "", base_url)
    reader = _Reader(document, server, base_url, headers or {})
    operations = list(reader.operations())
    notes = []
    if reader.left_out:
        notes.append(f"Only the first {MAX_OPERATIONS:,} operations are shown. Take a smaller part of the document.")
    if not operations:
        notes.append("The document has no operations.")
    return Plan(
        title=shortened(str(info.get("title", "")), 200),
        version=shortened(str(info.get("version", "")), 50),
        server=server,
        servers=[_without_secrets(url) for url in servers[:50]],
        operations=operations,
        notes=notes,
    )


class _Reader:
    def __init__(
        self, document: Mapping[str, Any], server: str, base_url: str | None, headers: Mapping[str, str]
    ) -> None:
        self._document = document
        self._server = server
        self._base_url = base_url
        self._headers = headers
        self._references = References(document)
        self._parameters = ParameterReader(self._references)
        self._names: set[str] = set(RESERVED_NAMES)
        self._ids: set[str] = set()
        self.left_out = False

    def operations(self) -> Iterator[Operation]:
        """In the order of the document."""
        count = 0
        for path, described in self._document["paths"].items():
            if not isinstance(path, str) or not path.startswith("/"):
                continue
            try:
                item = self._references.resolved(described)
            except ReferenceLost:
                continue
            for word, operation in item.items():
                if word not in _METHODS or not isinstance(operation, Mapping):
                    continue
                count += 1
                if count > MAX_OPERATIONS:
                    self.left_out = True
                    return
                yield self._operation(word.upper(), path, item, operation)

    def _operation(self, method: str, path: str, item: Mapping[str, Any], operation: Mapping[str, Any]) -> Operation:
        notes = Notes()
        arguments = self._parameters.read(method, path, item, operation, notes)
        for line in hints(self._document, operation, self._references, self._headers):
            notes.say(line)
        if operation.get("deprecated") is True:
            notes.say("It is deprecated: its makers advise against using it.")
        tool = None
        if "?" in path:
            arguments.hindrances.append("Its path holds a query, which OpenAPI does not know: make it parameters.")
        if arguments.hindrances:
            for line in arguments.hindrances:
                notes.say(f"It cannot be imported. {line}")
        else:
            tool = self._tool(method, path, item, operation, arguments, notes)
        return Operation(
            id=self._id(method, path, operation),
            method=method,
            path=_without_secrets(path)[:500],
            summary=shortened(_text(operation, "summary") or _text(operation, "description"), 200),
            tags=[str(tag)[:60] for tag in _list(operation.get("tags"))[:10]],
            deprecated=operation.get("deprecated") is True,
            tool=tool,
            notes=list(notes.lines),
        )

    def _id(self, method: str, path: str, operation: Mapping[str, Any]) -> str:
        given = operation.get("operationId")
        named = isinstance(given, str) and given and given not in self._ids
        id = str(given) if named else f"{method} {_without_secrets(path)}"
        self._ids.add(id)
        return id[:600]

    def _tool(
        self,
        method: str,
        path: str,
        item: Mapping[str, Any],
        operation: Mapping[str, Any],
        arguments: Arguments,
        notes: Notes,
    ) -> ToolDefinition | None:
        given = {name.lower() for name in self._headers}
        headers = {name: text for name, text in arguments.headers.items() if name.lower() not in given}
        request: dict[str, Any] = {
            "method": method,
            "url": self._server_of(item, operation).rstrip("/") + fill_path(path, arguments.path),
            "headers": {**headers, **self._headers},
            "query": arguments.query or None,
            "json_body": arguments.json_body,
            **({"body": arguments.body} if arguments.body is not None else {}),
        }
        checked = check_definition(
            {
                "name": self._name(method, path, operation),
                "description": _description(method, path, operation),
                "parameters": arguments.schema(),
                "request": request,
            },
            schema_is_ours=True,
        )
        for mistake in checked.mistakes:
            notes.say(f"It cannot be imported. {mistake.message}")
        return checked.definition

    def _server_of(self, item: Mapping[str, Any], operation: Mapping[str, Any]) -> str:
        if self._base_url:
            return self._server
        for part in (operation, item):
            own = [url for url in map(_server_url, _objects(part.get("servers"))) if url]
            if own:
                return own[0] if "://" in own[0] and "?" not in own[0] else self._server
        return self._server

    def _name(self, method: str, path: str, operation: Mapping[str, Any]) -> str:
        given = operation.get("operationId")
        text = given if isinstance(given, str) and given.strip() else f"{method.lower()}_{path.strip('/')}"
        name = re.sub(r"[^A-Za-z0-9_]+", "_", text).strip("_")[:60] or "operation"
        if not name[0].isalpha():
            name = f"op_{name}"[:60]
        candidate, number = name, 2
        while candidate.lower() in self._names:
            candidate, number = f"{name}_{number}", number + 1
        self._names.add(candidate.lower())
        return candidate


def _description(method: str, path: str, operation: Mapping[str, Any]) -> str:
    summary, more = _text(operation, "summary").rstrip("."), _text(operation, "description")
    if summary and more and not more.lower().startswith(summary.lower()):
        text = f"{summary}. {more}"
    else:
        text = more or summary
    return shortened(text, _MAX_DESCRIPTION) or shortened(f"{method} {path}", _MAX_DESCRIPTION)


def _server(named: str, base_url: str | None) -> str:
    if base_url:
        try:
            url = read_url(base_url.strip())
        except ToolInvalid as error:
            raise OpenApiInvalid(str(error), field="base_url") from error
        if "?" in url or "{{" in url:
            raise OpenApiInvalid("The base URL ends with a path; it has no query and no placeholder.", field="base_url")
        if not urlsplit(url).path.strip("/") and named.startswith("/"):
            return url.rstrip("/") + named
        return url
    if "://" not in named:
        raise OpenApiInvalid(
            "The document does not say at which address its server is. Type the base URL, such as "
            f"https://api.example.com{named if named.startswith('/') else ''}.",
            field="base_url",
        )
    if "?" in named:
        # Not repeated in the message: what stands there is often a key.
        raise OpenApiInvalid(
            "The server in the document has a query, which paths cannot follow. Type the base URL without it, and add "
            "what it holds to each tool.",
            field="base_url",
        )
    try:
        return read_url(named)
    except ToolInvalid as error:
        raise OpenApiInvalid(f"The server in the document cannot be used. {error}", field="base_url") from error


def _server_url(server: Mapping[str, Any]) -> str:
    """The address with the defaults of its variables; empty where there is none."""
    url = server.get("url")
    if not isinstance(url, str):
        return ""
    variables = server.get("variables")
    variables = variables if isinstance(variables, Mapping) else {}

    def default(found: re.Match[str]) -> str:
        variable = variables.get(found[1])
        return str(variable.get("default", "")) if isinstance(variable, Mapping) else ""

    return _VARIABLE.sub(default, url.strip())[:2_000]


def _without_secrets(url: str) -> str:
    return mapped_url(url, lambda _place, _value: MASK)


def _objects(value: Any) -> list[Mapping[str, Any]]:
    return [each for each in _list(value) if isinstance(each, Mapping)]


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _text(part: Mapping[str, Any], name: str) -> str:
    value = part.get(name)
    return " ".join(value.split()) if isinstance(value, str) else ""
