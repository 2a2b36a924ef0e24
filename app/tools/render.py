"""A tool's request, from its definition, the model's arguments, the call's variables and secrets. Pure.

Each value is escaped for the place where it lands (:mod:`app.tools.escaping`, :mod:`app.tools.bodies`), in a single
pass: what a value holds is never looked at again. What cannot stand in its place is refused, and nothing is sent.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NoReturn
from urllib.parse import unquote

from app.tools.auth.definition import SecretName, Secrets
from app.tools.auth.destinations import server_of
from app.tools.auth.errors import SecretNotForServer
from app.tools.auth.values import header_value, value_of
from app.tools.bodies import BodyTemplate, JsonBody, compile_json, compiled, joined
from app.tools.definition import RequestSpec, ToolDefinition
from app.tools.errors import ArgumentsInvalid, CallUnfit
from app.tools.escaping import (
    Unwritable,
    forms_of,
    header_problem,
    in_url,
    json_bytes,
    leads_elsewhere,
    literal,
    path_problem,
    plain,
)
from app.tools.placeholders import MISSING, Get, Placeholder, Text, placeholders_in, split

# Those that send the arguments without a place of their own as JSON; any other method sends them in the query.
METHODS_WITH_BODY: Final = frozenset({"POST", "PUT", "PATCH"})

# More is sent by no conversation; the arguments of a model have 64 KB at most, a call variable has no limit of its own.
MAX_BODY_BYTES: Final = 2**20

# By these a schema may allow arguments that its ``properties`` do not name.
_OPENING: Final = frozenset(
    {"additionalProperties", "patternProperties", "unevaluatedProperties", "$ref", "$dynamicRef", "dependentSchemas"}
    | {"allOf", "anyOf", "oneOf", "if"}
)


@dataclass(frozen=True, slots=True)
class RenderedRequest:
    """What goes over the wire. Its repr shows none of it: a secret may stand anywhere.

    Attributes:
        url: Percent-encoded; to be sent as it is, not normalised again.
        body: None: no body.
        hidden: The secrets that stand in it, in each form in which they may; to be masked wherever it is shown.
    """

    method: str
    url: str = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes | None = field(default=None, repr=False)
    hidden: tuple[str, ...] = field(default=(), repr=False)


class RequestTemplate:
    """One tool's request, compiled: every string of it split into its pieces once.

    Attributes:
        secrets: The names of the secrets that :meth:`render` needs, in the order in which they stand.

    Raises:
        ValueError: at what :func:`app.tools.validation.parse_definition` would have refused.
    """

    def __init__(self, definition: ToolDefinition) -> None:
        spec = definition.http
        self._tool = definition.name
        self._server = server_of(spec.url)
        self._method = spec.method
        path, _, query = spec.url.partition("?")
        self._path = _compiled_path(path)
        self._url_query = split(query)
        self._headers = [(name, split(value)) for name, value in spec.headers.items()]
        self._query = (
            None if spec.query is None else [(in_url(name), compile_json(each)) for name, each in spec.query.items()]
        )
        self._body = _body_of(spec)
        used = list(dict.fromkeys(_placeholders(spec)))
        self._used = used
        self._used_arguments = frozenset(found.name for found in used if found.source == "argument")
        self.secrets: tuple[SecretName, ...] = tuple(found.name for found in used if found.source == "secret")
        self._in_headers = {found.name for found in placeholders_in(spec.headers) if found.source == "secret"}
        self._free = _free_names(definition.parameters)
        self._bound = frozenset(definition.bound)
        self._own_words = _own_words(definition)
        self._typed_content_type = any(name.lower() == "content-type" for name in spec.headers)
        if spec.body is not None and spec.body.kind == "multipart":
            # Only the body knows its boundary.
            self._headers = [each for each in self._headers if each[0].lower() != "content-type"]
            self._typed_content_type = False

    def render(
        self, arguments: Mapping[str, Any], variables: Mapping[str, str], secrets: Secrets | None = None
    ) -> RenderedRequest:
        """The request of one call.

        Args:
            secrets: At least those of :attr:`secrets`, where they are there.

        Raises:
            ArgumentsInvalid: a value of the model cannot stand where the operator put it.
            CallUnfit: a value of the call cannot.
            SecretMissing: a secret is not there, or cannot stand in its place.
            SecretNotForServer: it may not be sent to this server.
        """
        opened = self._opened(secrets or {}) if self.secrets else {}
        known = {name.lower(): value for name, value in variables.items()}

        def get(placeholder: Placeholder) -> Any:
            if placeholder.source == "argument":
                return arguments.get(placeholder.name, MISSING)
            return (opened if placeholder.source == "secret" else known).get(placeholder.name, MISSING)

        try:
            return self._rendered(get, arguments, opened)
        except Unwritable as error:
            self._refuse(error.placeholders or self._culprits(get, arguments), str(error))
        except UnicodeEncodeError:
            self._refuse(self._culprits(get, arguments), "holds half of a character (a lone surrogate)")

    def _rendered(self, get: Get, arguments: Mapping[str, Any], opened: Mapping[str, str]) -> RenderedRequest:
        unused: dict[str, Any] = {}
        if len(arguments) > len(self._used_arguments) or not self._used_arguments.issuperset(arguments):
            unused = {
                name: each
                for name, each in arguments.items()
                if name not in self._used_arguments and (self._free is None or name in self._free)
            }
        headers = {name: text for name, pieces in self._headers if (text := _header(pieces, get))}
        body: bytes | None = None
        if self._body is not None:
            body, content_type = self._body.render(get)
        elif self._method in METHODS_WITH_BODY:
            body, content_type = json_bytes(unused), JsonBody.content_type
        if body is not None and not (self._typed_content_type and _has_content_type(headers)):
            headers["Content-Type"] = content_type
        if body is not None and len(body) > MAX_BODY_BYTES:
            large = [each for each in self._used if len(plain(get(each))) > MAX_BODY_BYTES // 10]
            raise Unwritable(f"would make a body of more than {MAX_BODY_BYTES:,} bytes", *large)
        url = self._url(get, unused)
        if not opened:
            return RenderedRequest(self._method, url, headers, body)
        hidden = {form for value in opened.values() for form in forms_of(value)}
        return RenderedRequest(self._method, url, headers, body, tuple(sorted(hidden)))

    def _opened(self, secrets: Secrets) -> dict[SecretName, str]:
        opened = {}
        for name in self.secrets:
            read = header_value if name in self._in_headers else value_of
            opened[name] = read(name, secrets, self._tool).strip()
            servers = secrets[name].servers
            if servers is not None and self._server not in servers:
                raise SecretNotForServer(
                    f"the secret {name} may not be sent to {self._server}. "
                    "Add the server to the secret, if it should get it.",
                    tool=self._tool,
                )
        return opened

    def _url(self, get: Get, unused: Mapping[str, Any]) -> str:
        url = "/".join([each if isinstance(each, str) else self._segment(each, get) for each in self._path])
        queries = []
        if self._url_query:
            queries.append(_encoded(self._url_query, get))
        if self._query is not None:
            queries += [pair for name, fill in self._query for pair in _pairs(name, fill(get))]
        elif self._method not in METHODS_WITH_BODY and self._body is None:
            queries += [pair for name, each in unused.items() for pair in _pairs(in_url(name), each)]
        return f"{url}?{'&'.join(queries)}" if queries else url

    def _segment(self, pieces: Text, get: Get) -> str:
        placeholders = tuple(piece for piece in pieces if isinstance(piece, Placeholder))
        # Of several, each may be empty as long as the segment is not.
        alone = len(placeholders) == 1 and len(pieces) == 1
        for placeholder in placeholders:
            value = get(placeholder)
            text = plain(value)
            if not alone and not text:
                continue
            if problem := path_problem(text, slashes=self._is_own(placeholder, value)):
                raise Unwritable(problem, placeholder)
        rendered = _encoded(pieces, get)
        if not rendered:
            raise Unwritable("is empty, and stands in the address", *placeholders)
        if problem := leads_elsewhere(unquote(rendered)):
            raise Unwritable(problem, *placeholders)
        return rendered

    def _is_own(self, placeholder: Placeholder, value: Any) -> bool:
        """Whether the operator, and nobody in the call, wrote the value."""
        if placeholder.source == "argument":
            return isinstance(value, str) and value in self._own_words.get(placeholder.name, ())
        return placeholder.source == "secret"

    def _refuse(self, placeholders: tuple[Placeholder, ...], words: str) -> NoReturn:
        names = ", ".join(str(each) for each in placeholders)
        if any(each.source != "argument" or each.name in self._bound for each in placeholders):
            raise CallUnfit(f"{names} {words}", tool=self._tool) from None
        raise ArgumentsInvalid(
            f"{self._tool} was not called: {names} {words}",
            for_model=f"{self._tool} was not called: {names} {words}. Ask the caller for a plain value.",
        ) from None

    def _culprits(self, get: Get, arguments: Mapping[str, Any]) -> tuple[Placeholder, ...]:
        """Whose value cannot be written at all; everybody's, where it was none of them alone."""
        free = [Placeholder("argument", name) for name in arguments if name not in self._used_arguments]
        every = (*self._used, *free)
        return tuple(each for each in every if not _is_writable(get(each))) or every


