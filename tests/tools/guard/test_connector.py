"""Nothing that is closed to tools is connected to: seen at the socket."""

from __future__ import annotations

import asyncio
import re
import resource
import socket
import time
import zlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from ipaddress import ip_address

import aiohttp
import pytest
import uvloop
from aiohttp.abc import ResolveResult

from app.tools.definition import RequestSpec, ToolResult
from app.tools.errors import ToolFailure, ToolResponseTooLarge, ToolStatusError, ToolTimeout, ToolUnreachable
from app.tools.execution import ToolExecutor
from app.tools.guard.connector import guarded_connector, is_this_machine
from app.tools.guard.rules import Policy, ToolRefused
from app.tools.http import HttpBackend
from app.tools.render import RenderedRequest
from tests.tools.conftest import context, raw_server, response, tool
from tests.tools.guard.conftest import Watch, guarded, listening
from tests.tools.guard.test_rules import HOSTS_IN_DISGUISE, NEVER

PUBLIC = "93.184.215.14"
CLOSE = "Connection: close\r\n"


async def get(executor: ToolExecutor, url: str, method: str = "GET") -> ToolResult:
    return await executor.run(tool(url, method=method), {}, context())


async def refused(executor: ToolExecutor, url: str) -> str:
    """Why; with nothing of it told to the model."""
    with pytest.raises(ToolRefused) as caught:
        await get(executor, url)
    assert not re.search(r"\d|[a-z]+://|\blan\b|TOOLS_", caught.value.for_model)
    assert not caught.value.retryable
    return str(caught.value)


async def test_what_is_allowed_is_reached_and_its_connection_kept(watch: Watch) -> None:
    async with listening() as server, guarded(f"127.0.0.1:{server.port}") as executor:
        for _ in range(3):
            assert (await get(executor, f"{server.url}/x")).text == "{}"
        assert (len(server.requests), server.connections) == (3, 1)
        assert watch.tried == [("127.0.0.1", server.port)]


async def test_loopback_is_refused_without_a_word_on_the_wire(watch: Watch) -> None:
    async with listening() as server, guarded("127.0.0.1:1, 10.0.0.0/8") as executor:
        why = await refused(executor, f"{server.url}/path?pin=4711")
        assert why == (
            f"{server.url} leads to 127.0.0.1, which is a loopback address (this machine), and tools go there by "
            f"permission only. If this one should, add 127.0.0.1:{server.port} to TOOLS_ALLOWED_HOSTS in .env, then "
            "restart the service; the entry 127.0.0.1:1 is for another port"
        )
        assert server.connections == 0
        assert watch.tried == []


async def test_the_names_of_the_system_are_no_way_in(watch: Watch) -> None:
    async with listening() as server:
        executor = ToolExecutor(HttpBackend(guarded_connector(Policy())))  # with the system's resolver
        try:
            assert "which is a loopback address" in await refused(executor, f"http://localhost:{server.port}/x")
        finally:
            await executor.aclose()
        assert server.connections == 0
        assert watch.tried == []


@pytest.mark.skipif(not socket.has_ipv6, reason="needs IPv6")
async def test_ipv6_is_allowed_by_its_address_and_port(watch: Watch) -> None:
    async with listening(host="::1") as server, guarded(f"[::1]:{server.port}", {"six.lan": [["::1"]]}) as executor:
        await get(executor, f"http://[::1]:{server.port}/x")
        await get(executor, f"http://six.lan:{server.port}/x")
        assert server.connections == 2
        await refused(executor, f"http://[::1]:{server.port + 1 if server.port < 65_535 else 1}/x")


async def test_a_name_that_turns_to_loopback_after_a_public_answer_does_not_get_there(watch: Watch) -> None:
    async with listening() as server, guarded(names={"evil.example": [[PUBLIC], ["127.0.0.1"]]}) as executor:
        url = f"http://evil.example:{server.port}/x"
        with pytest.raises(ToolUnreachable):  # the test lets nothing off this machine
            await get(executor, url)
        assert watch.tried == [(PUBLIC, server.port)]
        for _ in range(3):
            assert "evil.example" in await refused(executor, url)
        assert watch.tried == [(PUBLIC, server.port)]
        assert server.connections == 0


