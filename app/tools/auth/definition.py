"""How a tool's requests are authorised: frozen, and without a single secret. Where one is needed stands the name under
which it is kept; :class:`Secret` is what is found there when the tool is called.

The client certificate of mutual TLS stands beside the ways, not among them: servers that want one often want a token
too (RFC 8705).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

# The name of a secret, such as ``crm-token``; never its value.
SecretName = str


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret as it is now.

    Attributes:
        revision: A greater one each time that a person changes the value, also where it was deleted in between; a
            cached token lasts no longer than it.
        rotation: How often the value was replaced since by the authorisation server, which gives a new refresh token
            for the old one. The login is the same, and its tokens stay good.
        servers: Where it may be sent, as :func:`app.tools.auth.destinations.server_of` writes them; None: anywhere.
            Whoever edits tools could send a secret that they never saw to a server of their own otherwise.
        problem: Why it cannot be read, as the end of a sentence that begins with its name; the value is empty then.
    """

    value: str = field(repr=False)
    revision: int
    servers: frozenset[str] | None = None
    rotation: int = 0
    problem: str = ""


# What is known when a tool is called: at least the secrets that its authorisation names, if they are there.
Secrets = Mapping[SecretName, Secret]


@dataclass(frozen=True, slots=True)
class NoLogin:
    """The request is sent as it is."""


@dataclass(frozen=True, slots=True)
class BasicLogin:
    """User name and password in each request (RFC 7617)."""

    username: str
    password: SecretName


@dataclass(frozen=True, slots=True)
class BearerToken:
    """A token that does not expire (RFC 6750)."""

    token: SecretName


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key in a header or in the query.

    Attributes:
        name: Of the header or the parameter.
        prefix: What stands before the key in the header, with its space: ``"Token "``.
    """

    place: Literal["header", "query"]
    name: str
    key: SecretName
    prefix: str = ""


@dataclass(frozen=True, slots=True)
class OAuthLogin:
    """A token from an authorisation server, renewed before it expires (RFC 6749, 4.4 and 6).

    Attributes:
        client_secret: None: a public client, which only names itself.
        refresh_token: For the grant of that name. Where the server gives a new one at each use, it is stored there.
        scope: Words with spaces between them; empty: what the server gives by itself.
        extra: Further fields of the token request, such as ``audience`` or ``resource``.
        client_auth: Where id and secret stand: ``basic``, in the header as the standard prefers, or ``body``.
        timeout: Seconds for one request to the authorisation server.
    """

    grant: Literal["client_credentials", "refresh_token"]
    token_url: str
    client_id: str
    client_secret: SecretName | None = None
    refresh_token: SecretName | None = None
    scope: str = ""
    # Pairs and not a mapping, since this is the key of a cache.
    extra: tuple[tuple[str, str], ...] = ()
    client_auth: Literal["basic", "body"] = "basic"
    timeout: float = 10.0


@dataclass(frozen=True, slots=True)
class ClientCertificate:
    """Mutual TLS: the certificate that we show. All three are secrets in PEM form.

    Attributes:
        certificate: With the intermediate certificates after it.
        key: None: it stands in ``certificate`` too.
        password: Of the key; None: it has none.
        authority: The certificates that the server's must come from, in place of the system's; for a company that
            signs its own.
    """

    certificate: SecretName
    key: SecretName | None = None
    password: SecretName | None = None
    authority: SecretName | None = None


Login = NoLogin | BasicLogin | BearerToken | ApiKey | OAuthLogin


@dataclass(frozen=True, slots=True)
class Authorisation:
    """How a tool's requests are authorised.

    Attributes:
        certificate: Shown to the tool's server, and to the authorisation server.
    """

    login: Login = NoLogin()
    certificate: ClientCertificate | None = None


def secret_fields(authorisation: Authorisation) -> list[tuple[str, SecretName]]:
    """The fields that name a secret, such as ``client_certificate.key``, and the secrets."""
    login, shown = authorisation.login, authorisation.certificate
    fields: list[tuple[str, SecretName | None]]
    match login:
        case BasicLogin():
            fields = [("password", login.password)]
        case BearerToken():
            fields = [("token", login.token)]
        case ApiKey():
            fields = [("key", login.key)]
        case OAuthLogin():
            fields = [("client_secret", login.client_secret), ("refresh_token", login.refresh_token)]
        case NoLogin():
            fields = []
    if shown is not None:
        for part in ("certificate", "key", "password", "authority"):
            fields.append((f"client_certificate.{part}", getattr(shown, part)))
    return [(field, name) for field, name in fields if name is not None]


def secret_names(authorisation: Authorisation) -> list[SecretName]:
    """The secrets that it needs, each once, in the order of the fields."""
    return list(dict.fromkeys(name for _, name in secret_fields(authorisation)))
