"""The host of a URL in one form: a name or an address, and nothing that could be read as either."""

from __future__ import annotations

import re
from functools import lru_cache
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import Final

from app.tools.guard.addresses import Address

PORTS: Final = range(1, 65_536)
_LABEL: Final = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
# Systems take a name whose last part is one of these for an IPv4 address: decimal, octal or hexadecimal.
_NUMERIC: Final = re.compile(r"[0-9]+|0x[0-9a-f]*")


@lru_cache(maxsize=1024)
def canonical_host(text: str) -> str | Address:
    """A host in the one form in which it is compared.

    Raises:
        ValueError: what is wrong with it, to stand after its name.
    """
    if not text:
        raise ValueError("names no host")
    if "%" in text:
        raise ValueError("holds a % (a percent encoding, or the zone of a link-local address); write it without")
    if not text.isascii():
        raise ValueError("holds letters outside ASCII; write an international name as xn--...")
    if ":" in text:
        return _ipv6(text)
    name = text.lower().removesuffix(".")
    labels = name.split(".")
    if _NUMERIC.fullmatch(labels[-1]):
        return _ipv4(text)
    if len(name) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise ValueError("is no host name: letters, digits, - and _, with dots between the parts")
    return name


def with_port(host: str | Address, port: int) -> str:
    """``crm.lan:80``, ``10.0.0.5:80``, ``[fd00::5]:80``."""
    return f"[{host}]:{port}" if isinstance(host, IPv6Address) else f"{host}:{port}"


def _ipv4(text: str) -> IPv4Address:
    try:
        return IPv4Address(text)
    except AddressValueError:
        raise ValueError("is no IPv4 address of the form a.b.c.d in decimal numbers without leading zeros") from None


def _ipv6(text: str) -> IPv6Address:
    try:
        return IPv6Address(text)
    except AddressValueError:
        raise ValueError("is no IPv6 address") from None