async def test_a_name_that_turns_away_from_an_allowed_address_is_refused_from_then_on(watch: Watch) -> None:
    names = {"evil.example": [["127.0.0.2"], ["127.0.0.1"]]}
    async with (
        listening(response(b"{}"), "127.0.0.2") as good,
        listening(port=good.port) as forbidden,
        guarded("127.0.0.2", names) as executor,
    ):
        url = f"http://evil.example:{good.port}/x"
        await get(executor, url)
        good.answer = response(b"{}", extra=CLOSE)
        await get(executor, url)  # the kept connection still leads where it led
        assert (len(good.requests), good.connections) == (2, 1)
        await refused(executor, url)
        assert watch.hosts == {"127.0.0.2"}
        assert forbidden.connections == 0


async def test_a_name_that_turns_between_a_request_and_its_redirect_is_refused(watch: Watch) -> None:
    names = {"evil.example": [["127.0.0.2"], ["127.0.0.1"]]}
    redirect = response(b"", status="302 Found", extra=f"Location: /secret\r\n{CLOSE}")
    async with (
        listening(redirect, "127.0.0.2") as good,
        listening(port=good.port) as forbidden,
        guarded("127.0.0.2", names) as executor,
    ):
        await refused(executor, f"http://evil.example:{good.port}/x")
        assert (len(good.requests), forbidden.connections) == (1, 0)
        assert watch.hosts == {"127.0.0.2"}


@pytest.mark.parametrize("dns_seconds", [0, 10])
async def test_of_several_answers_only_the_allowed_are_tried(watch: Watch, dns_seconds: int) -> None:
    names = {"mixed.example": [["127.0.0.1", "169.254.169.254", "::1", "127.0.0.2", "::ffff:127.0.0.1", PUBLIC]]}
    async with (
        listening(host="127.0.0.2") as good,
        listening(port=good.port) as forbidden,
        guarded("127.0.0.2", names, dns_seconds=dns_seconds) as executor,
    ):
        await get(executor, f"http://mixed.example:{good.port}/x")
        assert good.connections == 1
        assert forbidden.connections == 0
        assert watch.hosts <= {"127.0.0.2", PUBLIC}


async def test_a_closed_public_address_beside_loopback_is_no_way_in(watch: Watch) -> None:
    async with listening() as server, guarded(names={"evil.example": [[PUBLIC, "127.0.0.1", "::1"]]}) as executor:
        with pytest.raises(ToolUnreachable) as caught:
            await get(executor, f"http://evil.example:{server.port}/x")
        assert "evil.example" in str(caught.value)
        assert "127" not in caught.value.for_model
        assert watch.hosts == {PUBLIC}
        assert server.connections == 0


@pytest.mark.parametrize("answer", ["127.0.0.1", "::1", *NEVER])
async def test_a_name_for_a_closed_address_is_refused_at_once(watch: Watch, answer: str) -> None:
    async with guarded("10.0.0.0/8", {"evil.example": [[answer]]}) as executor:
        assert "leads to" in await refused(executor, "http://evil.example:80/")
        assert watch.tried == []


async def test_thousands_of_closed_answers_keep_nothing_busy(watch: Watch) -> None:
    many = [f"10.0.{number >> 8}.{number & 255}" for number in range(4_000)]
    async with guarded(names={"evil.example": [many]}) as executor:
        before = time.process_time()
        await refused(executor, "http://evil.example/")
        assert time.process_time() - before < 0.5
        assert watch.tried == []


async def test_a_name_that_is_none_is_unreachable_and_no_refusal(watch: Watch) -> None:
    async with guarded() as executor:
        with pytest.raises(ToolUnreachable, match=r"the name nowhere\.example is not known to the name server"):
            await get(executor, "http://nowhere.example/")


