"""What real Asterisks hardly ever do, from a server that does it: bad text, pings of its own, silence."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import WSMsgType, web

from app.ari.client import AriClient
from app.ari.config import AriConfig, AriState
from app.ari.errors import AriProtocolError, AriReplaced, AriUnavailable
from app.ari.events import StasisStart, UnknownEvent
from tests.ari.conftest import running
from tests.ari.listening import Heard

START = '{"type":"StasisStart","args":["a"],"channel":{"id":"c"},"application":"app"}'


class OddServer:
    """Just enough of ARI to connect to."""

    def __init__(self) -> None:
        self.url = ""
        self.version: Any = "22.10.1"
        self.answers_requests = True
        self.sockets: list[web.WebSocketResponse] = []
        self.pongs: list[bytes] = []
        self.info_status = 200

    async def events(self, request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse(autoping=False)
        await ws.prepare(request)
        self.sockets.append(ws)
        async for message in ws:
            if message.type is WSMsgType.PING:
                await ws.pong(message.data)
            elif message.type is WSMsgType.PONG:
                self.pongs.append(bytes(message.data))
            elif self.answers_requests:
                asked = json.loads(message.data)
                answer = {"type": "RESTResponse", "request_id": asked["request_id"], "status_code": 200}
                await ws.send_json({**answer, "message_body": '{"over":"socket"}'})
        return ws

    async def other(self, request: web.Request) -> web.Response:
        if request.path == "/ari/asterisk/info":
            return web.json_response({"system": {"version": self.version}}, status=self.info_status)
        if request.method == "OPTIONS":
            return web.json_response({"message": "Resource not found"}, status=404)
        if request.path.endswith("/html"):
            return web.Response(body=b"<html>", content_type="application/json")
        if request.path.endswith("/file"):
            return web.Response(body=b"RIFF", content_type="audio/wav")
        return web.json_response({"over": "http"})


@pytest.fixture
async def server() -> AsyncIterator[OddServer]:
    odd = OddServer()
    app = web.Application()
    app.router.add_get("/ari/events", odd.events)
    app.router.add_route("*", "/{any:.*}", odd.other)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    odd.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield odd
    await runner.cleanup()


def client(server: OddServer, heard: Heard, **changes: Any) -> AriClient:
    return AriClient(
        AriConfig(server.url, "user", "password", "app", backoff_initial=0.02, backoff_max=0.1, **changes), heard
    )


async def test_bad_messages_do_not_cost_the_connection(server: OddServer, heard: Heard) -> None:
    async with running(client(server, heard)) as ari:
        await ari.wait_connected(2.0)
        socket = server.sockets[0]
        for bad in (b"\xff\xfe", b"no json", b'{"type":"StasisStart"}', b"[" * 50_000):
            await socket.send_frame(bad, WSMsgType.TEXT)
        await socket.send_bytes(b"binary")
        await socket.send_str('{"type":"FromTheFuture","channel":{"id":"c"},"new":1}')
        await socket.send_str(START)

        await heard.event(StasisStart)

        assert [event.type for event in heard.of(UnknownEvent)] == ["FromTheFuture"]
        assert ari.counters.malformed == 4
        assert ari.status.connects == 1


async def test_a_ping_of_the_servers_is_answered(server: OddServer, heard: Heard) -> None:
    async with running(client(server, heard)) as ari:
        await ari.wait_connected(2.0)
        await server.sockets[0].ping(b"are you there")
        async with asyncio.timeout(2.0):
            while not server.pongs:
                await asyncio.sleep(0.01)
        assert server.pongs == [b"are you there"]


async def test_a_new_version_that_answers_nothing_on_the_socket_is_asked_over_http(
    server: OddServer, heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.ari.session._TRY_SECONDS", 0.05)
    server.answers_requests = False
    async with running(client(server, heard)) as ari:
        info = await ari.wait_connected(2.0)
        assert not info.rest_over_websocket
        assert await ari.request("GET", "anything") == {"over": "http"}


async def test_a_version_that_cannot_be_read_is_tried(server: OddServer, heard: Heard) -> None:
    server.version = ["odd"]
    async with running(client(server, heard)) as ari:
        info = await ari.wait_connected(2.0)
        assert (info.version, info.rest_over_websocket, info.bulk_variables) == ("unknown", True, False)
        assert await ari.request("GET", "anything") == {"over": "socket"}


async def test_files_come_over_http_as_bytes(server: OddServer, heard: Heard) -> None:
    async with running(client(server, heard)) as ari:
        await ari.wait_connected(2.0)
        assert await ari.request("GET", "recordings/stored/x/file") == b"RIFF"


async def test_something_else_than_asterisk_is_called_so(server: OddServer, heard: Heard) -> None:
    async with running(client(server, heard, rest_over_websocket=False)) as ari:
        await ari.wait_connected(2.0)
        with pytest.raises(AriProtocolError, match="ASTERISK_ARI_URL"):
            await ari.request("GET", "html")


async def test_a_server_that_fails_while_we_set_up_is_tried_again(server: OddServer, heard: Heard) -> None:
    server.info_status = 500
    async with running(client(server, heard)) as ari:
        with pytest.raises(AriUnavailable, match="asterisk/info: 500"):
            await ari.wait_connected(0.3)
        assert len(server.sockets) > 1
        assert all(socket.closed for socket in server.sockets[:-1])
        server.info_status = 200
        await ari.wait_connected(2.0)


async def test_a_close_by_the_server_is_named_and_the_pending_requests_fail(server: OddServer, heard: Heard) -> None:
    async with running(client(server, heard)) as ari:
        await ari.wait_connected(2.0)
        server.answers_requests = False
        dialling = asyncio.create_task(ari.request("POST", "channels/c/dtmf", query={"dtmf": "1"}))
        await asyncio.sleep(0.02)
        await server.sockets[0].close(code=1001)
        with pytest.raises(AriUnavailable, match="1001"):
            await dialling
        await heard.until(lambda: len(heard.connected) == 2)
        assert heard.disconnected == ["Asterisk closed the event socket (1001)."]


async def test_a_takeover_while_we_set_up_is_final(server: OddServer, heard: Heard) -> None:
    server.answers_requests = False
    ari = client(server, heard)
    task = asyncio.create_task(ari.run())
    async with asyncio.timeout(2.0):
        while not server.sockets:
            await asyncio.sleep(0.001)
    await server.sockets[0].send_str('{"type":"ApplicationReplaced","application":"app"}')
    with pytest.raises(AriReplaced, match="Another client"):
        async with asyncio.timeout(2.0):
            await task
    assert ari.status.state is AriState.REPLACED
    assert not heard.connected


async def test_a_takeover_of_another_application_is_none_of_ours(server: OddServer, heard: Heard) -> None:
    async with running(client(server, heard)) as ari:
        await ari.wait_connected(2.0)
        await server.sockets[0].send_str('{"type":"ApplicationReplaced","application":"another"}')
        await server.sockets[0].send_str(START)
        await heard.event(StasisStart)
        assert ari.status.state is AriState.CONNECTED


async def test_a_cancellation_that_meets_a_failure_still_stops(server: OddServer, heard: Heard) -> None:
    for turns in range(20):
        ari = client(server, heard)
        task = asyncio.create_task(ari.run())
        await ari.wait_connected(2.0)
        await server.sockets[-1].close(code=1001)
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            async with asyncio.timeout(2.0):
                await task
        assert ari.status.state is AriState.CLOSED
