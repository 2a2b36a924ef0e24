"""A request with its login, for the logins that need nobody to be asked. Pure."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field, replace
from urllib.parse import quote

from app.tools.auth.definition import ApiKey, BasicLogin, BearerToken, NoLogin, Secrets
from app.tools.auth.values import header_value, value_of
from app.tools.render import RenderedRequest


@dataclass(frozen=True, slots=True)
class Applied:
    """A request as it may be sent.

    Attributes:
        hidden: The secrets that were put into it, in each form in which they stand there; to be masked wherever the
            request is shown.
    """

    request: RenderedRequest
    hidden: tuple[str, ...] = field(default=(), repr=False)


def applied(
    login: NoLogin | BasicLogin | BearerToken | ApiKey, request: RenderedRequest, secrets: Secrets, *, tool: str
) -> Applied:
    """The request with a login that does not change.

    Raises:
        SecretMissing: a secret is not there, or cannot stand in a request.
    """
    match login:
        case NoLogin():
            return Applied(request)
        case BasicLogin():
            password = value_of(login.password, secrets, tool)
            # UTF-8, as servers have come to expect (RFC 7617, 2.1).
            encoded = base64.b64encode(f"{login.username}:{password}".encode()).decode()
            return Applied(with_header(request, "Authorization", f"Basic {encoded}"), (encoded, password))
        case BearerToken():
            token = header_value(login.token, secrets, tool)
            return Applied(with_header(request, "Authorization", f"Bearer {token}"), (token,))
        case ApiKey() if login.place == "header":
            key = header_value(login.key, secrets, tool)
            return Applied(with_header(request, login.name, f"{login.prefix}{key}"), (key,))
        case ApiKey():
            key = value_of(login.key, secrets, tool).strip()
            return Applied(_with_parameter(request, login.name, key), (key, _quoted(key)))


def with_token(request: RenderedRequest, token: str) -> Applied:
    """The request with a token that was fetched for it."""
    return Applied(with_header(request, "Authorization", f"Bearer {token}"), (token,))


def with_header(request: RenderedRequest, name: str, value: str) -> RenderedRequest:
    """The request with one header set; another of that name, in whatever letters, is gone."""
    kept = {each: text for each, text in request.headers.items() if each.lower() != name.lower()}
    return replace(request, headers={**kept, name: value})


def _with_parameter(request: RenderedRequest, name: str, value: str) -> RenderedRequest:
    mark = "&" if "?" in request.url else "?"
    return replace(request, url=f"{request.url}{mark}{_quoted(name)}={_quoted(value)}")


def _quoted(text: str) -> str:
    return quote(text, safe="")