async def test_names_that_share_an_address_share_neither_connections_nor_permission(watch: Watch) -> None:
    names = {"good.lan": [["127.0.0.1"]], "evil.example": [["127.0.0.1"]]}
    async with listening() as server, guarded("good.lan", names) as executor:

        async def one(name: str) -> bool:
            try:
                await get(executor, f"http://{name}:{server.port}/x")
            except ToolRefused:
                return False
            return True

        for _ in range(2):  # the second time connections of the one are kept
            turns = ["good.lan", "evil.example"] * 10
            assert await asyncio.gather(*map(one, turns)) == [name == "good.lan" for name in turns]
        assert all(b"Host: good.lan" in request for request in server.requests)
        await refused(executor, f"{server.url}/x")


LITERALS = [
    *(host for host in HOSTS_IN_DISGUISE if host and not re.search(r"[\s\x00/#@\\\[\]]", host)),
    *(f"[{host}]" if ":" in host else host for host in NEVER),
    "127.0.0.1",
    "127.0.0.2",
    "localhost",
    "localhost.",
    "LOCALHOST",
    "[::1]",
    "[0:0:0:0:0:0:0:1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[::127.0.0.1]",
    "[64:ff9b::7f00:1]",
    "[2002:7f00:1::]",
    "[fe80::1%25lo]",
    "[fe80::1%lo]",
    "[::1%lo]",
]


@pytest.mark.parametrize("strict", [True, False], ids=["as it is", "normalised"])
async def test_no_spelling_of_an_address_gets_there(watch: Watch, strict: bool) -> None:
    # Through the executor, which takes the URL as it is; and as the client itself would read it.
    names = {"localhost": [["127.0.0.1", "::1"]]}
    async with listening() as server, guarded(names=names) as executor:
        reached = []
        for literal in LITERALS:
            url = f"http://{literal}:{server.port}/x"
            try:
                if strict:
                    await _http(executor)._exchange(tool("http://x/"), _request(url), None, None)
                else:
                    async with _http(executor)._client().get(url):
                        pass
                reached.append(literal)
            except (ToolFailure, aiohttp.ClientError, ValueError):
                pass
        assert reached == []
        assert server.connections == 0
        assert watch.tried == []


def _http(executor: ToolExecutor) -> HttpBackend:
    backend = executor._backends[RequestSpec]
    assert isinstance(backend, HttpBackend)
    return backend


def _request(url: str) -> RenderedRequest:
    return RenderedRequest("GET", url, {}, None)


@pytest.mark.parametrize(
    "location",
    [
        "http://127.0.0.1:{port}/",
        "http://localhost:{port}/",
        "http://[::ffff:127.0.0.1]:{port}/",
        "http://2130706433:{port}/",
        "//127.0.0.1:{port}/",
        "http://169.254.169.254/latest/meta-data/",
        "http://[fd00:ec2::254]/latest/meta-data/",
        "http://metadata.google.internal/",
        "file:///etc/passwd",
        "ftp://127.0.0.1:{port}/",
        "ws://127.0.0.1:{port}/",
    ],
)
async def test_a_redirect_leads_nowhere_that_is_closed(watch: Watch, location: str) -> None:
    names = {"localhost": [["127.0.0.1"]], "metadata.google.internal": [["169.254.169.254"]]}
    async with listening(host="127.0.0.2") as good, listening() as forbidden, guarded("127.0.0.2", names) as executor:
        to = location.format(port=forbidden.port)
        good.answer = response(b"", status="302 Found", extra=f"Location: {to}\r\n")
        url = f"http://127.0.0.2:{good.port}/x"
        with pytest.raises((ToolRefused, ToolStatusError)) as caught:
            await get(executor, url)
        # To the operator it is told which server led there; to the model nothing of it.
        assert re.search(rf"127.0.0.2:{good.port}.* redirect", str(caught.value))
        assert not re.search(r"\d\d\d\d|169|fd00|metadata|localhost", caught.value.for_model)
        with pytest.raises((ToolRefused, aiohttp.ClientError)):  # as a client would that follows anywhere
            await _http(executor)._client().get(url, allow_redirects=True)
        assert watch.hosts == {"127.0.0.2"}
        assert forbidden.connections == 0


