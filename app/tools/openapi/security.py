"""What an operation wants by way of login, in words: the operator stores the secret, and chooses the login.

No login is proposed with the tool itself: it would name a secret that is not stored, and such a tool is not saved."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from app.tools.openapi.references import ReferenceLost, References

_STORE: Final = "store it as a secret, and choose the login"
_PLACEHOLDER: Final = "{{ secret.name }}"
# By which grant a tool gets its tokens where the document names this flow, the better ones first.
_GRANTS: Final = {
    "clientCredentials": "client_credentials",
    "authorizationCode": "refresh_token, after logging in once by hand",
    "deviceAuthorization": "refresh_token, after logging in once by hand",
}


def hints(
    document: Mapping[str, Any], operation: Mapping[str, Any], references: References, headers: Mapping[str, str]
) -> Iterator[str]:
    """A sentence for each scheme of the first way to log in, but for those that ``headers`` serve already."""
    wanted = operation.get("security", document.get("security"))
    ways = [way for way in wanted if isinstance(way, Mapping)] if isinstance(wanted, list) else []
    if not ways or any(not way for way in ways):
        return
    components = document.get("components")
    schemes = components.get("securitySchemes") if isinstance(components, Mapping) else None
    given = {name.lower() for name in headers}
    for name in ways[0]:
        try:
            scheme = references.resolved(schemes.get(name) if isinstance(schemes, Mapping) else None)
        except ReferenceLost:
            yield f"It wants the login {str(name)[:60]}, which the document does not describe."
            continue
        hint = _hint(str(name)[:60], scheme, given)
        if hint:
            yield hint


def _hint(name: str, scheme: Mapping[str, Any], given: set[str]) -> str | None:
    kind, place, key = scheme.get("type"), scheme.get("in"), str(scheme.get("name", ""))[:60]
    if kind == "apiKey":
        if place == "header":
            return None if key.lower() in given else f"It wants an API key: {_STORE} API key, in the header {key}."
        if place == "query":
            return f"It wants an API key: {_STORE} API key, in the query as {key}."
        return f"It wants an API key in the cookie {key}: store it as a secret, and write Cookie: {key}={_PLACEHOLDER}."
    if kind == "mutualTLS":
        return "It wants a client certificate: store it and its key as secrets, and name them in the tool's login."
    if "authorization" in given:
        return None
    if kind == "http" and str(scheme.get("scheme", "")).lower() == "basic":
        return "It wants a user name and password: store the password as a secret, and choose the login Basic."
    if kind == "http" and str(scheme.get("scheme", "bearer")).lower() == "bearer":
        return f"It wants a token: {_STORE} Bearer."
    if kind == "http":
        word = str(scheme.get("scheme"))[:20].title()
        return (
            f"It wants the login {word}: write the header Authorization: {word} {_PLACEHOLDER}, if it stays the same."
        )
    if kind == "oauth2":
        return _oauth(name, scheme.get("flows"))
    if kind == "openIdConnect":
        return (
            f"It wants a token of {name} (OpenID Connect): choose the login OAuth 2; its makers tell the token address."
        )
    return f"It wants the login {name}, of a kind that is not known here."


def _oauth(name: str, flows: Any) -> str:
    """Which grant to choose, and where the token comes from, as far as the document says it."""
    found = flows if isinstance(flows, Mapping) else {}
    for flow, grant in _GRANTS.items():
        known = found.get(flow)
        if isinstance(known, Mapping):
            url = known.get("tokenUrl")
            where = f" and the token address {url[:200]}" if isinstance(url, str) and url.isprintable() and url else ""
            return f"It wants a token of {name} (OAuth 2): choose the login OAuth 2 with the grant {grant}{where}."
    return f"It wants a token of {name} (OAuth 2), by a way that needs a person each time. Ask its makers for another."
