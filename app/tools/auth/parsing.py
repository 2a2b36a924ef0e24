"""The authorisation part of what an operator typed, made into an :class:`Authorisation`; every mistake by the path of
its field, such as ``authorisation.token_url``."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final, Literal

from app.tools.auth.definition import (
    ApiKey,
    Authorisation,
    BasicLogin,
    BearerToken,
    ClientCertificate,
    Login,
    NoLogin,
    OAuthLogin,
    SecretName,
    secret_fields,
)
from app.tools.definition import RequestSpec
from app.tools.errors import Mistake, ToolInvalid
from app.tools.placeholders import SECRET_NAME
from app.tools.request_rules import HEADER_NAME, HOP_HEADERS, Findings, read_url

MIN_TIMEOUT, MAX_TIMEOUT = 0.5, 30.0
MAX_TEXT: Final = 1_000
MAX_EXTRA: Final = 20

_ROOT: Final = "authorisation"
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_SURROGATE: Final = re.compile(r"[\ud800-\udfff]")
_CERTIFICATE_FIELDS: Final = ("certificate", "key", "password", "authority")
# Fields of a token request that are made from others here, so that they cannot contradict them.
_OWN_PARAMETERS: Final = frozenset({"grant_type", "client_id", "client_secret", "refresh_token", "scope"})
_BY_NAME: Final = "Store the value as a secret, and write the name of the secret here."


def read_authorisation(value: Any, found: Findings) -> Authorisation | None:
    """The authorisation of a tool; None, with all that is wrong in ``found``. Absent means none.

    ``type`` is ``none``, ``basic``, ``bearer``, ``api_key`` or ``oauth2``; the other fields are those of the login in
    :mod:`app.tools.auth.definition`, and ``client_certificate`` has those of :class:`ClientCertificate`.
    """
    if value is None:
        return Authorisation()
    if not isinstance(value, Mapping):
        found.add(_ROOT, 'The authorisation is an object: {"type": "bearer", "token": "name-of-a-secret"}')
        return None
    before = len(found.mistakes)
    kind = value.get("type", "none")
    if not isinstance(kind, str) or kind not in _KINDS:
        found.add(f"{_ROOT}.type", f"The type is one of {', '.join(_KINDS)}.")
        return None
    fields, reader = _KINDS[kind]
    known = ("type", *fields, "client_certificate")
    for name in sorted(set(map(str, value)) - set(known)):
        found.add(_ROOT, f"The authorisation {kind} has no field {name[:60]!r}; it has {', '.join(known)}.")
    form = _Fields(value, found)
    login = reader(form)
    certificate = _certificate(value.get("client_certificate"), found)
    return Authorisation(login, certificate) if len(found.mistakes) == before else None


def parse_authorisation(value: Any) -> Authorisation:
    """The authorisation that :func:`read_authorisation` reads. Raises ToolInvalid with everything that is wrong."""
    found = Findings()
    authorisation = read_authorisation(value, found)
    if authorisation is None:
        raise ToolInvalid.of(found.mistakes)
    return authorisation


def stored_form(authorisation: Authorisation) -> dict[str, Any]:
    """What :func:`read_authorisation` takes: for the database, exports and forms. It holds no secret.

    Fields that have their usual value are left out.
    """
    login = authorisation.login
    kind = _KIND_OF[type(login)]
    form: dict[str, Any] = {"type": kind}
    for name in _KINDS[kind][0]:
        value = getattr(login, name)
        form[name] = dict(value) if name == "extra" else value
    shown = authorisation.certificate
    if shown is not None:
        form["client_certificate"] = {name: each for name in _CERTIFICATE_FIELDS if (each := getattr(shown, name))}
    return {name: each for name, each in form.items() if each not in (None, "", {})}


def unknown_secrets(authorisation: Authorisation, known: Collection[SecretName]) -> list[Mistake]:
    """The fields that name a secret which is not there."""
    # Not repeated: a token has often the form of a name, and who mistakes the field types the token itself.
    return [
        Mistake(f"{_ROOT}.{field}", f"There is no secret of this name. {_BY_NAME}")
        for field, name in secret_fields(authorisation)
        if name not in known
    ]


def clashes(authorisation: Authorisation, request: RequestSpec) -> list[Mistake]:
    """What the request says already and the authorisation would say again."""
    login = authorisation.login
    if isinstance(login, ApiKey) and login.place == "query":
        names = {part.partition("=")[0] for part in request.url.partition("?")[2].split("&")} | set(request.query or {})
        if login.name in names:
            return [Mistake(f"{_ROOT}.name", f"The query of the request has {login.name} already; leave it out there.")]
        return []
    header = login.name if isinstance(login, ApiKey) else "Authorization"
    if isinstance(login, NoLogin):
        return []
    return [
        Mistake(f"request.headers.{name}", f"The authorisation sets the header {name}; leave it out here.")
        for name in request.headers
        if name.lower() == header.lower()
    ]


class _Fields:
    """The fields of one authorisation. Each reader notes what is wrong and returns something of the right type."""

    def __init__(self, values: Mapping[str, Any], found: Findings, path: str = _ROOT) -> None:
        self.values = values
        self._found = found
        self._path = path

    def wrong(self, name: str, message: str) -> None:
        self._found.add(f"{self._path}.{name}", message)

    def text(self, name: str, words: str, *, required: bool = True) -> str:
        value = self.values.get(name)
        if value is None or value == "":
            if required:
                self.wrong(name, f"{words} is missing.")
            return ""
        if not isinstance(value, str) or not _is_plain(value):
            self.wrong(name, f"{words} is a text without line breaks of at most {MAX_TEXT:,} characters.")
            return ""
        return value

    def secret(self, name: str, words: str) -> SecretName:
        found = self.optional_secret(name, words)
        if found is None and not self.values.get(name):
            self.wrong(name, f"{words} is missing. {_BY_NAME}")
        return found or ""

    def optional_secret(self, name: str, words: str) -> SecretName | None:
        value = self.values.get(name)
        if value is None or value == "":
            return None
        if not isinstance(value, str) or not SECRET_NAME.fullmatch(value):
            # The value is not repeated: who mistakes the field types the secret itself here.
            self.wrong(
                name,
                f"{words} is given by the name of a secret: letters, digits, - _ and . (at most 64). {_BY_NAME}",
            )
            return None
        return value

    def choice(self, name: str, options: tuple[str, ...], default: str | None = None) -> str:
        value = self.values.get(name, default)
        if value not in options:
            self.wrong(name, f"{name} is one of {', '.join(options)}.")
            return options[0]
        return str(value)


def _none(_form: _Fields) -> Login:
    return NoLogin()


def _basic(form: _Fields) -> Login:
    username = form.text("username", "The user name")
    if ":" in username:
        form.wrong("username", "A user name cannot hold a colon in this kind of login (RFC 7617).")
    return BasicLogin(username, form.secret("password", "The password"))


def _bearer(form: _Fields) -> Login:
    return BearerToken(form.secret("token", "The token"))


def _api_key(form: _Fields) -> Login:
    place: Literal["header", "query"] = "query" if form.choice("place", ("header", "query")) == "query" else "header"
    name = form.text("name", "The name of the header or of the parameter")
    prefix = form.text("prefix", "What stands before the key", required=False)
    if place == "header" and name:
        if not HEADER_NAME.fullmatch(name):
            form.wrong("name", f"{name[:60]!r} is no header name.")
        elif name.lower() in HOP_HEADERS:
            form.wrong("name", f"The header {name} is set by the HTTP client itself.")
    if place == "query" and prefix:
        form.wrong("prefix", "A key in the query has nothing before it; leave it empty.")
    if not prefix.isascii():
        form.wrong("prefix", "What stands before the key has plain letters only.")
    return ApiKey(place, name, form.secret("key", "The key"), prefix)


def _oauth(form: _Fields) -> Login:
    refreshes = form.choice("grant", ("client_credentials", "refresh_token")) == "refresh_token"
    url = form.text("token_url", "The address of the token endpoint")
    if url:
        url = _token_url(form, url)
    refresh_token = form.optional_secret("refresh_token", "The refresh token")
    if refreshes and not form.values.get("refresh_token"):
        form.wrong("refresh_token", f"The refresh token is missing. {_BY_NAME}")
    if not refreshes and refresh_token:
        form.wrong("refresh_token", "The grant client_credentials has no refresh token; leave it empty.")
    client_secret = form.optional_secret("client_secret", "The client's secret")
    if not refreshes and not form.values.get("client_secret") and not form.values.get("client_certificate"):
        form.wrong("client_secret", f"The client's secret is missing, or a client certificate. {_BY_NAME}")
    return OAuthLogin(
        grant="refresh_token" if refreshes else "client_credentials",
        token_url=url,
        client_id=form.text("client_id", "The id of the client"),
        client_secret=client_secret,
        refresh_token=refresh_token,
        scope=" ".join(form.text("scope", "The scope", required=False).split()),
        extra=_extra(form),
        client_auth="body" if form.choice("client_auth", ("basic", "body"), "basic") == "body" else "basic",
        timeout=_timeout(form),
    )


def _token_url(form: _Fields, value: str) -> str:
    try:
        url = read_url(value)
    except ToolInvalid as error:
        form.wrong("token_url", str(error))
        return value
    if "{{" in url:
        form.wrong("token_url", "The address of the token endpoint has no placeholders.")
    return url


def _extra(form: _Fields) -> tuple[tuple[str, str], ...]:
    value = form.values.get("extra") or {}
    if not isinstance(value, Mapping) or not all(isinstance(each, str) for each in (*value, *value.values())):
        form.wrong("extra", 'The further fields are texts: {"audience": "https://api.example.com"}')
        return ()
    for name in value:
        if name in _OWN_PARAMETERS:
            form.wrong(f"extra.{name}", f"{name} is set by the fields above; leave it out here.")
    if len(value) > MAX_EXTRA or not all(_is_plain(text) for pair in value.items() for text in pair):
        form.wrong(
            "extra",
            f"At most {MAX_EXTRA} further fields, without line breaks and of at most {MAX_TEXT:,} characters each.",
        )
    return tuple(sorted(value.items()))


def _is_plain(text: str) -> bool:
    # A half of a surrogate pair, as JSON may hold it, can neither be sent nor stored.
    return len(text) <= MAX_TEXT and _CONTROL.search(text) is None and _SURROGATE.search(text) is None


def _timeout(form: _Fields) -> float:
    value = form.values.get("timeout", 10.0)
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float)
        or math.isnan(value)
        or not MIN_TIMEOUT <= value <= MAX_TIMEOUT
    ):
        form.wrong("timeout", f"timeout is a number from {MIN_TIMEOUT:g} to {MAX_TIMEOUT:g} (seconds).")
        return 10.0
    return float(value)


def _certificate(value: Any, found: Findings) -> ClientCertificate | None:
    path = f"{_ROOT}.client_certificate"
    if value is None:
        return None
    if not isinstance(value, Mapping):
        found.add(path, 'The client certificate is an object: {"certificate": "name-of-a-secret", "key": "another"}')
        return None
    for name in sorted(set(map(str, value)) - set(_CERTIFICATE_FIELDS)):
        found.add(path, f"The client certificate has no field {name[:60]!r}; it has {', '.join(_CERTIFICATE_FIELDS)}.")
    form = _Fields(value, found, path)
    return ClientCertificate(
        form.secret("certificate", "The certificate"),
        form.optional_secret("key", "The key of the certificate"),
        form.optional_secret("password", "The password of the key"),
        form.optional_secret("authority", "The authority's certificate"),
    )


_OAUTH_FIELDS: Final = (
    "grant",
    "token_url",
    "client_id",
    "client_secret",
    "refresh_token",
    "scope",
    "extra",
    "client_auth",
    "timeout",
)
_KINDS: Final[Mapping[str, tuple[tuple[str, ...], Callable[[_Fields], Login]]]] = {
    "none": ((), _none),
    "basic": (("username", "password"), _basic),
    "bearer": (("token",), _bearer),
    "api_key": (("place", "name", "key", "prefix"), _api_key),
    "oauth2": (_OAUTH_FIELDS, _oauth),
}
_KIND_OF: Final[Mapping[type[Login], str]] = {
    NoLogin: "none",
    BasicLogin: "basic",
    BearerToken: "bearer",
    ApiKey: "api_key",
    OAuthLogin: "oauth2",
}
