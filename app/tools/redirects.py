"""Where a redirect leads a tool's request, and what of the request goes along. Pure.

To the same scheme, host and port goes all of it. To any other server go the address that the redirect names and a few
headers that say nothing of anybody: neither login nor cookies, no other header of the operator's, no body. What was
left behind once does not come back with a redirect back.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Final
from urllib.parse import unquote, urljoin

from yarl import URL

from app.tools.render import RenderedRequest
from app.tools.secrets import SHORTEST_FOR_PEOPLE, SecretMask, is_secret_header

MAX_REDIRECTS: Final = 3
REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_METHODS: Final = frozenset({"GET", "HEAD"})
_KEPT: Final = frozenset({"accept", "accept-language", "user-agent"})


def redirected(request: RenderedRequest, location: str, *, secrets: Iterable[str | int]) -> RenderedRequest | str:
    """The request that follows a redirect; or why none does, to stand after "its redirect was not followed:".

    Args:
        secrets: What stands in the request and may go to its server only.
    """
    if request.method not in _METHODS:
        return f"tools follow those of GET and HEAD only, and this is a {request.method}; write the new address"
    try:
        here, there = URL(request.url, encoded=True), URL(urljoin(request.url, location).partition("#")[0])
        target, port = str(there), there.port
    except (ValueError, UnicodeError):
        return "the address is none"
    if there.scheme not in ("http", "https") or not there.raw_host or port is None:
        return "it leads neither to http:// nor to https://, and tools speak nothing else"
    if there.raw_user is not None or there.raw_password is not None:
        return "the address holds a name or password"
    if same_server(here, there):
        return replace(request, url=target)
    mask = SecretMask(secrets, shortest=SHORTEST_FOR_PEOPLE)
    if _holds_secret(mask, location) or _holds_secret(mask, target):
        return "it would take a secret to another server"  # which is not named: the secret may be its name
    if here.scheme == "https" and there.scheme == "http":
        return f"it leads from https:// to {there.origin()}, which is not encrypted"
    headers = {
        name: value
        for name, value in request.headers.items()
        if name.lower() in _KEPT and not is_secret_header(name, value) and not _holds_secret(mask, value)
    }
    return RenderedRequest(request.method, target, headers)


def same_server(one: URL, other: URL) -> bool:
    """Whether scheme, host and port are the same."""
    return (one.scheme, (one.raw_host or "").lower(), one.port) == (
        other.scheme,
        (other.raw_host or "").lower(),
        other.port,
    )


def _holds_secret(mask: SecretMask, text: str) -> bool:
    return any(mask.text(form) != form for form in (text, unquote(text)))
