"""The secrets in a tool's request: where they stand, how they are shown, and how a save keeps them.

An operator types an API key into a header, or into the query. It is stored, and sent; it is never shown again: in its
place stands :data:`MASK`, and a save that sends the mask back keeps what is stored. The mask is filled in only while
the tool's address has the same scheme, host and port. Otherwise who may edit tools could send a key that they never saw
to a server of their own.

Taken for a secret: the value of a header, a query parameter (also one within the URL), a key of the JSON body or a
field of another body (in XML: an element or an attribute) whose name sounds like one
(:func:`app.db.audit.names_secret`), and any value that looks like one. A value that is made of placeholders alone,
such as ``Bearer {{ secret.token }}``, holds no secret.

A server may say a secret back, in an error above all. :class:`SecretMask` takes it out of what models, the history of
calls and people get to see.

What :func:`secrets_in` finds lies in the database in clear. What is to be encrypted is stored as a secret
(:mod:`app.tools.vault`), and stands here as ``{{ secret.NAME }}``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any, Final
from urllib.parse import quote, quote_plus, unquote, urlsplit

from app.db.audit import MASK, looks_secret, names_secret
from app.tools.body_secrets import ROOT, mapped_text
from app.tools.definition import AnyRequest, Body, RequestSpec, ToolDefinition
from app.tools.errors import Mistake, ToolInvalid
from app.tools.placeholders import BRACES

_SCHEME: Final = re.compile(r"^\s*(?:bearer|basic|digest|token|api-?key|key)\b", re.IGNORECASE)
_WITH_SCHEME: Final = re.compile(r"^\s*(?:bearer|basic|digest|token|api-?key)\s+\S{6,}", re.IGNORECASE)
_RANDOM: Final = re.compile(r"(?=[^0-9]*[0-9])(?=[^A-Za-z]*[A-Za-z])[A-Za-z0-9_+/=.-]{32,}")

# A shorter one is found in every other word: people can see past a mask, models are not to lose what they asked for.
SHORTEST_FOR_PEOPLE: Final = 4
SHORTEST_FOR_MODELS: Final = 6
# What no way of writing changes.
_PLAIN_RUN: Final = re.compile(r"[A-Za-z0-9]+")
_PERCENT: Final = re.compile(r"%[0-9A-F]{2}")
_UNICODE: Final = re.compile(r"\\u[0-9a-f]{4}")
_JSON_FOR_PAGES: Final = {ord(sign): f"\\u{ord(sign):04x}" for sign in "<>&'"}
_ON_PAGES: Final = tuple(
    str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': quote_mark, "'": apostrophe})
    for quote_mark in ("&quot;", "&#34;", '"')
    for apostrophe in ("&#39;", "&#x27;", "&apos;", "&#039;", "'")
)
# Of the text around a placeholder, where it is no word of a sentence.
_SHORTEST_PIECE: Final = 6
# Whole numbers below it are counts and switches (token_limit, session_days).
_SMALLEST_NUMBER: Final = 1_000

# A field's path, such as ("headers", "X-Api-Key"), and its value.
Place = tuple[str, ...]
# What becomes of the value at a place.
Change = Callable[[Place, Any], Any]


def is_secret_header(name: str, value: str) -> bool:
    """Whether the value of this header is not to be shown."""
    if not _holds_text(value):
        return False
    return (
        names_secret(name)
        or _WITH_SCHEME.match(value) is not None
        or looks_secret(value)
        or _RANDOM.fullmatch(value.strip()) is not None
    )


def secrets_in(request: AnyRequest) -> dict[Place, str | int]:
    """The secrets by the places where they stand; in JSON a number may be one."""
    found: dict[Place, str | int] = {}

    def note(place: Place, value: Any) -> Any:
        found[place] = value
        return value

    _mapped(request, note)
    return found


def secret_fields(request: AnyRequest) -> list[str]:
    """The paths of the fields that hold secrets, such as ``request.headers.X-Api-Key``; of a parameter within the URL
    ``request.url``."""
    return list(dict.fromkeys(_field(place) for place in secrets_in(request)))


def hidden(definition: ToolDefinition) -> ToolDefinition:
    """The tool as it may be shown: each secret is :data:`MASK`."""
    return replace(definition, request=_mapped(definition.request, lambda _place, _value: MASK))


def restored(definition: ToolDefinition, stored: AnyRequest | None) -> ToolDefinition:
    """The tool with the stored secrets where it holds the mask.

    Args:
        stored: What the tool sends now; None: there is no such tool yet.

    Raises:
        ToolInvalid: nothing is stored there, or the address leads to another server now.
    """
    known = {} if stored is None else {_same(place): value for place, value in secrets_in(stored).items()}
    elsewhere = stored is not None and _origin(stored) != _origin(definition.request)
    mistakes: list[Mistake] = []

    def fill(place: Place, value: Any) -> Any:
        if value != MASK:
            return value
        if _same(place) not in known:
            if place[:2] == ROOT:
                return value  # a row of stars in a text
            mistakes.append(
                Mistake(_field(place), f"{MASK} stands for a stored secret, but none is stored here: type it.")
            )
        elif elsewhere:
            mistakes.append(
                Mistake(
                    _field(place), "The address leads to another server now, so type the secret again, or remove it."
                )
            )
        return known.get(_same(place), value)

    request = _mapped(definition.request, fill)
    if mistakes:
        raise ToolInvalid.of(mistakes)
    return replace(definition, request=request)


def origin_of(url: str) -> tuple[str, str, int | None]:
    """Scheme, host and port."""
    parts = urlsplit(url.partition("?")[0])
    scheme = parts.scheme.lower()
    return scheme, (parts.hostname or "").lower(), parts.port or {"http": 80, "https": 443}.get(scheme)


def _field(place: Place) -> str:
    part, *names = place
    if place[:2] == ROOT:
        return "request.body.text"
    return "request.url" if part == "url" else ".".join(["request", part, *names])


def _same(place: Place) -> Place:
    """The place as it is compared: the names of headers have no case."""
    return tuple(map(str.lower, place)) if place[0] == "headers" else place


def _holds_text(value: str) -> bool:
    rest = _SCHEME.sub("", BRACES.sub("", value))
    return bool(rest.strip(" :,;"))


def _origin(request: AnyRequest) -> tuple[str, str, int | None] | None:
    return origin_of(request.url) if isinstance(request, RequestSpec) else None


def _mapped(request: AnyRequest, change: Change) -> AnyRequest:
    """The request with each of its secrets, and of its masks, changed. One that is no HTTP holds none."""
    if not isinstance(request, RequestSpec):
        return request
    return replace(
        request,
        url=mapped_url(request.url, change),
        headers={name: _mapped_header(name, value, change) for name, value in request.headers.items()},
        query=None if request.query is None else _mapped_json(request.query, ("query",), change),
        json_body=_mapped_json(request.json_body, ("json_body",), change),
        body=None if request.body is None else _mapped_body(request.body, change),
    )


def _mapped_body(body: Body, change: Change) -> Body:
    fields = {name: _mapped_field(name, value, change) for name, value in body.fields.items()}
    return replace(body, fields=fields, text=mapped_text(body.text, change, _holds_text))


def _mapped_field(name: str, value: Any, change: Change) -> Any:
    """Of a part with a file name and a type, only the value may be one."""
    place = ("body", "fields", name)
    if isinstance(value, Mapping):
        shown = _mapped_json(value.get("value"), (*place, "value"), change, names_secret(name))
        return {**value, "value": shown}
    if isinstance(value, list | tuple) and any(isinstance(each, Mapping) for each in value):
        return [_mapped_field(f"{name}.{index}", each, change) for index, each in enumerate(value)]
    return _mapped_json(value, place, change, names_secret(name))


def _mapped_header(name: str, value: str, change: Change) -> str:
    if value == MASK or is_secret_header(name, value):
        return str(change(("headers", name), value))
    return value


def mapped_url(url: str, change: Change) -> str:
    """The URL with each secret in its query, and each mask, changed."""
    path, mark, query = url.partition("?")
    return path + mark + "&".join(_mapped_pair(pair, change) for pair in query.split("&"))


def _mapped_pair(pair: str, change: Change) -> str:
    name, equals, value = pair.partition("=")
    if equals and (value == MASK or looks_secret(value) or (names_secret(unquote(name)) and _holds_text(value))):
        return f"{name}={change(('url', unquote(name)), value)}"
    return pair


def _mapped_json(value: Any, place: Place, change: Change, secret: bool = False) -> Any:
    if isinstance(value, Mapping):
        return {
            name: _mapped_json(part, (*place, str(name)), change, secret or names_secret(str(name)))
            for name, part in value.items()
        }
    if isinstance(value, list | tuple):
        return [_mapped_json(part, (*place, str(index)), change, secret) for index, part in enumerate(value)]
    if isinstance(value, str) and (value == MASK or looks_secret(value) or (secret and _holds_text(value))):
        return change(place, value)
    if secret and isinstance(value, int) and not isinstance(value, bool) and abs(value) >= _SMALLEST_NUMBER:
        return change(place, value)
    return value


class SecretMask:
    """Takes secrets out of texts, however they are written there: as they are, within a URL, JSON, XML or a page.

    Args:
        shortest: Characters; what is shorter is left alone.
    """

    def __init__(self, secrets: Iterable[str | int], *, shortest: int) -> None:
        self._forms = _forms(frozenset(secrets), shortest)
        self._shortest = shortest

    def text(self, text: str, *, cut: bool = False) -> str:
        """The text without them; ``cut``: it breaks off, perhaps within one."""
        there = {run for run in {run for _, run in self._forms} if run in text}
        for form, run in self._forms:
            if run in there:
                text = text.replace(form, MASK)
        return self._without_beginning(text) if cut else text

    def data(self, data: bytes) -> bytes:
        """A body in UTF-8, or any other code that has ASCII within, without them."""
        there = {run for run in {run for _, run in self._forms} if run.encode() in data}
        for form, run in self._forms:
            if run in there:
                data = data.replace(form.encode(), MASK.encode())
        return data

    def _without_beginning(self, text: str) -> str:
        for form, _ in self._forms:
            beginning = form[: self._shortest]
            place = text.find(beginning, max(0, len(text) - len(form) + 1))
            while place >= 0:
                if form.startswith(text[place:]):
                    return text[:place] + MASK
                place = text.find(beginning, place + 1)
        return text


@lru_cache(maxsize=128)
def _forms(secrets: frozenset[str | int], shortest: int) -> tuple[tuple[str, str], ...]:
    """What to look for, the longest first: one may hold another. Each with a part of it that every form of its secret
    has: where that is not in a text, none of them is, and of a megabyte much time is saved.

    Remembered, since each call of a tool asks for the same."""
    found: dict[str, str] = {}
    for text in {text for secret in secrets for text in _texts_of(str(secret))}:
        run = max(_PLAIN_RUN.findall(text), key=len, default="")
        forms = {text} if run == text else _encodings(text)
        found.update({form: run if run in form else "" for form in forms if len(form) >= shortest})
    return tuple(sorted(found.items(), key=lambda each: (-len(each[0]), each[0])))


def _texts_of(secret: str) -> Iterator[str]:
    """By which it may come back: itself, without the word before it (``Bearer``), and what of it stands around
    placeholders, whose values come with each call."""
    yield secret
    pieces = BRACES.sub("\0", secret).split("\0")
    for piece in pieces:
        bare = _SCHEME.sub("", piece).strip()
        if bare != secret and (len(pieces) == 1 or (len(bare) >= _SHORTEST_PIECE and " " not in bare)):
            yield bare


def _encodings(text: str) -> set[str]:
    """As servers write it: PHP puts a backslash before each slash in JSON, Python writes JSON in ASCII, Go and Django
    write no < > & there, and an error on a page is escaped as pages are."""
    text = text.encode(errors="replace").decode()
    in_url = {quote(text, safe=""), quote(text), quote_plus(text)}
    in_json = {json.dumps(text, ensure_ascii=ascii_only)[1:-1] for ascii_only in (False, True)}
    in_json |= {form.translate(_JSON_FOR_PAGES) for form in in_json}
    in_json |= {form.replace("/", "\\/") for form in in_json}
    on_page = {text.translate(table) for table in _ON_PAGES}
    return {
        text,
        *in_url,
        *(_PERCENT.sub(lambda found: found[0].lower(), form) for form in in_url),
        *in_json,
        *(_UNICODE.sub(lambda found: found[0].upper().replace("U", "u", 1), form) for form in in_json),
        *on_page,
    }
