"""What breaks while calls are in it: the gateway, Asterisk, the socket between them, Redis, a provider."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from lab.asterisk import Asterisk
from lab.caller import Caller, End
from lab.errors import LabFailed
from lab.servers import Redis
from lab.service import Service, ari_settings
from tests.ari.proxy import Proxy
from tests.fixtures.gateway import StubProcess, stub_settings
from tests.fixtures.lab import need
from tests.fixtures.leaks import keep

pytestmark = pytest.mark.lab


@pytest.fixture
def settings(asterisk: Asterisk, stub_process: StubProcess) -> dict[str, str]:
    return {**ari_settings(asterisk), **stub_settings(stub_process), "AI_TURN_TIMEOUT": "8"}


def connected(folder: Path, settings: dict[str, str], **changes: str) -> Service:
    """A gateway that is ready when it is connected to Asterisk."""
    return Service(folder, {**settings, **changes}, ready="ari.connected")


async def test_a_killed_gateway_releases_its_channels_when_it_is_back(
    tmp_path: Path, settings: dict[str, str], caller: Caller
) -> None:
    async with connected(tmp_path, settings) as service:
        calls = [asyncio.ensure_future(caller.call("100", say="stub:fault=hang")) for _ in range(3)]
        for _ in calls:
            await service.wait_for("turn.started")
        while len(service.lines("turn.started")) < len(calls):
            await asyncio.sleep(0.02)
        await asyncio.to_thread(service.kill)
        assert not any(call.done() for call in calls)
        await asyncio.to_thread(service.start)
        for call in calls:
            result = await call
            assert result.end is End.COMPLETED, result.log
            assert (result.status, result.variables["AI_ERROR"]) == ("RELEASED", "turn_lost")
            assert result.response
        assert len(service.lines("channel.released")) == len(calls)


async def test_channels_that_a_killed_gateway_left_behind_are_in_the_history_once_they_are_released(
    tmp_path: Path, settings: dict[str, str], caller: Caller
) -> None:
    async with connected(tmp_path, settings, WEB_UI_PASSWORD="test-password") as service:
        call = asyncio.ensure_future(caller.call("100", say="stub:fault=hang"))
        await service.wait_for("turn.started")
        await asyncio.to_thread(service.kill)
        await asyncio.to_thread(service.start)
        result = await call
        assert result.status == "RELEASED", result.log
        async with (
            httpx2.AsyncClient(base_url=service.url, auth=("admin", "test-password")) as api,
            asyncio.timeout(10),
        ):
            while not (found := (await api.get("/api/calls/turns")).json()["items"]):
                await asyncio.sleep(0.05)
            turn = (await api.get(f"/api/calls/turns/{found[0]['turn_id']}")).json()
        assert (turn["status"], turn["error"], turn["caller_text"]) == ("RELEASED", "turn_lost", "")
        assert turn["returned"]["AI_RESPONSE"] == result.response
        (line,) = service.lines("channel.released")
        assert turn["channel_id"] == line["call"]


async def test_without_the_gateway_the_dialplan_goes_on_at_once(caller: Caller) -> None:
    result = await caller.call("100", say="hello")
    assert result.end is End.COMPLETED, result.log
    assert result.variables["STASISSTATUS"] == "FAILED"
    assert result.milliseconds < 1000


async def test_a_stopping_gateway_lets_turns_end_and_releases_the_rest(
    tmp_path: Path, settings: dict[str, str], caller: Caller
) -> None:
    async with connected(tmp_path, settings, AI_DRAIN_TIMEOUT="2") as service:
        soon = asyncio.ensure_future(caller.call("100", say="stub:delay=1s stub:say=Just in time."))
        never = asyncio.ensure_future(caller.call("100", say="stub:fault=hang"))
        while len(service.lines("turn.started")) < 2:
            await asyncio.sleep(0.02)
        stopping = asyncio.ensure_future(asyncio.to_thread(service.stop))
        assert (await soon).response == "Just in time."
        result = await never
        assert (result.status, result.variables["AI_ERROR"]) == ("RELEASED", "service_stopping")
        assert await stopping == 0
        assert service.lines("Application shutdown complete.")


async def test_a_socket_that_is_cut_costs_no_answer(
    tmp_path: Path, asterisk: Asterisk, settings: dict[str, str], caller: Caller
) -> None:
    async with (
        Proxy(asterisk.http_port) as proxy,
        connected(tmp_path, settings, ASTERISK_ARI_URL=proxy.url) as service,
    ):
        call = asyncio.ensure_future(caller.call("100", say="stub:delay=500ms stub:say=Still here."))
        await service.wait_for("turn.started")
        proxy.cut_event_socket()
        result = await call
        assert (result.status, result.response) == ("OK", "Still here."), service.tail()
        assert result.milliseconds < 1500
        await service.wait_for("ari.connected", connects=2)
        assert (await caller.call("100", say="stub:say=Again.")).response == "Again."


async def test_everything_to_asterisk_is_cut_and_the_answer_comes_when_it_is_back(
    tmp_path: Path, asterisk: Asterisk, settings: dict[str, str], caller: Caller
) -> None:
    async with (
        Proxy(asterisk.http_port) as proxy,
        connected(tmp_path, settings, ASTERISK_ARI_URL=proxy.url) as service,
    ):
        call = asyncio.ensure_future(caller.call("100", say="stub:delay=500ms stub:say=Still here."))
        await service.wait_for("turn.started")
        proxy.refuse()
        proxy.cut()
        await asyncio.sleep(1.5)
        assert not call.done()
        proxy.refuse(False)
        result = await call
        assert (result.status, result.response) == ("OK", "Still here."), service.tail()


async def test_a_restarted_asterisk_is_found_again(tmp_path: Path, stub_process: StubProcess) -> None:
    with Asterisk() as pbx, Caller(pbx) as caller:
        settings = {**ari_settings(pbx), **stub_settings(stub_process)}
        async with connected(tmp_path, settings) as service:
            assert (await caller.call("100", say="stub:say=One.")).response == "One."
            await asyncio.to_thread(pbx.kill)
            await asyncio.to_thread(pbx.restart)
            await service.wait_for("ari.connected", 15, connects=2)
            assert (await caller.call("100", say="stub:say=Two.")).response == "Two."


async def test_a_second_gateway_takes_over_and_the_first_stays_up_to_say_so(
    tmp_path: Path, settings: dict[str, str], caller: Caller
) -> None:
    async with connected(tmp_path / "first", settings) as first:
        call = asyncio.ensure_future(caller.call("100", say="stub:fault=hang"))
        await first.wait_for("turn.started")
        async with connected(tmp_path / "second", settings):
            await first.wait_for("ari.replaced", 5)
            assert (await call).status == "RELEASED", first.tail()
            assert (await caller.call("100", say="stub:say=Two.")).response == "Two."
            assert first.running
            async with httpx2.AsyncClient() as client:
                assert (await client.get(first.url + "/healthz")).status_code == 200
                assert (await client.get(first.url + "/readyz")).status_code == 503


async def test_over_the_limit_a_caller_is_told_at_once(
    tmp_path: Path, settings: dict[str, str], caller: Caller
) -> None:
    async with connected(tmp_path, settings, AI_MAX_CALLS="1", AI_FALLBACK_SENTENCE="All lines are busy.") as service:
        first = asyncio.ensure_future(caller.call("100", say="stub:delay=1s stub:say=First."))
        await service.wait_for("turn.started")
        second = await caller.call("100", say="stub:say=Second.")
        assert (second.status, second.response) == ("BUSY", "All lines are busy.")
        assert second.milliseconds < 500
        assert (await first).response == "First."


@pytest.mark.parametrize("fault", ["stub:status=500", "stub:status=401", "stub:fault=close", "stub:fault=hang"])
async def test_the_second_model_answers_when_the_first_fails(
    tmp_path: Path, settings: dict[str, str], caller: Caller, fault: str
) -> None:
    changes = {"FALLBACK_AI_MODEL": "demo", "AI_TURN_TIMEOUT": "3"}
    async with connected(tmp_path, settings, **changes) as service:
        result = await caller.call("100", say="My name is Ada.", model=f"openai:{fault}")
        assert result.status == "OK", service.tail()
        assert result.variables["AI_MODEL_USED"] == "demo:demo"
        assert "Ada" in result.response
        assert result.milliseconds < 3250


async def test_debug_mode_shows_every_step_and_no_secret(
    tmp_path: Path, settings: dict[str, str], caller: Caller
) -> None:
    async with connected(tmp_path, settings, DEBUG_MODE="true", LOG_LEVEL="info") as service:
        words = 'stub:tool=get_order_status{"order_id": "A1042"}'
        result = await caller.call("100", say=words, headers={"X-Args": "api_key=sk-test-openai-key"})
        assert result.status == "OK", service.tail()
        text = json.dumps(service.lines())
        steps = [line["event"] for line in service.lines() if line["level"] == "debug"]
    assert {"model.called", "model.answered", "turn.event"} <= set(steps), steps
    assert "receptionist" in text  # the system prompt is among the messages
    assert "A1042" in text
    for secret in ("sk-test-openai-key", settings["ASTERISK_ARI_PASSWORD"], "test-gemini-key"):
        assert secret not in text


async def test_asterisk_16_gets_the_same_answers_over_http(
    tmp_path: Path, asterisk16: Asterisk, caller16: Caller, stub_process: StubProcess
) -> None:
    settings = {**ari_settings(asterisk16), **stub_settings(stub_process)}
    async with connected(tmp_path, settings) as service:
        result = await caller16.call("100", say='stub:say=It is "open", €5.')
        assert (result.status, result.response) == ("OK", "It is open, €5."), service.tail()
        huge = await caller16.call("100", say="stub:fault=huge")
        assert huge.status == "OK", service.tail()
        assert sum(len(part) for part in huge.parts) > 90_000
        assert service.lines("ari.connected")[0]["rest_over_websocket"] is False


# -- two of one name


async def test_the_first_serves_again_when_the_one_that_took_over_is_gone(
    tmp_path: Path, settings: dict[str, str], caller: Caller
) -> None:
    async with connected(tmp_path / "first", settings) as first:
        async with connected(tmp_path / "second", settings) as second:
            await first.wait_for("ari.replaced", 5)
            assert (await caller.call("100", say="stub:say=Second.", conversation="t-2")).response == "Second."
            assert second.lines("turn.started", conversation="t-2")
        await first.wait_for("ari.free_again", 10)
        await first.wait_for("ari.connected", 5, connects=2)
        assert (await caller.call("100", say="stub:say=First.", conversation="t-1")).response == "First."
        assert first.lines("turn.started", conversation="t-1")


async def test_a_second_one_at_the_same_port_ends_without_taking_a_call(
    tmp_path: Path, settings: dict[str, str], caller: Caller
) -> None:
    async with connected(tmp_path / "first", settings) as first:
        port = first.url.rsplit(":", 1)[1]
        second = connected(tmp_path / "second", settings, WEB_PORT=port)
        with pytest.raises(LabFailed, match="WEB_PORT"):
            await asyncio.to_thread(second.start)
        assert second.lines("ari.connected") == []
        assert first.lines("ari.replaced") == []
        assert (await caller.call("100", say="stub:say=First.")).response == "First."


# -- conversations in Redis


@pytest.fixture
def own_redis() -> Iterator[Redis]:
    """A Redis that the test may kill."""
    from lab.roots import FORKY

    need(FORKY)
    with Redis() as server:
        keep(server)
        yield server


async def test_a_conversation_goes_on_after_a_restart_of_the_gateway(
    tmp_path: Path, settings: dict[str, str], caller: Caller, own_redis: Redis
) -> None:
    changes = {"REDIS_HOST": own_redis.host, "REDIS_PORT": str(own_redis.port), "DEFAULT_AI_MODEL": "demo"}
    async with connected(tmp_path, settings, **changes) as service:
        assert (await caller.call("100", say="My name is Ada.", conversation="r-1")).variables["AI_TURN"] == "1"
        await asyncio.to_thread(service.kill)
        await asyncio.to_thread(service.start)
        result = await caller.call("100", say="What is my name?", conversation="r-1")
        assert result.variables["AI_TURN"] == "2", service.tail()
        assert "Ada" in result.response


async def test_a_conversation_goes_on_while_redis_is_dead_and_is_written_when_it_is_back(
    tmp_path: Path, settings: dict[str, str], caller: Caller, own_redis: Redis
) -> None:
    changes = {"REDIS_HOST": own_redis.host, "REDIS_PORT": str(own_redis.port), "DEFAULT_AI_MODEL": "demo"}
    async with connected(tmp_path, settings, **changes) as service:
        await caller.call("100", say="My name is Ada.", conversation="r-2")
        await asyncio.to_thread(own_redis.kill)
        result = await caller.call("100", say="My city is Graz.", conversation="r-2")
        assert result.variables["AI_TURN"] == "2", service.tail()
        assert result.milliseconds < 1000
        await asyncio.to_thread(own_redis.restart)
        result = await caller.call("100", say="What is my name?", conversation="r-2")
        assert "Ada" in result.response
        await service.wait_for("memory.redis_back", 10)
        await asyncio.to_thread(service.kill)
        await asyncio.to_thread(service.start)
        result = await caller.call("100", say="What is my city?", conversation="r-2")
        assert result.variables["AI_TURN"] == "4", service.tail()
        assert "Graz" in result.response
