"""What an operation wants by way of login, in words: keys and tokens are for the operator to add."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from app.tools.openapi.references import ReferenceLost, References


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
            return None if key.lower() in given else f"It wants an API key: add it as the header {key}."
        if place == "query":
            return f"It wants an API key: add it to the query as {key}."
        return f"It wants an API key in the cookie {key}: add a header Cookie with {key}=..."
    if "authorization" in given:
        return None
    if kind == "http" and str(scheme.get("scheme", "")).lower() == "basic":
        return "It wants a user name and password: add the header Authorization with Basic and both in base64."
    if kind == "http":
        word = str(scheme.get("scheme", "Bearer"))[:20].title()
        return f"It wants a token: add the header Authorization with {word} and the token."
    if kind in ("oauth2", "openIdConnect"):
        return (
            f"It wants a token of {name} (OAuth 2): add one that does not expire as the header Authorization, with "
            "Bearer before it. Tokens are not renewed here."
        )
    if kind == "mutualTLS":
        return "It wants a client certificate, which is not supported."
    return f"It wants the login {name}, of a kind that is not known here."
