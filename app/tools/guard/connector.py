"""Keeps what tools connect to within what the operator allows, at the socket.

aiohttp looks a name up, and connects to what it found. A check of the URL before that says nothing of the address: the
next answer of the DNS may be another one. So :class:`GuardedConnector` decides where the socket for an address is made,
and what is refused there never gets one. An address in the URL takes the same way as one from the DNS, and so does each
redirect, since it is a request of its own.

A kept connection was allowed when it was made, for the host, port and TLS that it is kept by. A request with another
host, or the same one spelled differently, gets a connection, and so a decision, of its own.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Collection
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import partial
from ipaddress import IPv4Address, ip_address
from typing import Final
from urllib.parse import unquote

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import AddrInfoType, Connection
from aiohttp.http import RawResponseMessage
from aiohttp.streams import StreamReader
from aiohttp.tracing import Trace
from yarl import URL

from app.tools.guard.addresses import Address, carried
from app.tools.guard.rules import Destination, Policy, Refusal, destination_of

# Phone turns come minutes apart; the client's default of 15 s would pay a new TCP and TLS handshake for most of them.
_KEEPALIVE_SECONDS: Final = 120.0
_MAX_CONNECTIONS_PER_HOST: Final = 50
# How long an answer of the DNS is used for further connections.
DNS_SECONDS: Final = 10
# The client tries each address, and after a failure all that are left again. A name server that answers with thousands
# would keep it busy.
_MAX_ADDRESSES: Final = 16
# A server that is well sends one or two before its answer.
_MAX_INTERIM: Final = 20


@dataclass(frozen=True, slots=True)
class OwnService:
    """Where this service itself listens, on whichever of the machine's addresses.

    Attributes:
        ports: Looked at for each connection, so it may be a set that is filled when the ports are known.
        open_path: Below this path GET requests may go out all the same: the pages of the example that every
            installation has. None: nothing is open.
    """

    ports: Collection[int] = ()
    open_path: str | None = None

    def opens(self, method: str, url: URL) -> bool:
        """Whether a request may go out although it leads to this service."""
        if self.open_path is None or method != "GET" or url.scheme != "http":
            return False
        path = unquote(url.raw_path)
        return url.raw_path.startswith(self.open_path) and "\\" not in path and ".." not in path.split("/")


def guarded_connector(
    policy: Policy,
    *,
    own: OwnService = OwnService(),
    resolver: AbstractResolver | None = None,
    dns_seconds: int = DNS_SECONDS,
) -> aiohttp.BaseConnector:
    """A connector for :class:`app.tools.execution.ToolExecutor`; made within the running loop, closed by its owner.

    Args:
        policy: What operators allow.
        own: Where this service listens.
        resolver: Looks names up; None: the system's. Its owner closes it.
        dns_seconds: How long an answer is used for further connections. 0: not at all.
    """
    return GuardedConnector(policy, own=own, resolver=resolver, dns_seconds=dns_seconds)


@dataclass(slots=True)
class _Attempt:
    """One request's way to a connection.

    Attributes:
        own_allowed: It may lead to this service.
        refusals: By address. The client tries all that are left after each failure, so they are asked for often.
        opened: A socket was made, so something was allowed.
    """

    destination: Destination
    own_allowed: bool
    refusals: dict[str, Refusal] = field(default_factory=dict)
    opened: bool = False


# Set while a request waits for its connection. The tasks that race for it are made within, and so inherit it.
_attempt: ContextVar[_Attempt | None] = ContextVar("tool_connection_attempt", default=None)


class _RefusedAddress(PermissionError):
    """Takes the place of a failed connection, so that the client goes on with the next address."""


class _FewInterimAnswers(ResponseHandler):
    """A connection that ends where a server sends answers of 1xx without end. The client would read them all, and
    the event loop would have no time for calls."""

    _interim = 0

    def feed_data(self, data: tuple[RawResponseMessage, StreamReader], size: int = 0) -> None:
        """The head of an answer is here."""
        self._interim = self._interim + 1 if 100 <= data[0].code < 200 else 0
        if self._interim <= _MAX_INTERIM:
            super().feed_data(data, size)
        elif self.exception() is None:
            self.set_exception(aiohttp.ClientPayloadError(f"it sent more than {_MAX_INTERIM} interim answers (1xx)"))
            if self.transport is not None:
                self.transport.abort()


class GuardedConnector(aiohttp.TCPConnector):
    """See :func:`guarded_connector`."""

    def __init__(self, policy: Policy, *, own: OwnService, resolver: AbstractResolver | None, dns_seconds: int) -> None:
        super().__init__(
            limit=0,
            limit_per_host=_MAX_CONNECTIONS_PER_HOST,
            keepalive_timeout=_KEEPALIVE_SECONDS,
            use_dns_cache=dns_seconds > 0,
            ttl_dns_cache=dns_seconds,
            resolver=_FewAddresses(resolver or aiohttp.ThreadedResolver()),
            socket_factory=self._socket_for,
        )
        # aiohttp has no public way to choose it.
        handler: type[ResponseHandler] = _FewInterimAnswers
        self._factory = partial(handler, loop=self._loop)
        self._policy = policy
        self._own = own

    async def connect(
        self, req: aiohttp.ClientRequest, traces: list[Trace], timeout: aiohttp.ClientTimeout
    ) -> Connection:
        """A kept or new connection for a request.

        Raises:
            ToolRefused: the URL is none that tools may use, or all that its host leads to is closed to them.
            aiohttp.ClientError: nothing that is open could be connected to.
        """
        if req.proxy is not None:
            raise Refusal(f"{req.url.raw_host} would be reached through a proxy, where it cannot be checked").error()
        destination = destination_of(req.url.scheme, req.url.raw_host, req.url.port)
        if isinstance(destination, Refusal):
            raise destination.error()
        attempt = _Attempt(destination, own_allowed=self._own.opens(req.method, req.url))
        token = _attempt.set(attempt)
        try:
            connection = await super().connect(req, traces, timeout)
        except aiohttp.ClientConnectorError as error:
            if attempt.refusals and not attempt.opened:
                raise next(iter(attempt.refusals.values())).error() from error
            raise
        finally:
            _attempt.reset(token)
        if destination.port in self._own.ports and not attempt.own_allowed:
            self._refuse_kept(connection, attempt)
        return connection

    def _socket_for(self, address: AddrInfoType) -> socket.socket:
        """The socket that will be connected to exactly ``address``.

        Raises:
            OSError: no; what the client takes for a failure to connect.
        """
        family, kind, protocol, _, (host, port, *_rest) = address
        attempt = _attempt.get()
        if attempt is None or port != attempt.destination.port:
            raise _RefusedAddress(errno.EPERM, "a connection that no request asked for")
        refusal = attempt.refusals.get(str(host)) or self._refusal(attempt, str(host))
        if refusal is not None:
            attempt.refusals[str(host)] = refusal
            raise _RefusedAddress(errno.EPERM, refusal.reason)
        attempt.opened = True
        return socket.socket(family, kind, protocol)

    def _refusal(self, attempt: _Attempt, host: str) -> Refusal | None:
        # With a zone, or anything that is not an address as it stands, the event loop would look it up once more.
        try:
            address = ip_address(host.partition("%")[0])
        except ValueError:
            return Refusal(f"{attempt.destination} leads to {host[:100]!r}, which is no address")
        own = attempt.destination.port in self._own.ports and is_this_machine(address)
        refusal = self._policy.refusal(
            attempt.destination,
            address,
            own=own and not attempt.own_allowed,
            permitted=own and attempt.own_allowed,
        )
        if refusal is None and "%" in host:
            return Refusal(f"{attempt.destination} leads to {host}, an address of one network interface only")
        return refusal

    def _refuse_kept(self, connection: Connection, attempt: _Attempt) -> None:
        """Nothing but the open path may use a connection to this service, and it may have left one behind."""
        peer = connection.transport.get_extra_info("peername") if connection.transport is not None else None
        refusal = self._refusal(attempt, str(peer[0])) if peer else None
        if refusal is not None:
            connection.release()
            raise refusal.error()


class _FewAddresses(AbstractResolver):
    """Cuts the answers of another resolver."""

    def __init__(self, inner: AbstractResolver) -> None:
        self._inner = inner

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The first addresses of a name."""
        found = await self._inner.resolve(host, port, family)
        return found[:_MAX_ADDRESSES]

    async def close(self) -> None:
        """The inner one belongs to its owner."""


def is_this_machine(address: Address) -> bool:
    """Whether an address is one of this machine's own. No packet is sent."""
    here = carried(address)[0]
    if here.is_loopback or here.is_unspecified:
        return True
    family = socket.AF_INET if isinstance(here, IPv4Address) else socket.AF_INET6
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((str(here), 9))  # datagrams: this chooses the route, and with it the sender's address
            return bool(ip_address(probe.getsockname()[0]) == here)
        except OSError:
            return False
