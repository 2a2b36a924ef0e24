"""What operators may write, and what is decided: without a socket."""

from __future__ import annotations

import re
from ipaddress import ip_address

import pytest

from app.tools.guard.rules import SETTING, AllowListInvalid, Destination, Policy, Refusal, destination_of

PUBLIC = [
    "8.8.8.8",
    "1.1.1.1",
    "9.255.255.255",
    "11.0.0.0",
    "100.63.255.255",
    "100.128.0.0",
    "126.255.255.255",
    "128.0.0.1",
    "169.253.255.255",
    "169.255.0.0",
    "168.63.129.15",
    "172.15.255.255",
    "172.32.0.0",
    "192.0.1.0",
    "192.167.255.255",
    "192.169.0.0",
    "198.17.255.255",
    "198.20.0.0",
    "223.255.255.255",
    "2606:4700:4700::1111",
    "2001:4860:4860::8888",
    "2a00:1450:4001:81b::200e",
    "::ffff:8.8.8.8",
    "64:ff9b::8.8.8.8",
    "2002:808:808::1",
    "2606:4700::5efe:808:808",
]
NEVER = [
    "0.0.0.0",
    "0.1.2.3",
    "169.254.0.1",
    "169.254.169.254",
    "169.254.170.2",
    "169.254.170.23",
    "169.254.255.255",
    "168.63.129.16",
    "100.100.100.200",
    "192.0.0.192",
    "224.0.0.1",
    "239.255.255.255",
    "255.255.255.255",
    "::",
    "fe80::1",
    "fe80::a9fe:a9fe",
    "febf:ffff::1",
    "ff02::1",
    "fd00:ec2::254",
    "fd00:ec2::23",
    "fd20:ce::254",
    "fd00:c1::a9fe:a9fe",
    "fd00:42::42",
    "fd00:a9fe:a9fe::1",
    "fd00:100::100:200",
    "::ffff:0.0.0.0",
    "::ffff:169.254.169.254",
    "::ffff:a9fe:a9fe",
    "::ffff:168.63.129.16",
    "::169.254.169.254",
    "::ffff:0:169.254.169.254",
    "64:ff9b::169.254.169.254",
    "64:ff9b::100.100.100.200",
    "64:ff9b:1::169.254.169.254",
    "64:ff9b:1:a9fe:a9:fe00::",
    "64:ff9b:1::169.254.1.1",
    "2002:a9fe:a9fe::1",
    "2002:e000:1::1",
    "2001:0:a9fe:a9fe::1",
    "2001:0:4136:e378:8000:63bf:5601:5601",
    "2606:4700::5efe:a9fe:a9fe",
    "2606:4700::200:5efe:a9fe:a9fe",
    "2606:4700:64::a9fe:a9fe",
]
BY_PERMISSION = [
    "10.0.0.1",
    "127.0.0.1",
    "127.255.255.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.0.1",
    "100.64.0.1",
    "100.127.255.255",
    "192.0.0.1",
    "192.0.2.1",
    "198.51.100.1",
    "203.0.113.1",
    "192.88.99.1",
    "198.18.0.1",
    "198.19.255.255",
    "240.0.0.1",
    "255.255.255.254",
    "::1",
    "fc00::1",
    "fdff::1",
    "fec0::1",
    "100::1",
    "2001:db8::1",
    "2001:2::1",
    "3fff::1",
    "5f00::1",
    "4000::1",
    "64:ff9b:1::10.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:7f00:1",
    "::ffff:10.0.0.1",
    "::127.0.0.1",
    "::ffff:0:10.0.0.1",
    "64:ff9b::192.168.1.1",
    "2002:7f00:1::1",
    "2002:c0a8:101::1",
    "2001:0:808:808::f5ff:fffe",
    "2606:4700::5efe:a00:1",
]


def decide(policy: Policy, url: str, address: str, *, own: bool = False) -> Refusal | None:
    found = re.fullmatch(r"(\w+)://(?:\[([^]]*)\]|([^:/]*)):(\d+)", url)
    assert found is not None
    destination = destination_of(found[1], found[2] or found[3], int(found[4]))
    return (
        destination if isinstance(destination, Refusal) else policy.refusal(destination, ip_address(address), own=own)
    )


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_need_no_permission(address: str) -> None:
    assert decide(Policy(), "https://api.example.com:443", address) is None