async def test_a_redirect_on_the_same_server_is_followed(watch: Watch) -> None:
    async with raw_server(None) as server, guarded("127.0.0.1") as executor:

        def answer(request: bytes) -> bytes:
            if b" /start " in request:
                return response(b"", status="302 Found", extra="Location: /end\r\n")
            return response(b'{"end":1}')

        server.answer = answer
        assert (await get(executor, f"{server.url}/start")).text == '{"end":1}'


@pytest.mark.parametrize("scheme", ["ws", "wss"])
async def test_a_web_socket_is_no_way_out(watch: Watch, scheme: str) -> None:
    async with listening() as server, guarded("127.0.0.1") as executor:
        with pytest.raises(ToolRefused, match="http:// and https:// only"):
            await _http(executor)._client().ws_connect(f"{scheme}://127.0.0.1:{server.port}/")
        assert watch.tried == []


async def test_nothing_goes_through_a_proxy(watch: Watch) -> None:
    async with listening() as proxy, guarded("127.0.0.1") as executor:
        with pytest.raises(ToolRefused, match="through a proxy"):
            await _http(executor)._client().get("http://api.example/", proxy=proxy.url)
        assert watch.tried == []


async def test_the_own_port_is_closed_under_every_name_and_address(watch: Watch) -> None:
    names = {"me.lan": [["127.0.0.1"]], "me6.lan": [["::1", "::ffff:127.0.0.1"]]}
    async with (
        listening() as service,
        listening() as other,
        guarded("127.0.0.0/8 ::1 *.lan", names, own_ports={service.port}) as executor,
    ):
        for host in ("127.0.0.1", "127.9.9.9", "[::1]", "[::ffff:127.0.0.1]", "me.lan", "me6.lan", "me.lan."):
            why = await refused(executor, f"http://{host}:{service.port}/api/users")
            assert "where this service itself listens" in why
        assert watch.tried == []
        await get(executor, f"{other.url}/x")


async def test_ports_may_become_known_later(watch: Watch) -> None:
    ports: set[int] = set()
    async with listening() as service, guarded("127.0.0.1", own_ports=ports) as executor:
        ports.add(service.port)
        await refused(executor, f"{service.url}/")
        assert service.connections == 0


async def test_of_the_own_service_the_example_alone_is_open(watch: Watch) -> None:
    async with listening() as service:
        own = {service.port}
        async with guarded("127.0.0.1", own_ports=own) as executor:
            for _ in range(2):
                await get(executor, f"{service.url}/api/example/orders/1")
                for path in (
                    "/api/users",
                    "/api/example",
                    "/api/example/../users",
                    "/api/example/%2e%2e/users",
                    "/api/example/..%2Fusers",
                    "/api/example/a%5c..%5cusers",
                    "//api/example/x",
                ):
                    await refused(executor, f"{service.url}{path}")
                with pytest.raises(ToolRefused):
                    await get(executor, f"{service.url}/api/example/orders/1", "POST")
            assert [request.split(b" ")[1] for request in service.requests] == [b"/api/example/orders/1"] * 2
            assert service.connections == 1
        async with guarded(own_ports=own) as executor:  # nor does it need a word of the operator
            await get(executor, f"{service.url}/api/example/orders/1")


def test_this_machine_knows_its_addresses() -> None:
    for here in ("127.0.0.1", "127.1.2.3", "::1", "::ffff:127.0.0.1"):
        assert is_this_machine(ip_address(here)), here
    for elsewhere in ("192.0.2.77", "8.8.8.8", "2001:db8::77"):
        assert not is_this_machine(ip_address(elsewhere)), elsewhere


