"""A real name server, which may change its mind, and a resolver that asks nobody else."""

from __future__ import annotations

import asyncio
import itertools
import socket
import struct
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_address
from typing import cast

from aiohttp.abc import AbstractResolver, ResolveResult

_A, _AAAA, _IN = 1, 28, 1
_TYPES = {4: _A, 6: _AAAA}
_NXDOMAIN = 3


class NameServer(asyncio.DatagramProtocol):
    """Answers over UDP with what ``names`` says; each lookup takes the next list of addresses, the last one stays.

    Attributes:
        lookups: How often each name was looked up.
    """

    def __init__(self, names: dict[str, list[list[str]]]) -> None:
        self.names = names
        self.lookups: Counter[str] = Counter()
        self.address: tuple[str, int] = ("", 0)
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)  # uvloop's is none of that name
        self.address = transport.get_extra_info("sockname")

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        (number,) = struct.unpack_from("!H", data)
        name, end = _name_at(data, 12)
        (kind,) = struct.unpack_from("!H", data, end)
        question = data[12 : end + 4]
        steps = self.names.get(name.lower())
        if kind == _A:  # asked first, so that one lookup sees one step
            self.lookups[name.lower()] += 1
        found: list[str] = steps[min(max(self.lookups[name.lower()], 1), len(steps)) - 1] if steps else []
        records = [address for address in map(ip_address, found) if _TYPES[address.version] == kind]
        flags = 0x8180 | (0 if steps else _NXDOMAIN)
        answer = struct.pack("!HHHHHH", number, flags, 1, len(records), 0, 0) + question
        for address in records:
            answer += struct.pack("!HHHIH", 0xC00C, kind, _IN, 0, len(address.packed)) + address.packed
        assert self._transport is not None
        self._transport.sendto(answer, addr)


@asynccontextmanager
async def name_server(names: dict[str, list[list[str]]]) -> AsyncIterator[NameServer]:
    loop = asyncio.get_running_loop()
    transport, server = await loop.create_datagram_endpoint(lambda: NameServer(names), ("127.0.0.1", 0))
    try:
        yield server
    finally:
        transport.close()
        await asyncio.sleep(0)


class _OneAnswer(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.answer = asyncio.get_running_loop().create_future()

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if not self.answer.done():
            self.answer.set_result(data)


class AskingResolver(AbstractResolver):
    """Asks one name server, A and AAAA, each time anew."""

    def __init__(self, server: NameServer) -> None:
        self._server = server
        self._numbers = itertools.count(1)

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found: list[ResolveResult] = []
        for kind, of in ((_A, socket.AF_INET), (_AAAA, socket.AF_INET6)):
            for address in await self._ask(host, kind):
                found.append(
                    ResolveResult(
                        hostname=host, host=address, port=port, family=of, proto=0, flags=socket.AI_NUMERICHOST
                    )
                )
        if not found:
            raise OSError(None, f"{host} has no address")
        return found

    async def close(self) -> None:
        """Keeps nothing open."""

    async def _ask(self, host: str, kind: int) -> list[str]:
        number = next(self._numbers)
        query = struct.pack("!HHHHHH", number, 0x0100, 1, 0, 0, 0)
        for label in host.rstrip(".").split("."):
            query += bytes([len(label)]) + label.encode()
        query += struct.pack("!BHH", 0, kind, _IN)
        loop = asyncio.get_running_loop()
        transport, waiting = await loop.create_datagram_endpoint(_OneAnswer, remote_addr=self._server.address)
        try:
            transport.sendto(query)
            answer = await asyncio.wait_for(waiting.answer, 5)
        finally:
            transport.close()
        got, _flags, _questions, count = struct.unpack_from("!HHHH", answer)
        assert got == number
        at = _name_at(answer, 12)[1] + 4
        addresses = []
        for _ in range(count):
            (length,) = struct.unpack_from("!H", answer, at + 10)
            addresses.append(str(ip_address(answer[at + 12 : at + 12 + length])))
            at += 12 + length
        return addresses


def _name_at(data: bytes, at: int) -> tuple[str, int]:
    labels = []
    while length := data[at]:
        labels.append(data[at + 1 : at + 1 + length].decode())
        at += 1 + length
    return ".".join(labels), at + 1
