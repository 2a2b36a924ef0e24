"""What an IP address is: public, open to tools by permission only, or never.

Pure tables, after IANA's registries of special-purpose addresses. A form of IPv6 that only carries an IPv4 address is
judged by what it carries: that is where the packets go.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network
from typing import Final

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

# Tools go to the same few addresses again and again, and the tables are long.
_REMEMBERED: Final = 1024


@dataclass(frozen=True, slots=True)
class Kind:
    """Why an address is not like any other.

    Attributes:
        words: For the operator, to stand after "which is".
        never: Not even an operator can open it.
    """

    words: str
    never: bool


# Clouds hand out keys here to whoever asks from within the machine.
_METADATA: Final = {
    "169.254.169.254/32": "the metadata service of most clouds",
    "169.254.170.2/32": "the metadata service of Amazon ECS",
    "169.254.170.23/32": "the metadata service of Amazon EKS",
    "169.254.0.23/32": "the metadata service of Tencent Cloud",
    "169.254.42.42/32": "the metadata service of Scaleway",
    "168.63.129.16/32": "the platform service of Azure",
    "100.100.100.200/32": "the metadata service of Alibaba Cloud",
    "192.0.0.192/32": "the metadata service of Oracle Cloud",
    "fe80::a9fe:a9fe/128": "the metadata service of OpenStack clouds",
    "fd00:ec2::/32": "the range of Amazon's platform services",
    "fd20:ce::254/128": "the metadata service of Google Cloud",
    "fd00:c1::a9fe:a9fe/128": "the metadata service of Oracle Cloud",
    "fd00:42::42/128": "the metadata service of Scaleway",
    "fd00:a9fe:a9fe::1/128": "the metadata service of Akamai (Linode)",
    "fd00:100::100:200/128": "the metadata service of Alibaba Cloud",
}
_NEVER: Final = {
    "0.0.0.0/8": 'an unspecified address ("this network")',
    "169.254.0.0/16": "a link-local address",
    "224.0.0.0/4": "a multicast address",
    "255.255.255.255/32": "the broadcast address",
    "::/128": "the unspecified address",
    "fe80::/10": "a link-local address",
    "ff00::/8": "a multicast address",
}
_BY_PERMISSION: Final = {
    "127.0.0.0/8": "a loopback address (this machine)",
    "10.0.0.0/8": "a private address",
    "172.16.0.0/12": "a private address",
    "192.168.0.0/16": "a private address",
    "100.64.0.0/10": "an address behind a carrier's NAT",
    "192.0.0.0/24": "an address that the IETF reserves",
    "192.0.2.0/24": "an address for documentation",
    "198.51.100.0/24": "an address for documentation",
    "203.0.113.0/24": "an address for documentation",
    "192.88.99.0/24": "an address of old 6to4 relays",
    "198.18.0.0/15": "an address for benchmarks",
    "240.0.0.0/4": "a reserved address",
    "::1/128": "a loopback address (this machine)",
    "64:ff9b:1::/48": "an address of a local NAT64 translator",
    "100::/64": "an address that discards everything",
    "2001::/23": "an address that the IETF reserves",
    "2001:db8::/32": "an address for documentation",
    "3fff::/20": "an address for documentation",
    "5f00::/16": "an address of segment routing",
    "fc00::/7": "a private address (ULA)",
    "fec0::/10": "an old site-local address",
}


def _table(rows: Mapping[str, str], *, never: bool) -> list[tuple[Network, Kind]]:
    return [(ip_network(text), Kind(words, never)) for text, words in rows.items()]


# The first that holds an address names it.
_KINDS: Final = (*_table(_METADATA, never=True), *_table(_NEVER, never=True), *_table(_BY_PERMISSION, never=False))
_METADATA_IPV4: Final = frozenset(
    network.network_address for network in map(ip_network, _METADATA) if isinstance(network, IPv4Network)
)
# All that is given out to the public is in here (IANA); the rest is reserved.
_GLOBAL_UNICAST: Final = IPv6Network("2000::/3")
_RESERVED: Final = Kind("a reserved address", never=False)

_MAPPED: Final = IPv6Network("::ffff:0:0/96")
_LAST_FOUR: Final = (12, 13, 14, 15)
# The IPv4 address is the last four bytes: mapped and compatible (RFC 4291), translated (RFC 2765), NAT64 (RFC 6052).
_CARRIERS: Final = (
    _MAPPED,
    IPv6Network("::/96"),
    IPv6Network("::ffff:0:0:0/96"),
    IPv6Network("64:ff9b::/96"),
)
_PLAIN: Final = frozenset({IPv6Address("::"), IPv6Address("::1")})
_ISATAP: Final = (b"\x00\x00\x5e\xfe", b"\x02\x00\x5e\xfe")  # RFC 5214, bytes 8 to 11
_LOCAL_NAT64: Final = IPv6Network("64:ff9b:1::/48")
_LINK_LOCAL: Final = IPv4Network("169.254.0.0/16")
# Where a NAT64 translator may keep the IPv4 address, by the length of its prefix (RFC 6052, 2.2). Byte 8 stays zero.
_NAT64_PLACES: Final = ((4, 5, 6, 7), (5, 6, 7, 9), (6, 7, 9, 10), (7, 9, 10, 11), (9, 10, 11, 12), _LAST_FOUR)


@lru_cache(maxsize=_REMEMBERED)
def carried(address: Address) -> tuple[Address, ...]:
    """What an address leads to: itself, or the IPv4 addresses within it, all of which must be allowed."""
    if isinstance(address, IPv4Address) or address in _PLAIN:
        return (address,)
    if any(address in network for network in _CARRIERS):
        return (_at(address, _LAST_FOUR),)
    if address.sixtofour is not None:
        return (address.sixtofour,)
    if address.teredo is not None:
        return address.teredo  # the server that is asked, and the client that it leads to
    if address.packed[8:12] in _ISATAP:
        return (address, _at(address, _LAST_FOUR))
    # A translator of the network may turn any prefix into IPv4. Which one is not to be seen, but no chance puts the
    # address of a metadata service there; and in the range for such translators a link-local one is none either.
    local = address in _LOCAL_NAT64
    inner = (_at(address, places) for places in _NAT64_PLACES)
    hidden = (found for found in inner if found in _METADATA_IPV4 or (local and found in _LINK_LOCAL))
    return (address, *hidden)


@lru_cache(maxsize=_REMEMBERED)
def kind_of(address: Address) -> Kind | None:
    """What is special about an address, taken by itself; None: it is a public one."""
    for network, kind in _KINDS:
        if address in network:
            return kind
    if isinstance(address, IPv6Address) and address not in _GLOBAL_UNICAST:
        return _RESERVED
    return None


def never_within(network: Network) -> Kind | None:
    """Why no address of a network can be opened; None: some can."""
    for closed, kind in _KINDS:
        if kind.never and network[0] in closed and network[-1] in closed:
            return kind
    if network.num_addresses == 1:
        kinds = map(kind_of, carried(network.network_address))
        return next((kind for kind in kinds if kind is not None and kind.never), None)
    return None


def _at(address: IPv6Address, places: tuple[int, ...]) -> IPv4Address:
    packed = address.packed
    return IPv4Address(bytes(packed[place] for place in places))