@pytest.mark.parametrize("address", NEVER)
def test_some_addresses_cannot_be_opened_by_anything(address: str) -> None:
    everything = Policy.parse("0.0.0.0/0 ::/0 api.example.com *.example.com")
    refusal = decide(everything, "https://api.example.com:443", address)
    assert refusal is not None
    assert "can never go there" in refusal.reason
    assert decide(Policy(), "https://api.example.com:443", address) is not None


@pytest.mark.parametrize("address", BY_PERMISSION)
def test_what_is_not_public_is_open_by_permission_only(address: str) -> None:
    refusal = decide(Policy.parse("other.lan 10.9.9.9"), "http://crm.lan:8080", address)
    assert refusal is not None
    assert str(ip_address(address)) in refusal.reason
    assert SETTING in refusal.reason
    for entries in ("crm.lan", "crm.lan:8080", "*.lan", "0.0.0.0/0,::/0", "0.0.0.0/0:8080,[::/0]:8080"):
        assert decide(Policy.parse(entries), "http://crm.lan:8080", address) is None
    for entries in ("", "crm.lan:80", "lan", "*.crm.lan", "xcrm.lan", "0.0.0.0/0:80"):
        assert decide(Policy.parse(entries), "http://crm.lan:8080", address) is not None


def test_the_forms_that_carry_ipv4_are_allowed_as_what_they_carry() -> None:
    policy = Policy.parse("10.1.0.0/16:8080")
    for address in ("10.1.2.3", "::ffff:10.1.2.3", "::10.1.2.3", "2002:a01:203::", "64:ff9b::10.1.2.3"):
        assert decide(policy, "http://crm.lan:8080", address) is None
        assert decide(policy, "http://crm.lan:8081", address) is not None
    refusal = decide(policy, "http://crm.lan:8080", "::ffff:10.2.0.1")
    assert refusal is not None
    assert " (that is 10.2.0.1), which is a private address" in refusal.reason
    assert "add 10.2.0.1:8080 to" in refusal.reason


def test_an_address_that_leads_to_two_places_needs_both() -> None:
    isatap = "fd00::5efe:a00:1"
    assert decide(Policy.parse("fd00::/16"), "http://crm.lan:80", isatap) is not None
    assert decide(Policy.parse("10.0.0.0/8"), "http://crm.lan:80", isatap) is not None
    assert decide(Policy.parse("10.0.0.0/8 fd00::/16"), "http://crm.lan:80", isatap) is None


def test_the_own_port_cannot_be_opened() -> None:
    policy = Policy.parse("127.0.0.1:8000, localhost")
    refusal = decide(policy, "http://localhost:8000", "127.0.0.1", own=True)
    assert refusal is not None
    assert "where this service itself listens" in refusal.reason
    assert decide(policy, "http://localhost:8000", "127.0.0.1") is None


def test_a_refusal_says_what_to_add_and_tells_the_model_nothing() -> None:
    refusal = decide(Policy.parse("crm.lan:80"), "http://crm.lan:8080", "10.0.0.5")
    assert refusal is not None
    assert refusal.reason == (
        "http://crm.lan:8080 leads to 10.0.0.5, which is a private address, and tools go there by permission only. "
        "If this one should, add 10.0.0.5:8080 to TOOLS_ALLOWED_HOSTS in .env (or crm.lan:8080, wherever that "
        "name leads), then restart the service; the entry crm.lan:80 is for another port"
    )
    literal = decide(Policy(), "http://[fd12::5]:8080", "fd12::5")
    assert literal is not None
    assert "add [fd12::5]:8080 to" in literal.reason
    assert "or " not in literal.reason.partition("add ")[2]
    for each in (refusal, literal):
        assert not re.search(r"\d|crm|lan\b|TOOLS", each.for_model)
        error = each.error()
        assert (str(error), error.for_model, error.code) == (each.reason, each.for_model, "tool_refused")


