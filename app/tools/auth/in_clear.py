"""Logins that would go over the internet unencrypted. Pure: names are not looked up."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from app.tools.auth.definition import Authorisation, NoLogin, OAuthLogin
from app.tools.errors import Mistake
from app.tools.guard.addresses import carried, kind_of

# Names that are no part of the public DNS, or never were (RFC 6761, 6762, 8375; ICANN's "internal").
_PRIVATE_ENDS: Final = (
    "localhost",
    "local",
    "internal",
    "lan",
    "home",
    "home.arpa",
    "corp",
    "intranet",
    "localdomain",
    "test",
)


def in_clear(authorisation: Authorisation, url: str) -> Iterator[Mistake]:
    """The fields by which a secret would go to a public host without encryption. It may be meant so; it is a warning.

    Args:
        url: Of the tool's request.
    """
    login = authorisation.login
    if isinstance(login, OAuthLogin) and (host := _public_host(login.token_url)):
        yield Mistake(
            "authorisation.token_url",
            f"The client's secret goes to {host} unencrypted: everybody on the way can read it. Write https://.",
        )
    if not isinstance(login, NoLogin) and (host := _public_host(url)):
        yield Mistake(
            "request.url",
            f"The login goes to {host} unencrypted: everybody on the way can read it. Write https://.",
        )


def _public_host(url: str) -> str | None:
    parts = urlsplit(url.partition("?")[0])
    host = (parts.hostname or "").removesuffix(".")
    if parts.scheme.lower() != "http" or not host:
        return None
    try:
        address = ip_address(host)
    except ValueError:
        private = "." not in host or any(host.endswith(f".{end}") for end in _PRIVATE_ENDS)
        return None if private else host
    return None if any(kind_of(each) is not None for each in carried(address)) else host
