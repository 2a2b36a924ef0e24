"""Handles and dispatch, on the fake."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from app.ari.client import MAX_IN_FLIGHT
from app.ari.errors import AriConflict, AriNotFound, AriReplaced, AriTimeout, AriUnavailable
from app.ari.events import ChannelDestroyed, ChannelVarset, Event, StasisEnd, StasisStart, UnknownEvent
from app.ari.testing import FAKE_ASTERISK, FakeAri
from tests.ari.listening import Heard


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
async def ari(heard: Heard) -> FakeAri:
    fake = FakeAri(heard)
    fake.connect()
    return fake


async def test_variables_go_in_one_request_where_the_server_has_it(ari: FakeAri) -> None:
    ari.enter("c")

    await ari.channel("c").set_variables({"A": "1", "B": "ü"})

    assert [(each.method, each.path, each.body) for each in ari.requests] == [
        ("POST", "channels/c/variables", {"variables": {"A": "1", "B": "ü"}})
    ]


async def test_variables_go_one_by_one_and_at_once_to_an_old_server(heard: Heard) -> None:
    ari = FakeAri(heard, asterisk=replace(FAKE_ASTERISK, version="16.28.0", bulk_variables=False))
    ari.connect()
    ari.enter("c")
    flow = ari.hold()

    setting = asyncio.create_task(ari.channel("c").set_variables({"A": "1", "B": "2"}))
    await asyncio.sleep(0.01)
    assert [each.body for each in ari.asked("POST", "/variable")] == [
        {"variable": "A", "value": "1"},
        {"variable": "B", "value": "2"},
    ]
    flow()
    await setting
    assert ari.channels["c"].variables == {"A": "1", "B": "2"}


async def test_of_several_requests_the_first_failure_is_raised_as_it_is(heard: Heard) -> None:
    ari = FakeAri(heard, asterisk=replace(FAKE_ASTERISK, bulk_variables=False))
    ari.connect()

    with pytest.raises(AriNotFound):
        await ari.channel("gone").set_variables({"A": "1", "B": "2"})


@pytest.mark.parametrize("text", ["x", '"', "\n", "\\", "ü", "\x01"])
async def test_many_variables_are_cut_into_requests_that_fit_both_ways(ari: FakeAri, text: str) -> None:
    import msgspec

    ari.enter("c")
    variables = {f"AI_RESPONSE_{number}": text * 1_000 for number in range(120)}

    await ari.channel("c").set_variables(variables)

    assert ari.channels["c"].variables == variables
    assert len(ari.requests) > 1
    for request in ari.requests:
        body = msgspec.json.encode(request.body)
        assert len(body) <= 40_960
        assert len(msgspec.json.encode(body.decode())) < 65_000


async def test_ids_are_encoded_in_paths(ari: FakeAri) -> None:
    ari.enter("pbx/1;2 ü")

    await ari.channel("pbx/1;2 ü").answer()

    assert ari.requests[0].path == "channels/pbx%2F1%3B2%20%C3%BC/answer"


async def test_a_variable_that_was_never_set_is_none_and_a_channel_that_is_gone_an_error(ari: FakeAri) -> None:
    ari.enter("c", variables={"A": ""})

    assert await ari.channel("c").get_variable("A") == ""
    assert await ari.channel("c").get_variable("B") is None
    with pytest.raises(AriNotFound):
        await ari.channel("gone").get_variable("A")


async def test_continue_says_only_what_was_asked_for(ari: FakeAri) -> None:
    ari.enter("a")
    ari.enter("b")

    await ari.channel("a").continue_in_dialplan()
    await ari.channel("b").continue_in_dialplan("lab", "100", 2)

    assert ari.channels["a"].continued == {}
    assert ari.channels["b"].continued == {"context": "lab", "extension": "100", "priority": 2}
    with pytest.raises(AriConflict):
        await ari.channel("a").continue_in_dialplan()


async def test_a_playback_is_followed_from_before_it_begins(ari: FakeAri) -> None:
    ari.enter("c")

    playback = await ari.channel("c").play("sound:hello", "mine")

    assert await playback.finished(1.0) is True
    assert ari.requests[0].path == "channels/c/play/mine"
    assert ari.requests[0].body == {"media": ["sound:hello"]}


@pytest.mark.parametrize("end", ["hangup", "loss", "refusal"])
async def test_a_playback_whose_end_is_never_told_ends_nevertheless(ari: FakeAri, end: str) -> None:
    ari.enter("c")
    if end == "refusal":
        ari.fail(AriConflict("no", status=409, method="POST", uri="x"))
        with pytest.raises(AriConflict):
            await ari.channel("c").play("sound:hello")
    else:
        playback = await ari.channel("c").play("sound:hello")
        if end == "loss":
            ari.disconnect()
            with pytest.raises(AriUnavailable):
                await playback.finished(1.0)
        else:
            ari.hang_up("c")
            assert await playback.finished(1.0) is False
    assert not ari._dispatcher._channels
    assert not ari._dispatcher._until_lost


async def test_a_listener_that_fails_harms_nobody(heard: Heard) -> None:
    class Failing(Heard):
        def on_event(self, event: Event) -> None:
            raise ValueError("a fault in calls")

    ari = FakeAri(Failing())
    ari.connect()
    seen: list[Event] = []

    def fails(event: Event) -> None:
        raise ValueError("another")

    ari.listen("c", fails)
    ari.listen("c", seen.append)
    ari.enter("c")

    assert [type(event) for event in seen] == [StasisStart]
    assert ari.counters.listener_errors == 2


async def test_channel_listeners_hear_their_channel_until_they_stop(ari: FakeAri) -> None:
    seen: list[Event] = []
    stop = ari.listen("c", seen.append)

    ari.enter("c")
    ari.enter("other")
    ari.emit(UnknownEvent(type="New", raw={"channel": {"id": "c"}}))
    ari.emit(ChannelVarset(variable="GLOBAL"))
    stop()
    stop()
    ari.hang_up("c")

    assert [event.event_type for event in seen] == ["StasisStart", "New"]


async def test_a_listener_may_stop_itself_while_it_is_called(ari: FakeAri) -> None:
    seen: list[str] = []

    def once(event: Event) -> None:
        seen.append("once")
        stop()

    stop = ari.listen("c", once)
    ari.listen("c", lambda _: seen.append("always"))
    ari.enter("c")
    ari.enter("c")

    assert seen == ["once", "always", "always"]


async def test_an_answer_that_does_not_come_is_a_timeout_and_the_callers_own_deadline_stays_its_own(
    ari: FakeAri,
) -> None:
    ari.hold()

    with pytest.raises(AriTimeout, match=r"GET asterisk/ping in 0\.01 s"):
        await ari.request("GET", "/asterisk/ping", timeout=0.01)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await ari.request("GET", "asterisk/ping")
    assert ari.status.requests_in_flight == 0


async def test_requests_beyond_the_bound_are_refused_at_once(ari: FakeAri) -> None:
    flow = ari.hold()
    pings = [asyncio.create_task(ari.request("GET", "asterisk/ping")) for _ in range(MAX_IN_FLIGHT)]
    await asyncio.sleep(0)

    with pytest.raises(AriUnavailable, match="under way"):
        await ari.request("GET", "asterisk/ping")
    flow()
    await asyncio.gather(*pings)
    assert ari.counters.refused == 1
    assert ari.status.requests_in_flight == 0


async def test_the_fake_runs_connects_and_is_replaced_like_the_client(heard: Heard) -> None:
    ari = FakeAri(heard)
    with pytest.raises(AriUnavailable, match="not running"):
        await ari.wait_connected(0.01)
    running = asyncio.create_task(ari.run())
    await ari.wait_connected(1.0)
    ari.disconnect("cut", reachable=False)
    with pytest.raises(AriUnavailable):
        await ari.request("GET", "asterisk/ping")
    ari.connect()
    await ari.request("GET", "asterisk/ping")

    ari.replace()

    with pytest.raises(AriReplaced):
        await running
    with pytest.raises(AriReplaced):
        await ari.wait_connected(1.0)
    with pytest.raises(AriReplaced):
        await ari.request("GET", "asterisk/ping")
    assert heard.disconnected == ["cut", "Another client connected as this application."]
    assert ari.status.connects == 2


async def test_the_fakes_channel_that_was_subscribed_to_tells_its_end(ari: FakeAri, heard: Heard) -> None:
    ari.enter("c")
    await ari.channel("c").subscribe()
    await ari.channel("c").continue_in_dialplan()
    await heard.event(StasisEnd)

    ari.hang_up("c")

    assert len(heard.of(ChannelDestroyed, "c")) == 1
    inventory: Any = await ari.app_inventory()
    assert inventory.channel_ids == ()