def render(
    definition: ToolDefinition,
    arguments: Mapping[str, Any],
    variables: Mapping[str, str],
    secrets: Secrets | None = None,
) -> RenderedRequest:
    """The request of one call; for a single use. The executor keeps the :class:`RequestTemplate`."""
    return RequestTemplate(definition).render(arguments, variables, secrets)


def _placeholders(spec: RequestSpec) -> Iterator[Placeholder]:
    parts: list[Any] = [spec.url, spec.headers, spec.query, spec.json_body]
    if spec.body is not None:
        parts += [spec.body.fields, spec.body.text]
    for part in parts:
        yield from placeholders_in(part)


def _compiled_path(path: str) -> list[str | Text]:
    """Its segments; those without a placeholder as they are sent."""
    segments = [split(segment) for segment in path.split("/")]
    return [
        pieces
        if any(isinstance(piece, Placeholder) for piece in pieces)
        else "".join(literal(str(piece)) for piece in pieces)
        for pieces in segments
    ]


def _body_of(spec: RequestSpec) -> BodyTemplate | None:
    if spec.body is not None:
        return compiled(spec.body)
    return None if spec.json_body is None else JsonBody(spec.json_body)


def _free_names(parameters: Mapping[str, Any]) -> frozenset[str] | None:
    """The arguments that may be sent without a place of their own; None: all that the schema lets through.

    JSON Schema takes arguments that it does not name, unless it says otherwise. Nobody wants what a model makes up in
    a query, so only those go there that the operator named, or said that there may be more.
    """
    if any(parameters.get(word) not in (None, False) for word in _OPENING):
        return None
    return frozenset(parameters["properties"])


