"""What is said to an authorisation server, and what its answers mean (RFC 6749). Pure: no clock, no network.

The request is built by Authlib, which also knows the ways to authenticate a client that may come later (signed
assertions, RFC 7523). The answer is read here: it comes from another machine, may be anything, and has to become words
that help an operator.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote, urlencode, urlsplit

import orjson
from authlib.oauth2.auth import ClientAuth  # type: ignore[import-untyped,unused-ignore]
from authlib.oauth2.rfc6749.parameters import prepare_token_request  # type: ignore[import-untyped,unused-ignore]

from app.core.logging import SHORTEST_SECRET, SecretMask
from app.tools.auth.definition import OAuthLogin
from app.tools.auth.errors import (
    AuthorisationFailed,
    LoginRefused,
    LoginRevoked,
    TokenAnswerInvalid,
    TokenServerFailing,
)

_HEADERS: Final = {
    "Accept": "application/json",
    "Content-Type": "application/x-www-form-urlencoded",
}
# Nobody's token is longer, and no server takes a longer header.
_MAX_TOKEN_CHARS: Final = 16_384
_TOKEN: Final = re.compile(r"[\x21-\x7e]+")
_ERROR: Final = re.compile(r"[a-z][a-z0-9_]{0,39}")
_MAX_DESCRIPTION_CHARS: Final = 200
# A year; what is longer is a mistake, or a token that does not expire.
_LONGEST_LIFE: Final = 31_536_000.0
_PASSING_ERRORS: Final = frozenset({"temporarily_unavailable", "server_error", "slow_down"})


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """One request to a token endpoint; a POST. Its headers and its body hold secrets."""

    url: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class TokenResponse:
    """What came back. The body holds secrets, or anything at all."""

    status: int
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Grant:
    """A token as the server gave it.

    Attributes:
        lifetime: Seconds, from the request on; None: the server does not say.
        refresh_token: The one to use next time; None: the same again.
    """

    token: str = field(repr=False)
    lifetime: float | None
    refresh_token: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Problem:
    """Why there is no token. It may be told to many tools, so it is no exception yet.

    Attributes:
        kind: The class of the error.
        words: For the operator; without secrets.
        error: The server's own word, where it said one.
    """

    kind: type[AuthorisationFailed]
    words: str
    error: str = ""

    @property
    def passing(self) -> bool:
        """Whether it may work a moment later, with nothing changed."""
        return self.kind.retryable

    @property
    def revoked(self) -> bool:
        """Whether the refresh token is at fault."""
        return self.kind is LoginRevoked

    def raised(self, tool: str) -> AuthorisationFailed:
        """The error for one call of one tool."""
        if issubclass(self.kind, LoginRefused):
            return self.kind(self.words, tool=tool, error=self.error)
        return self.kind(self.words, tool=tool)


def token_request(login: OAuthLogin, client_secret: str | None, refresh_token: str | None) -> TokenRequest:
    """The request for a token."""
    # What is empty is left out by Authlib.
    body = prepare_token_request(
        login.grant, urlencode(login.extra), scope=login.scope or None, refresh_token=refresh_token
    )
    client_id, secret, method = login.client_id, client_secret, "none"
    if secret is not None and login.client_auth == "basic":
        # Encoded before they are joined, so that a colon or a letter beyond Latin-1 survives (RFC 6749, 2.3.1). A space
        # as %20 and not as +, which some servers leave as it is.
        client_id, secret, method = quote(client_id, safe=""), quote(secret, safe=""), "client_secret_basic"
    elif secret is not None:
        method = "client_secret_post"
    url, headers, body = ClientAuth(client_id, secret, method).prepare("POST", login.token_url, dict(_HEADERS), body)
    return TokenRequest(url, headers, body.encode())


def read_response(login: OAuthLogin, response: TokenResponse, *, hidden: tuple[str, ...] = ()) -> Grant | Problem:
    """The token in the response, or what is wrong.

    Args:
        hidden: The secrets that were sent; some servers repeat them in what they say of an error.
    """
    data = _json_object(response.body)
    if 200 <= response.status < 300 and data is not None and "error" not in data:
        return _grant(login, data)
    if data is not None and isinstance(data.get("error"), str):
        return _refusal(login, response.status, data, hidden)
    return _status(login, response.status, is_json=data is not None)


def unreachable(login: OAuthLogin, reason: str) -> Problem:
    """The server did not answer. ``reason`` holds no secret."""
    return Problem(TokenServerFailing, f"the authorisation server {origin(login)} cannot be reached: {reason}")


def too_slow(login: OAuthLogin, seconds: float) -> Problem:
    """The server did not answer in time."""
    return Problem(TokenServerFailing, f"the authorisation server {origin(login)} gave no token within {seconds:.1f} s")


def origin(login: OAuthLogin) -> str:
    """Scheme, host and port of the token endpoint."""
    parts = urlsplit(login.token_url)
    return f"{parts.scheme.lower()}://{parts.netloc.lower()}"


def _json_object(body: bytes) -> dict[str, Any] | None:
    try:
        data = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    return data if isinstance(data, dict) else None


def _grant(login: OAuthLogin, data: Mapping[str, Any]) -> Grant | Problem:
    token = data.get("access_token")
    if not isinstance(token, str) or not _TOKEN.fullmatch(token) or len(token) > _MAX_TOKEN_CHARS:
        what = "holds no access_token" if not token else "holds an access_token that cannot stand in a header"
        return _nonsense(login, f"its answer {what}")
    kind = data.get("token_type", "Bearer")
    if not isinstance(kind, str) or kind.lower() != "bearer":
        return _nonsense(login, f"it gives tokens of the type {_plain(str(kind), 20)!r}, and only Bearer is known here")
    refresh_token = data.get("refresh_token")
    if not isinstance(refresh_token, str) or not refresh_token or len(refresh_token) > _MAX_TOKEN_CHARS:
        refresh_token = None
    return Grant(token, _lifetime(data.get("expires_in")), refresh_token)


def _lifetime(value: Any) -> float | None:
    # Some servers send a text. What is no number at all counts as not said: the token itself may be good.
    if isinstance(value, str) and value.strip().isdecimal() and len(value) < 20:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return min(max(0.0, float(value)), _LONGEST_LIFE)


def _refusal(login: OAuthLogin, status: int, data: Mapping[str, Any], hidden: tuple[str, ...]) -> Problem:
    error = data["error"] if _ERROR.fullmatch(data["error"]) else "unknown error"
    said = f"({error}{_description(data.get('error_description'), hidden)})"
    server = f"the authorisation server {origin(login)}"
    if error in _PASSING_ERRORS or status == 429 or status >= 500:
        return Problem(TokenServerFailing, f"{server} says that it does not work at the moment {said}", error)
    if error == "invalid_grant" and login.grant == "refresh_token":
        return Problem(
            LoginRevoked,
            f"{server} accepts the refresh token no more {said}: it expired, was revoked or was used elsewhere. Log in "
            f"there again, and store the new refresh token as the secret {login.refresh_token}",
            error,
        )
    return Problem(LoginRefused, f"{server} {_advice(login, error)} {said}", error)


def _advice(login: OAuthLogin, error: str) -> str:
    secret = f" and the secret {login.client_secret}" if login.client_secret else ""
    match error:
        case "invalid_client":
            return (
                f"does not know this client, or not by this secret: check client_id{secret}, and whether they are to "
                f"be sent in the {'body' if login.client_auth == 'basic' else 'header'} (client_auth)"
            )
        case "unauthorized_client":
            return f"does not allow this client the grant {login.grant}: allow it there, or choose another grant"
        case "unsupported_grant_type":
            return f"does not know the grant {login.grant}: choose another one, and check token_url"
        case "invalid_scope":
            return f"does not give the scope {login.scope or '(none)'}: check scope, and what the client may have"
        case "invalid_target":
            return "does not know what the token is for: check resource or audience in the further fields"
        case "access_denied":
            return "denies access: allow this client there"
    return "refuses: check the fields of the login"


def _status(login: OAuthLogin, status: int, *, is_json: bool) -> Problem:
    server = f"the authorisation server {origin(login)}"
    if 200 <= status < 300:
        return _nonsense(login, "its answer holds no access_token" if is_json else "its answer is no JSON")
    if 300 <= status < 400:
        words = (
            f"{server} leads elsewhere (HTTP {status}), and secrets do not follow: write the new address as token_url"
        )
        return Problem(LoginRefused, words, str(status))
    if status in (408, 425, 429) or status >= 500:
        return Problem(TokenServerFailing, f"{server} does not work at the moment (HTTP {status})", str(status))
    if status in (404, 405, 410):
        return Problem(
            LoginRefused, f"{server} has no token endpoint there (HTTP {status}): check token_url", str(status)
        )
    advice = _advice(login, "invalid_client" if status in (401, 403) else "")
    return Problem(LoginRefused, f"{server} {advice} (HTTP {status}, without a reason)", str(status))


def _nonsense(login: OAuthLogin, words: str) -> Problem:
    return Problem(
        TokenAnswerInvalid, f"the authorisation server {origin(login)} gave no token: {words}. Check token_url"
    )


def _description(value: Any, hidden: tuple[str, ...]) -> str:
    # A secret too short to be found in a text for certain could stand in it unseen.
    if not isinstance(value, str) or not value.strip() or any(len(each) < SHORTEST_SECRET for each in hidden):
        return ""
    return f": {_plain(SecretMask(hidden)(value), _MAX_DESCRIPTION_CHARS)}"


def _plain(text: str, most: int) -> str:
    words = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    return words if len(words) <= most else words[:most] + "..."