@pytest.mark.parametrize(
    ("host", "canonical"),
    [
        ("EXAMPLE.com", "example.com"),
        ("example.com.", "example.com"),
        ("my_service", "my_service"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("a.1.example", "a.1.example"),
        ("0x7f.example", "0x7f.example"),
        ("10.0.0.1", ip_address("10.0.0.1")),
        ("FD00::0:5", ip_address("fd00::5")),
        ("::ffff:7f00:1", ip_address("::ffff:127.0.0.1")),
    ],
)
def test_a_host_has_one_form(host: str, canonical: object) -> None:
    assert destination_of("HTTP", host, 80) == Destination("http", canonical, 80)  # type: ignore[arg-type]


HOSTS_IN_DISGUISE = [
    "",
    None,
    ".",
    "..",
    "a..b",
    ".example.com",
    "example.com..",
    "2130706433",
    "017700000001",
    "0x7f000001",
    "0X7F000001",
    "0x7f.0.0.1",
    "0177.0.0.1",
    "127.0.0.01",
    "127.1",
    "127.0.1",
    "127.0.0.0x1",
    "127.0.0.1.",
    "0",
    "0x",
    "1.2.3.4.5",
    "256.0.0.1",
    "127.0.0.1 ",
    " 127.0.0.1",
    "127.0.0.1\t",
    "127.0.0.1\r\nhost",
    "127.0.0.1\x00.example.com",
    "127%2e0.0.1",
    "%31%32%37.0.0.1",
    "localhos%74",
    "fe80::1%25eth0",
    "fe80::1%eth0",
    "::1%lo",
    "１２７.0.0.1",
    "127。0。0。1",
    "ⓛocalhost",
    "bücher.example",
    "a\u00adb",
    "localhost\u200b",
    "[::1]",
    "v1.[a",
    "::g",
    "1:2:3",
    ":::",
    "::ffff:127.1",
    "::ffff:0177.0.0.1",
    "user@localhost",
    "localhost\\example.com",
    "localhost/x",
    "localhost#x",
    "-a.example",
    "a-.example",
    "a" * 64,
    ".".join(["a" * 60] * 5),
]


@pytest.mark.parametrize("host", HOSTS_IN_DISGUISE, ids=lambda host: ascii(host)[:30])
def test_a_host_that_may_be_read_in_two_ways_is_refused(host: str | None) -> None:
    refusal = destination_of("http", host, 80)
    assert isinstance(refusal, Refusal)
    assert "the URL's host" in refusal.reason
    assert not re.search(r"127|localhost", refusal.for_model)


@pytest.mark.parametrize(
    "scheme", ["ftp", "file", "gopher", "ws", "wss", "unix", "", "javascript", "httpx", "http+unix"]
)
def test_only_http_and_https_go_out(scheme: str) -> None:
    refusal = destination_of(scheme, "example.com", 80)
    assert isinstance(refusal, Refusal)
    assert "http:// and https:// only" in refusal.reason


@pytest.mark.parametrize("port", [None, 0, -1, 65536])
def test_a_port_that_is_none_is_refused(port: int | None) -> None:
    assert isinstance(destination_of("http", "example.com", port), Refusal)


@pytest.mark.parametrize(
    ("entry", "opened", "closed"),
    [
        ("crm.lan", ["http://crm.lan:80", "https://CRM.lan.:443"], ["http://x.crm.lan:80", "http://10.0.0.5:80"]),
        ("CRM.lan.:8080", ["http://crm.lan:8080"], ["http://crm.lan:80"]),
        ("*.lan", ["http://a.lan:80", "http://a.b.lan:81"], ["http://lan:80", "http://alan:80"]),
        ("*.lan:80", ["http://a.lan:80"], ["http://a.lan:81"]),
        ("my_service:3000", ["http://my_service:3000"], ["http://my_service:3001"]),
        ("bücher.lan", ["http://xn--bcher-kva.lan:80"], ["http://bcher.lan:80"]),
        ("10.0.0.5", ["http://10.0.0.5:1", "http://any.lan:2"], []),
        ("10.0.0.5:80", ["http://10.0.0.5:80"], ["http://10.0.0.5:81"]),
        ("10.0.0.0/8", ["http://10.0.0.5:80"], []),
        ("10.0.0.0/8:80", ["http://10.0.0.5:80"], ["http://10.0.0.5:81"]),
        ("10.0.0.4/31", ["http://10.0.0.5:80"], []),
        ("10.0.0.6/31", [], ["http://10.0.0.5:80"]),
    ],
)
def test_an_entry_opens_what_it_says_and_nothing_else(entry: str, opened: list[str], closed: list[str]) -> None:
    policy = Policy.parse(entry)
    assert [url for url in opened if decide(policy, url, "10.0.0.5") is not None] == []
    assert [url for url in closed if decide(policy, url, "10.0.0.5") is None] == []


@pytest.mark.parametrize(
    "entry", ["fd12::5", "[fd12::5]", "[fd12::5]:80", "fd12::/64", "[fd12::/64]:80", "fd12::/64:80"]
)
def test_ipv6_stands_with_and_without_brackets(entry: str) -> None:
    policy = Policy.parse(entry)
    assert decide(policy, "http://[fd12::5]:80", "fd12::5") is None
    assert (decide(policy, "http://[fd12::5]:81", "fd12::5") is None) == (not entry.endswith(":80"))


MALFORMED = [
    ("http://crm.lan:8080/x", "is a URL; write crm.lan:8080"),
    ("http://user:hunter2@[fd00::5]:80/", "is a URL; write [fd00::5]:80"),
    ("http://[x", "is a URL; write the host alone"),
    ("crm.lan/api", "has a path"),
    ("*.lan/24", "has a path"),
    ("crm.lan:", "has the port ''"),
    ("crm.lan:http", "has the port 'http'"),
    ("crm.lan:0", "has the port '0'"),
    ("crm.lan:65536", "has the port '65536'"),
    ("crm.lan:８０", "has the port"),
    (":8080", "names no host"),
    ("*", "would open everything"),
    ("*:80", "would open everything"),
    ("crm.*", "has a * elsewhere"),
    ("*crm.lan", "has a * elsewhere"),
    ("*.*.lan", "is no host name"),
    ("*.10.0.0.5", "before an address"),
    ("*.", "names no host"),
    ("crm..lan", "is no host name"),
    ("crm lan!", "is no host name"),
    ("10.0.0.5/8", "is an address within a network; write 10.0.0.0/8, or 10.0.0.5 alone"),
    ("10.0.0.0/33", "has the prefix length '33'"),
    ("10.0.0.0/", "has the prefix length ''"),
    ("10.0.0.0/255.0.0.0", "has the prefix length '255.0.0.0'"),
    ("10.0.0/8", "is no IPv4 address"),
    ("10.0.0", "is no IPv4 address"),
    ("010.0.0.1", "is no IPv4 address"),
    ("167772161", "is no IPv4 address"),
    ("0x0a000001", "is no IPv4 address"),
    ("10.0.0.256", "is no IPv4 address"),
    ("fd00::5::1", "is no IPv6 address"),
    ("[fd00::5", "in brackets"),
    ("[10.0.0.5]:80", "in brackets"),
    ("[fd00::5]80", "in brackets"),
    ("fd12::5%eth0", "holds a %"),
    ("169.254.169.254", "is the metadata service of most clouds, where tools can never go"),
    ("169.254.10.0/24", "is a link-local address"),
    ("fe80::/64", "is a link-local address"),
    ("::ffff:169.254.169.254", "is the metadata service of most clouds"),
    ("224.0.0.5:80", "is a multicast address"),
    ("0.0.0.0", "is an unspecified address"),
    ("[::]:80", "is the unspecified address"),
    ("[fd00:ec2::254]:80", "is the range of Amazon's platform services"),
]


@pytest.mark.parametrize(("entry", "message"), MALFORMED, ids=[entry for entry, _ in MALFORMED])
def test_a_malformed_entry_is_named_with_what_is_wrong(entry: str, message: str) -> None:
    with pytest.raises(AllowListInvalid) as caught:
        Policy.parse(["crm.lan", entry.strip()])
    assert str(caught.value).startswith(f"{SETTING}: {entry!r} ")
    assert message in str(caught.value)
    assert caught.value.entries == (entry,)


def test_all_malformed_entries_are_named_at_once_and_empty_ones_are_none() -> None:
    assert Policy.parse("") == Policy.parse(" , ,") == Policy()
    assert [each.text for each in Policy.parse("a.lan,b.lan:80\n 10.0.0.0/8 ,").entries] == [
        "a.lan",
        "b.lan:80",
        "10.0.0.0/8",
    ]
    with pytest.raises(AllowListInvalid) as caught:
        Policy.parse("a.lan, *, b.lan, 10.0.0")
    assert caught.value.entries == ("*", "10.0.0")
