"""The entries of the allow-list, as operators write them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_network
from typing import NoReturn
from urllib.parse import urlsplit

from yarl import URL

from app.tools.guard.addresses import Address, Network, never_within
from app.tools.guard.hosts import PORTS, canonical_host


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of the allow-list: a name, the names below one, or a network.

    Attributes:
        text: As the operator typed it.
        name: With ``below``: only the names below it, not itself.
        port: None: all.
    """

    text: str
    name: str | None = None
    below: bool = False
    network: Network | None = None
    port: int | None = None

    def covers(self, host: str | Address, addresses: Iterable[Address]) -> bool:
        """Whether it is about the host of the URL, or about one of ``addresses``, whatever the port."""
        if self.network is not None:
            return any(address in self.network for address in addresses)
        if self.name is None or not isinstance(host, str):
            return False
        return host.endswith(f".{self.name}") if self.below else host == self.name

    def opens(self, port: int) -> bool:
        """Whether it is about this port."""
        return self.port is None or self.port == port


def read_entry(text: str) -> Entry:
    """One entry.

    Raises:
        ValueError: what is wrong with it, to stand after its text.
    """
    if "://" in text:
        raise ValueError(f"is a URL; write {_host_of_url(text)}")
    host, port = _split_port(text)
    if "/" in host:
        network = _network(host)
    elif host.startswith("*."):
        return Entry(text, name=_name(host[2:]), below=True, port=port)
    elif host == "*":
        raise ValueError("would open everything; name what tools need. Public addresses need no entry")
    elif "*" in host:
        raise ValueError("has a * elsewhere than at its beginning, as in *.example.com")
    else:
        found = canonical_host(host if host.isascii() else _punycode(host))
        if isinstance(found, str):
            return Entry(text, name=found, port=port)
        network = ip_network(found)
    if kind := never_within(network):
        raise ValueError(f"is {kind.words}, where tools can never go; take it out")
    return Entry(text, network=network, port=port)


def _split_port(text: str) -> tuple[str, int | None]:
    """``host:port``, ``network/length:port``, ``[ipv6]:port``, ``[ipv6/length]:port``; the port may be absent."""
    if text.startswith("["):
        host, closed, rest = text[1:].partition("]")
        if not closed or ":" not in host or (rest and not rest.startswith(":")):
            raise ValueError("is written like [fd00::5]:8080, an IPv6 address in brackets, and then the port")
        port = rest[1:] if rest else None
    elif "/" in text:
        base, _, rest = text.partition("/")
        length, colon, after = rest.partition(":")
        host, port = f"{base}/{length}", after if colon else None
    elif text.count(":") > 1:
        return text, None  # IPv6 without brackets has no port
    else:
        host, colon, after = text.partition(":")
        port = after if colon else None
    if port is None:
        return host, None
    if not re.fullmatch(r"[0-9]{1,5}", port) or int(port) not in PORTS:
        raise ValueError(f"has the port {port!r}; ports go from 1 to 65535")
    return host, int(port)


def _network(text: str) -> Network:
    base, _, length = text.partition("/")
    if base.startswith("*"):
        _no_path()
    found = canonical_host(base)
    if isinstance(found, str):
        _no_path()
    if not re.fullmatch(r"[0-9]{1,3}", length) or int(length) > found.max_prefixlen:
        raise ValueError(f"has the prefix length {length!r}; it goes from 0 to {found.max_prefixlen}")
    network = ip_network(f"{found}/{length}", strict=False)
    if network.network_address != found:
        raise ValueError(f"is an address within a network; write {network}, or {found} alone")
    return network


def _no_path() -> NoReturn:
    raise ValueError("has a path; the allow-list knows hosts and ports only")


def _name(text: str) -> str:
    found = canonical_host(text if text.isascii() else _punycode(text))
    if not isinstance(found, str):
        raise ValueError("has a * before an address; write a network, such as 10.1.0.0/16")  # noqa: TRY004 - a value
    return found


def _punycode(text: str) -> str:
    """An international name as it goes to the DNS."""
    try:
        return URL.build(scheme="http", host=text).raw_host or ""
    except ValueError:
        raise ValueError("is no host name; write an international one as xn--...") from None


def _host_of_url(text: str) -> str:
    try:
        parts = urlsplit(text)
        host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
        return f"{host}:{parts.port}" if parts.port else str(host or "the host alone")
    except ValueError:
        return "the host alone"