@pytest.mark.parametrize("answer", ["fd12::5%lo", "::1%lo", "localhost", "127.1", ""])
async def test_a_resolver_that_answers_with_anything_but_an_address_is_not_followed(watch: Watch, answer: str) -> None:
    class Odd(aiohttp.ThreadedResolver):
        async def resolve(
            self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
        ) -> list[ResolveResult]:
            return [ResolveResult(hostname=host, host=answer, port=port, family=family, proto=0, flags=0)]

    executor = ToolExecutor(HttpBackend(guarded_connector(Policy.parse("odd.lan ::/0 0.0.0.0/0"), resolver=Odd())))
    try:
        await refused(executor, "http://odd.lan/")
        assert watch.tried == []
    finally:
        await executor.aclose()


async def test_a_connection_that_no_request_asked_for_is_none(watch: Watch) -> None:
    connector = guarded_connector(Policy.parse("127.0.0.1"))
    try:
        with pytest.raises(PermissionError):
            connector._socket_for((2, 1, 6, "", ("127.0.0.1", 80)))  # type: ignore[attr-defined]
    finally:
        await connector.close()


@dataclass
class Endless:
    """Serves bodies that never end: ``/plain``, ``/bomb`` (zeros in gzip) and ``/drip``."""

    port: int = 0
    serving: set[asyncio.Task[None]] = field(default_factory=set)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        path = (await reader.readuntil(b"\r\n\r\n")).split(b" ")[1]
        compressor = zlib.compressobj(wbits=31)
        piece = {
            b"/plain": b"x" * 65_536,
            b"/bomb": compressor.compress(b"\0" * 10_000_000) + compressor.flush(zlib.Z_SYNC_FLUSH),
            b"/drip": b"x",
        }[path]
        encoding = b"Content-Encoding: gzip\r\n" if path == b"/bomb" else b""
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n" + encoding + b"\r\n")
        try:
            while True:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(0.01 if path == b"/drip" else 0)
        except ConnectionError:
            pass
        finally:
            writer.transport.abort()

    def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.serving.add(asyncio.create_task(self.serve(reader, writer)))


@pytest.fixture
async def endless() -> AsyncIterator[Endless]:
    bodies = Endless()
    server = await asyncio.start_server(bodies.connected, "127.0.0.1", 0)
    bodies.port = server.sockets[0].getsockname()[1]
    yield bodies
    server.close()
    for task in bodies.serving:
        task.cancel()
    await asyncio.gather(*bodies.serving, return_exceptions=True)
    await asyncio.sleep(0)


@pytest.mark.parametrize("path", ["plain", "bomb"])
async def test_a_body_without_end_is_read_up_to_the_limit(endless: Endless, path: str) -> None:
    async with guarded("127.0.0.1") as executor:
        before = time.process_time()
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        for _ in range(3):
            with pytest.raises(ToolResponseTooLarge):
                await get(executor, f"http://127.0.0.1:{endless.port}/{path}")
        _done, left = await asyncio.wait(endless.serving, timeout=2)
        assert left == set()  # the connections are closed, not just left alone
        assert time.process_time() - before < 2
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak < 60_000  # KiB


async def test_a_body_that_drips_ends_with_the_turn(endless: Endless) -> None:
    async with guarded("127.0.0.1") as executor:
        with pytest.raises(ToolTimeout):
            await executor.run(tool(f"http://127.0.0.1:{endless.port}/drip"), {}, context(0.2))
        _done, left = await asyncio.wait(endless.serving, timeout=2)
        assert left == set()


@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def test_both_event_loops_connect_to_what_was_decided(watch: Watch, loop: object) -> None:
    async def run() -> None:
        names = {"mixed.example": [["127.0.0.1", "127.0.0.2"]], "evil.example": [["127.0.0.1"]]}
        async with (
            listening(host="127.0.0.2") as good,
            listening(port=good.port) as forbidden,
            guarded("127.0.0.2", names) as executor,
        ):
            await get(executor, f"http://mixed.example:{good.port}/x")
            await refused(executor, f"http://evil.example:{good.port}/x")
            assert watch.tried == [("127.0.0.2", good.port)]
            assert (good.connections, forbidden.connections) == (1, 0)

    with asyncio.Runner(loop_factory=loop) as runner:  # type: ignore[arg-type]
        runner.run(run())
