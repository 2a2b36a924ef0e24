"""The client when networks and servers fail, on real Asterisks behind a proxy that cuts and stalls."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from app.ari.client import AriClient
from app.ari.config import AriState
from app.ari.errors import AriError, AriReplaced, AriTimeout, AriUnavailable
from app.ari.events import ApplicationReplaced, ChannelDestroyed, StasisEnd
from lab.asterisk import Asterisk
from tests.ari.conftest import call, config, connected, has, running, soon
from tests.ari.listening import Heard
from tests.ari.proxy import Proxy

pytestmark = pytest.mark.lab


@pytest.mark.parametrize("reset", [False, True])
async def test_a_socket_cut_in_the_middle_of_a_call_costs_the_call_nothing(
    either: Asterisk, heard: Heard, reset: bool
) -> None:
    async with (
        Proxy(either.http_port) as proxy,
        connected(either, heard, url=proxy.url) as ari,
        call(ari, heard) as channel_id,
    ):
        channel = ari.channel(channel_id)
        await channel.subscribe()
        proxy.cut_event_socket(reset=reset)
        await channel.set_variables({"AI_STATUS": "OK"})
        await heard.until(lambda: heard.disconnected)
        await heard.until(lambda: len(heard.connected) == 2)

        assert ari.status.connects == 2
        assert channel_id in (await ari.app_inventory()).channel_ids
        await soon(lambda: has(channel, {"AI_STATUS": "OK"}))
        await channel.continue_in_dialplan()
        await heard.event(StasisEnd, channel_id)
        await channel.hangup()
        await heard.event(ChannelDestroyed, channel_id)  # the subscription was restored


async def test_requests_without_an_answer_are_repeated_over_http_or_fail_at_once(
    asterisk: Asterisk, heard: Heard
) -> None:
    async with (
        Proxy(asterisk.http_port) as proxy,
        connected(asterisk, heard, url=proxy.url) as ari,
        call(ari, heard) as channel_id,
    ):
        channel = ari.channel(channel_id)
        proxy.stall_event_socket()
        setting = asyncio.create_task(channel.set_variables({"AI_STATUS": "OK"}))
        reading = asyncio.create_task(channel.get_variable("NEVER_SET"))
        dialling = asyncio.create_task(channel.dtmf("1"))
        await asyncio.sleep(0.05)
        assert not any(task.done() for task in (setting, reading, dialling))
        assert ari.status.requests_in_flight == 3

        proxy.cut_event_socket()

        async with asyncio.timeout(1.0):
            with pytest.raises(AriUnavailable):
                await dialling
            await setting
            assert await reading is None
        assert await channel.get_variable("AI_STATUS") == "OK"
        assert ari.counters.retried == 2


@pytest.mark.parametrize("carried_out", [False, True])
async def test_a_continue_without_an_answer_is_done_once_it_is_done(
    asterisk: Asterisk, heard: Heard, carried_out: bool
) -> None:
    async with (
        Proxy(asterisk.http_port) as proxy,
        connected(asterisk, heard, url=proxy.url) as ari,
        call(ari, heard) as channel_id,
    ):
        proxy.stall_event_socket()
        leaving = asyncio.create_task(ari.channel(channel_id).continue_in_dialplan("lab", "no-such-extension", 1))
        await asyncio.sleep(0.05)
        if carried_out:  # as if the request had passed, and only its answer was lost
            async with connected(asterisk, Heard(), app="another") as other:
                await other.channel(channel_id).continue_in_dialplan("lab", "no-such-extension", 1)
                await asyncio.sleep(0.1)
        proxy.cut_event_socket()

        await leaving
        await heard.until(lambda: len(heard.connected) == 2)
        async with asyncio.timeout(2.0):
            while channel_id in (await ari.app_inventory()).channel_ids:
                await asyncio.sleep(0.01)


async def test_a_peer_that_answers_no_ping_is_left(either: Asterisk, heard: Heard) -> None:
    async with (
        Proxy(either.http_port) as proxy,
        connected(either, heard, url=proxy.url, ping_interval=0.05, ping_timeout=0.1) as ari,
    ):
        await asyncio.sleep(0.3)
        assert ari.status.connects == 1  # pongs come

        proxy.stall_event_socket()

        await heard.until(lambda: len(heard.connected) == 2, 2.0)
        assert heard.disconnected == ["Asterisk did not answer a ping on the event socket in 0.1 s."]
        # Asterisk still holds the old socket; when that ends, the application must stay with the new one.
        proxy.cut_event_socket()
        await asyncio.sleep(0.05)
        async with call(ari, heard):
            assert ari.status.connects == 2


async def test_a_request_that_times_out_has_the_connection_looked_at(asterisk: Asterisk, heard: Heard) -> None:
    async with (
        Proxy(asterisk.http_port) as proxy,
        connected(asterisk, heard, url=proxy.url, ping_interval=60.0, ping_timeout=0.1) as ari,
    ):
        proxy.stall_event_socket()

        with pytest.raises(AriTimeout):
            await ari.request("GET", "asterisk/ping", timeout=0.05)

        await heard.until(lambda: len(heard.connected) == 2, 2.0)
        await ari.request("GET", "asterisk/ping")


async def test_a_server_that_reads_nothing_blocks_nobody_for_longer_than_the_time_limit(
    asterisk: Asterisk, heard: Heard
) -> None:
    async with (
        Proxy(asterisk.http_port) as proxy,
        connected(asterisk, heard, url=proxy.url, request_timeout=0.2, ping_interval=60.0, ping_timeout=0.5) as ari,
    ):
        proxy.stall_event_socket()
        body = {"variable": "X", "value": "x" * 30_000}
        async with asyncio.timeout(2.0):
            results = await asyncio.gather(
                *[ari.request("POST", "channels/none/play", body=body) for _ in range(400)], return_exceptions=True
            )
        assert {type(result) for result in results} <= {AriTimeout, AriUnavailable}
        await heard.until(lambda: len(heard.connected) == 2, 3.0)


async def test_a_server_that_dies_and_comes_back_is_found_again(heard: Heard, asterisk: Asterisk) -> None:
    async with Asterisk() as own, connected(own, heard) as ari:
        before = ari.status
        await asyncio.to_thread(own.kill)
        await heard.until(lambda: heard.disconnected)
        with pytest.raises(AriUnavailable):
            await ari.request("GET", "asterisk/ping")
        with pytest.raises(AriUnavailable, match=r"Is Asterisk running"):
            await ari.wait_connected(0.5)
        assert ari.status.state in (AriState.CONNECTING, AriState.WAITING)

        await asyncio.to_thread(own.restart)

        await ari.wait_connected(5.0)
        await ari.request("GET", "asterisk/ping")
        assert ari.status.connects == before.connects + 1
        assert ari.status.last_error is None


async def test_waits_between_attempts_grow_and_end_at_the_bound(heard: Heard, asterisk: Asterisk) -> None:
    async with Proxy(asterisk.http_port) as proxy:
        proxy.refuse()
        async with running(
            AriClient(config(asterisk, url=proxy.url, backoff_initial=0.01, backoff_max=0.1), heard)
        ) as ari:
            await asyncio.sleep(1.0)
            assert 8 <= proxy.accepted <= 80  # aiohttp asks twice
            assert ari.status.last_error
            proxy.refuse(False)
            await ari.wait_connected(2.0)


async def test_a_wrong_password_is_said_and_tried_again_until_it_is_right(either: Asterisk, heard: Heard) -> None:
    name = f"late-{either.version}"
    async with running(AriClient(config(either, username=name, password="the-password"), heard)) as ari:
        with pytest.raises(AriUnavailable, match=rf"refuses the ARI user '{name}' \(401\).*module reload res_ari"):
            await ari.wait_connected(0.5)
        assert ari.status.state in (AriState.CONNECTING, AriState.WAITING)
        assert "the-password" not in str(ari.status)

        with (either.instance.folder / "etc" / "ari.conf").open("a") as file:
            file.write(f"\n[{name}]\ntype = user\npassword = the-password\npassword_format = plain\n")
        await asyncio.to_thread(either.cli, "module reload res_ari.so")

        await ari.wait_connected(2.0)


async def test_a_user_who_may_only_read_is_told_so(asterisk: Asterisk, heard: Heard) -> None:
    async with running(AriClient(config(asterisk, username="observer"), heard)) as ari:
        with pytest.raises(AriUnavailable, match="read_only = no"):
            await ari.wait_connected(0.5)
        assert not heard.connected


async def test_an_address_without_ari_is_told_so(asterisk: Asterisk, heard: Heard) -> None:
    async with running(AriClient(config(asterisk, url=f"{asterisk.http_url}/pbx"), heard)) as ari:
        with pytest.raises(AriUnavailable, match="has no /ari/events"):
            await ari.wait_connected(0.5)


async def test_a_second_client_of_the_same_name_stops_the_first_for_good(either: Asterisk, heard: Heard) -> None:
    first = AriClient(config(either), heard)
    running_first = asyncio.create_task(first.run())
    await first.wait_connected(5.0)

    async with connected(either, Heard()) as second:
        with pytest.raises(AriReplaced, match="Stop the other one"):
            async with asyncio.timeout(2.0):
                await running_first
        assert first.status.state is AriState.REPLACED
        assert len(heard.disconnected) == 1
        assert heard.of(ApplicationReplaced)
        for attempt in (first.request("GET", "asterisk/ping"), first.wait_connected(1.0)):
            with pytest.raises(AriReplaced):
                await attempt
        await asyncio.sleep(0.3)
        assert second.status.connects == 1
        await second.request("GET", "asterisk/ping")


async def test_stopping_fails_what_is_under_way_and_leaves_nothing(asterisk: Asterisk, heard: Heard) -> None:
    async with Proxy(asterisk.http_port) as proxy:
        ari = AriClient(config(asterisk, url=proxy.url), heard)
        task = asyncio.create_task(ari.run())
        await ari.wait_connected(5.0)
        proxy.stall_event_socket()
        dialling = asyncio.create_task(ari.request("POST", "channels/none/dtmf", query={"dtmf": "1"}))
        await asyncio.sleep(0.05)

        task.cancel()

        async with asyncio.timeout(3.0):
            with pytest.raises(asyncio.CancelledError):
                await task
            with pytest.raises(AriError):
                await dialling
        assert ari.status.state is AriState.CLOSED


async def test_a_name_that_asterisk_has_no_filter_for_yet_is_replaced_in_any_case(
    asterisk: Asterisk, heard: Heard
) -> None:
    """ApplicationReplaced and the answers come through even an empty set of wished events."""
    first = AriClient(replace(config(asterisk), events=frozenset()), heard)
    running_first = asyncio.create_task(first.run())
    await first.wait_connected(5.0)
    await first.request("GET", "asterisk/ping")
    async with connected(asterisk, Heard(), events=frozenset()):
        with pytest.raises(AriReplaced):
            async with asyncio.timeout(2.0):
                await running_first
