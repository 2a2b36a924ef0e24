"""A person whom Asterisk may call: answers, and remembers who rang. Enough SIP to see a transfer arrive."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self, cast


class Person(asyncio.DatagramProtocol):
    """Listens on a UDP port of its own for as long as the ``async with`` block. It has no audio.

    Attributes:
        methods: The requests that came, in order, each once: ``INVITE``, ``ACK``, ``BYE``.
        called: From-headers of the calls.
    """

    def __init__(self) -> None:
        self.methods: list[str] = []
        self.called: list[str] = []
        self.address = ""
        self._seen: set[str] = set()
        self._rang = asyncio.Event()
        self._transport: asyncio.DatagramTransport | None = None

    @property
    def uri(self) -> str:
        """Where to call."""
        return f"sip:person@{self.address}"

    async def rang(self, timeout: float = 5.0) -> str:
        """Wait for a call, and say from whom. Raises TimeoutError."""
        async with asyncio.timeout(timeout):
            await self._rang.wait()
        return self.called[0]

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=("127.0.0.1", 0))
        host, port = transport.get_extra_info("sockname")
        self.address = f"{host}:{port}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Of asyncio."""
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Of asyncio: one SIP message."""
        head, _, body = data.decode("utf-8", "replace").partition("\r\n\r\n")
        start, *lines = head.split("\r\n")
        if start.startswith("SIP/2.0") or self._transport is None:
            return
        headers = [line.partition(":") for line in lines]
        found = {name.strip().lower(): value.strip() for name, _, value in headers}
        if found.get("cseq", "") + found.get("call-id", "") not in self._seen:
            self._seen.add(found.get("cseq", "") + found.get("call-id", ""))
            self.methods.append(start.split()[0])
        if start.startswith("ACK"):
            return
        kept = [f"{name}:{value}" for name, _, value in headers if name.lower() in ("via", "from", "call-id", "cseq")]
        to = found.get("to", "") + ("" if "tag=" in found.get("to", "") else ";tag=person")
        answer = ["SIP/2.0 200 OK", *kept, f"To: {to}", f"Contact: <{self.uri}>"]
        if start.startswith("INVITE"):
            self.called.append(found.get("from", ""))
            self._rang.set()
            answer.append("Content-Type: application/sdp")
        else:
            body = ""
        text = "\r\n".join([*answer, f"Content-Length: {len(body.encode())}", "", body])
        self._transport.sendto(text.encode(), addr)