def _own_words(definition: ToolDefinition) -> Mapping[str, frozenset[str]]:
    """Values of parameters that the operator wrote: choices, and bound ones that do not come from the call."""
    own: dict[str, set[str]] = {}
    for name, part in definition.parameters["properties"].items():
        choices = part.get("enum") if isinstance(part, Mapping) else None
        given = [*(choices if isinstance(choices, list) else ()), part.get("const") if isinstance(part, Mapping) else 0]
        own[name] = {each for each in given if isinstance(each, str)}
    for name, value in definition.bound.items():
        if isinstance(value, str) and not placeholders_in(value):
            own.setdefault(name, set()).add(value)
    return {name: frozenset(values) for name, values in own.items() if values}


def _header(pieces: Text, get: Get) -> str:
    text = joined(pieces, get)
    if problem := header_problem(text):
        at_fault = [piece for piece in pieces if isinstance(piece, Placeholder)]
        raise Unwritable(problem, *(each for each in at_fault if header_problem(plain(get(each)))))
    return text.strip(" ")


def _has_content_type(headers: Mapping[str, str]) -> bool:
    return any(name.lower() == "content-type" for name in headers)


def _encoded(pieces: Text, get: Get) -> str:
    return "".join([literal(piece) if isinstance(piece, str) else in_url(plain(get(piece))) for piece in pieces])


def _pairs(name: str, value: Any) -> list[str]:
    """A parameter of the query, as often as the value has values; ``name`` is encoded already."""
    if isinstance(value, list | tuple):
        return [f"{name}={in_url(plain(each))}" for each in value if each is not None]
    return [] if value is None or value is MISSING else [f"{name}={in_url(plain(value))}"]


def _is_writable(value: Any) -> bool:
    try:
        plain(value).encode()
    except (Unwritable, UnicodeEncodeError):
        return False
    return isinstance(value, str) or value is MISSING or _is_json(value)


def _is_json(value: Any) -> bool:
    try:
        json_bytes(value)
    except Unwritable:
        return False
    return True
