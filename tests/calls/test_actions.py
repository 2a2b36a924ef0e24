"""Actions over ARI, at the fake Asterisk: done in order, in time, once, and never for a turn that was discarded."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import pytest
from structlog.testing import capture_logs

from app.agent.events import ActionRequested, AgentEvent, Done, TextDelta, Usage
from app.agent.turn import TurnRequest
from app.ari.errors import AriRequestFailed, AriUnavailable
from app.ari.handles import Channel
from app.calls.actions import Place, place_of
from app.core.logging import SPEECH_FIELDS
from app.llm.errors import ProviderUnauthorized
from tests.calls.test_supervisor import House, Script
from tests.virtual_time import virtual_time


def asks(*actions: ActionRequested, delay: float = 0.0, after: float = 0.0) -> Script:
    """An agent that answers and asks for these; ``after`` seconds pass between its requests and its end."""

    async def run(turn: TurnRequest) -> AsyncGenerator[AgentEvent, None]:
        yield TextDelta("Fine.")
        await asyncio.sleep(delay)
        for action in actions:
            yield action
        await asyncio.sleep(after)
        yield Done(text="Fine.", model="test:model", turn=1, usage=Usage(), steps=1)

    return run


def ari(action: str, data: str = "", **more: str) -> ActionRequested:
    return ActionRequested(action, data, via="ari", **more)


ALL = (
    ari("set_variable", "NOTE=a ${EVIL} note"),
    ari("dtmf", "12#"),
    ari("play", "custom/hi"),
    ari("hold", "on"),
    ari("originate", "PJSIP/200", place="700@ivr", caller_id="AI <1>"),
)


@virtual_time
async def test_all_kinds_are_done_in_order_before_the_channel_goes_on() -> None:
    async with House(asks(*ALL)).open() as house:
        house.ari.dialplan.add("ivr,700,1")
        house.ari.enter("1.1", "USER_INPUT=hello")
        variables = await house.back("1.1")
    done = [each.path.rpartition("/")[2] for each in house.ari.requests if each.method == "POST"]
    assert [each for each in done if each in ("dtmf", "hold", "channels", "continue")] == [
        "dtmf",
        "hold",
        "channels",
        "continue",
    ]
    assert variables["NOTE"] == "a {EVIL} note"
    assert house.ari.originated == ["PJSIP/200"]
    (request,) = [each for each in house.ari.requests if each.path == "channels"]
    assert request.body == {
        "endpoint": "PJSIP/200",
        "context": "ivr",
        "extension": "700",
        "priority": 1,
        "timeout": 30,
        "callerId": "AI <1>",
    }
    assert variables["AI_ACTION_DONE"] == "set_variable&dtmf&play&hold&originate"
    assert (variables["AI_STATUS"], variables["AI_ACTION"], variables["AI_ACTION_ERROR"]) == ("OK", "", "")


@virtual_time
@pytest.mark.parametrize(
    ("action", "place"),
    [
        (ari("transfer", "200"), ("default", "200", 1)),
        (ari("transfer", "200@people"), ("people", "200", 1)),
        (ari("leave", "ivr,700,5"), ("ivr", "700", 5)),
    ],
)
async def test_a_transfer_goes_on_elsewhere_with_all_its_variables(
    action: ActionRequested, place: tuple[str, str, int]
) -> None:
    async with House(asks(action)).open() as house:
        house.ari.dialplan.add(",".join(map(str, place)))
        house.ari.enter("1.1", "USER_INPUT=hello")
        variables = await house.back("1.1")
        went = house.ari.channels["1.1"].continued
    assert went is not None
    assert (went.get("context") or "default", went["extension"], went["priority"]) == place
    assert variables["AI_RESPONSE"] == "Fine."
    assert variables["AI_ACTION_DONE"] == action.action


@virtual_time
async def test_an_extension_that_is_not_there_keeps_the_caller_in_the_dialplan() -> None:
    async with House(asks(ari("transfer", "200@people"))).open() as house:
        house.ari.enter("1.1", "USER_INPUT=hello")
        variables = await house.back("1.1")
        assert house.ari.channels["1.1"].continued == {}
    assert (variables["AI_ACTION_FAILED"], variables["AI_ACTION_ERROR"]) == ("transfer", "no_such_extension")
    assert variables["AI_STATUS"] == "OK"


@virtual_time
async def test_the_call_is_ended_after_its_variables_were_set() -> None:
    async with House(asks(ari("hangup"))).open() as house:
        channel = house.ari.enter("1.1", "USER_INPUT=hello")
        async with asyncio.timeout(5):
            while "1.1" in house.ari.channels:
                await asyncio.sleep(0.01)
    assert house.ari.hung_up == ["1.1"]
    assert channel.variables["AI_RESPONSE"] == "Fine."
    assert channel.continued is None


@virtual_time
@pytest.mark.parametrize("error", [AriRequestFailed("no", status=500, method="POST", uri=""), AriUnavailable("away")])
@pytest.mark.parametrize("ending", ["dtmf", "hold"])
async def test_an_action_that_fails_does_not_keep_the_others_nor_the_caller(error: Exception, ending: str) -> None:
    async with House(asks(ari("dtmf", "1"), ari("hold", "on"))).open() as house:
        house.ari.fail(error, method="POST", ending=ending)
        house.ari.enter("1.1", "USER_INPUT=hello")
        variables = await house.back("1.1")
    assert variables["AI_ACTION_FAILED"] == ending
    assert variables["AI_ACTION_DONE"] == ({"dtmf", "hold"} - {ending}).pop()
    assert variables["AI_ACTION_ERROR"] == error.code  # type: ignore[attr-defined]
    assert variables["AI_STATUS"] == "OK"


@virtual_time
async def test_a_transfer_that_asterisk_refuses_at_last_goes_on_at_the_next_priority() -> None:
    async with House(asks(ari("transfer", "200@people"))).open() as house:
        house.ari.dialplan.add("people,200,1")
        house.ari.fail(AriRequestFailed("no", status=400, method="POST", uri=""), method="POST", ending="continue")
        house.ari.enter("1.1", "USER_INPUT=hello")
        variables = await house.back("1.1")
        assert house.ari.channels["1.1"].continued == {}
    assert (variables["AI_ACTION_DONE"], variables["AI_ACTION_FAILED"]) == ("", "transfer")


@virtual_time
async def test_a_sound_is_stopped_at_the_deadline() -> None:
    loop = asyncio.get_running_loop()
    async with House(asks(ari("play", "endless"))).open() as house:
        house.ari._play = lambda *_: {"id": "p"}  # type: ignore[method-assign]
        began = loop.time()
        house.ari.enter("1.1", "USER_INPUT=hello", "AI_TIMEOUT=3")
        variables = await house.back("1.1")
        assert loop.time() - began < 3.25
    assert house.ari.asked("DELETE")
    assert variables["AI_ACTION_DONE"] == "play"


@virtual_time
async def test_a_sound_whose_end_nobody_can_tell_any_more_is_stopped() -> None:
    loop = asyncio.get_running_loop()
    async with House(asks(ari("play", "endless"))).open() as house:
        house.ari._play = lambda *_: {"id": "p"}  # type: ignore[method-assign]
        began = loop.time()
        house.ari.enter("1.1", "USER_INPUT=hello", "AI_TIMEOUT=30")
        await asyncio.sleep(0.5)
        house.ari.disconnect()
        variables = await house.back("1.1")
        assert loop.time() - began < 1
    # Asterisk lets a channel go on only when nothing is played to it.
    assert [each.path.partition("/")[0] for each in house.ari.asked("DELETE")] == ["playbacks"]
    assert (variables["AI_STATUS"], variables["AI_ACTION_FAILED"]) == ("OK", "play")


@virtual_time
@pytest.mark.parametrize("under_way", [ari("play", "endless"), ari("dtmf", "1" * 32)])
async def test_a_service_that_stops_breaks_off_what_is_under_way_and_gives_the_call_back(
    under_way: ActionRequested,
) -> None:
    loop = asyncio.get_running_loop()
    async with House(asks(under_way, ari("hold", "on"), ari("transfer", "200@people"))).open() as house:
        house.ari.dialplan.add("people,200,1")
        house.ari._play = lambda *_: {"id": "p"}  # type: ignore[method-assign]
        house.ari.enter("1.1", "USER_INPUT=hello", "AI_TIMEOUT=60")
        await asyncio.sleep(0.5)
        began = loop.time()
        await house.supervisor.drain(1)
        assert loop.time() - began < 1.1
        variables = await house.back("1.1", within=0.1)
        assert house.ari.channels["1.1"].continued == {}
    assert (variables["AI_STATUS"], variables["AI_RESPONSE"]) == ("OK", "Fine.")
    assert (variables["AI_ACTION_FAILED"], variables["AI_ACTION_ERROR"]) == (under_way.action, "action_late")
    assert variables["AI_ACTION_DONE"] == ""
    assert not house.ari.asked("POST", "hold")


@virtual_time
async def test_a_caller_who_hangs_up_in_an_action_occupies_no_place_any_more() -> None:
    async with House(asks(ari("dtmf", "1" * 32))).open() as house:
        house.ari.enter("1.1", "USER_INPUT=hello")
        await asyncio.sleep(0.5)
        assert house.supervisor.status.active == 1
        house.ari.hang_up("1.1")
        await asyncio.sleep(0.05)
        assert house.supervisor.status.active == 0


@virtual_time
async def test_a_fault_of_ours_in_an_action_costs_neither_the_call_nor_its_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def broken(_: Channel) -> None:
        raise KeyError("a bug")

    monkeypatch.setattr(Channel, "hold", broken)
    async with House(asks(ari("hold", "on"), ari("dtmf", "1"))).open() as house:
        house.ari.enter("1.1", "USER_INPUT=hello")
        variables = await house.back("1.1")
    assert (variables["AI_STATUS"], variables["AI_RESPONSE"]) == ("OK", "Fine.")
    assert (variables["AI_ACTION_DONE"], variables["AI_ACTION_FAILED"]) == ("dtmf", "hold")
    assert variables["AI_ACTION_ERROR"] == "action_failed"


@virtual_time
async def test_an_action_that_begins_late_leaves_time_for_the_way_back() -> None:
    loop = asyncio.get_running_loop()
    async with House(asks(ari("hold", "on"), ari("hold", "off"))).open() as house:
        carry = house.ari._carry

        async def slow(request: Any) -> Any:
            if request.path.endswith("hold"):
                await asyncio.sleep(3.09 if request.method == "POST" else 60)
            return await carry(request)

        house.ari._carry = slow  # type: ignore[method-assign]
        began = loop.time()
        house.ari.enter("1.1", "USER_INPUT=hello", "AI_TIMEOUT=3")
        variables = await house.back("1.1")
        assert loop.time() - began < 3.17
    assert variables["AI_ACTION_FAILED"] == "hold"


@virtual_time
async def test_the_log_has_what_was_asked_for_only_where_speech_may_stand() -> None:
    with capture_logs() as lines:
        async with House(asks(ActionRequested("set_variable", "NOTE=my card is 4711"))).open() as house:
            house.ari.enter("1.1", "USER_INPUT=hello")
            await house.back("1.1")
    (line,) = [each for each in lines if each["event"] == "turn.finished"]
    kept = {name: value for name, value in line.items() if name not in SPEECH_FIELDS}
    assert "4711" not in str(kept)
    assert kept["action"] == "set_variable"


@virtual_time
async def test_digits_that_do_not_fit_into_the_deadline_are_not_begun() -> None:
    loop = asyncio.get_running_loop()
    async with House(asks(ari("dtmf", "1" * 32))).open() as house:
        began = loop.time()
        house.ari.enter("1.1", "USER_INPUT=hello", "AI_TIMEOUT=3")
        variables = await house.back("1.1")
        assert loop.time() - began < 1
    assert not house.ari.asked("POST", "dtmf")
    assert (variables["AI_ACTION_FAILED"], variables["AI_ACTION_ERROR"]) == ("dtmf", "action_late")


@virtual_time
async def test_an_asterisk_that_does_not_answer_does_not_keep_the_caller_over_the_promise() -> None:
    loop = asyncio.get_running_loop()
    async with House(asks(ari("hold", "on"), ari("transfer", "200@people"))).open() as house:
        hold = house.ari._carry

        async def slow(request: Any) -> Any:
            if request.path.endswith("hold"):
                await asyncio.sleep(60)
            return await hold(request)

        house.ari._carry = slow  # type: ignore[method-assign]
        house.ari.dialplan.add("people,200,1")
        began = loop.time()
        house.ari.enter("1.1", "USER_INPUT=hello", "AI_TIMEOUT=3")
        variables = await house.back("1.1")
        assert loop.time() - began < 3.25
    assert variables["AI_ACTION_FAILED"] == "hold"


# -- a turn that is discarded does nothing

EVERYTHING = (*ALL, ari("transfer", "200@people"))


def nothing_was_done(house: House) -> None:
    done = [each.path.rpartition("/")[2] for each in house.ari.requests if each.method == "POST"]
    assert not {"dtmf", "hold", "channels"} & set(done)
    assert not [each for each in house.ari.requests if "/play/" in each.path]
    assert house.ari.originated == []


@virtual_time
async def test_a_turn_that_times_out_after_it_asked_does_nothing() -> None:
    async with House(asks(*EVERYTHING, after=9)).open() as house:
        house.ari.dialplan |= {"ivr,700,1", "people,200,1"}
        house.ari.enter("1.1", "USER_INPUT=hello", "AI_TIMEOUT=1")
        variables = await house.back("1.1")
        assert house.ari.channels["1.1"].continued == {}
    nothing_was_done(house)
    assert (variables["AI_STATUS"], variables["AI_ACTION"], variables["AI_ACTION_DONE"]) == ("TIMEOUT", "", "")
    assert "NOTE" not in variables


@virtual_time
async def test_a_turn_that_fails_after_it_asked_does_nothing() -> None:
    async def run(turn: TurnRequest) -> AsyncGenerator[AgentEvent, None]:
        for action in EVERYTHING:
            yield action
        raise ProviderUnauthorized("no", provider="test")

    async with House(run).open() as house:
        house.ari.dialplan |= {"ivr,700,1", "people,200,1"}
        house.ari.enter("1.1", "USER_INPUT=hello")
        variables = await house.back("1.1")
        assert house.ari.channels["1.1"].continued == {}
    nothing_was_done(house)
    assert (variables["AI_STATUS"], variables["AI_ACTION"]) == ("ERROR", "")


@virtual_time
@pytest.mark.parametrize("moment", [0.5, 1.0])
async def test_a_caller_who_hangs_up_stops_everything(moment: float) -> None:
    async with House(asks(*EVERYTHING, delay=0.7, after=9)).open() as house:
        house.ari.enter("1.1", "USER_INPUT=hello")
        await asyncio.sleep(moment)
        house.ari.hang_up("1.1")
        await asyncio.sleep(20)
    nothing_was_done(house)


@virtual_time
async def test_a_caller_who_hangs_up_between_two_actions_gets_no_more_of_them() -> None:
    async with House(asks(ari("dtmf", "123456789"), *EVERYTHING[2:])).open() as house:
        house.ari.enter("1.1", "USER_INPUT=hello")
        await asyncio.sleep(0.5)
        assert house.ari.asked("POST", "dtmf")
        house.ari.hang_up("1.1")
        await asyncio.sleep(20)
    assert not house.ari.asked("POST", "hold")
    assert house.ari.originated == []


@virtual_time
async def test_a_turn_whose_variables_asterisk_refuses_does_nothing() -> None:
    async with House(asks(*EVERYTHING)).open() as house:
        house.ari.fail(AriRequestFailed("no", status=400, method="POST", uri=""), method="POST", ending="variables")
        house.ari.enter("1.1", "USER_INPUT=hello")
        variables = await house.back("1.1")
    nothing_was_done(house)
    assert variables["AI_STATUS"] == "ERROR"


@virtual_time
async def test_a_turn_that_cannot_be_delivered_before_its_deadline_does_nothing() -> None:
    async with House(asks(*EVERYTHING)).open() as house:
        house.ari.dialplan |= {"ivr,700,1", "people,200,1"}
        house.ari.fail(AriUnavailable("away"), method="POST", ending="variables", times=30)
        house.ari.enter("1.1", "USER_INPUT=hello", "AI_TIMEOUT=3")
        variables = await house.back("1.1")
        assert house.ari.channels["1.1"].continued == {}
    nothing_was_done(house)
    assert (variables["AI_STATUS"], variables["AI_ACTION_ERROR"]) == ("OK", "action_late")


@virtual_time
async def test_a_service_that_stops_does_nothing_more() -> None:
    async with House(asks(*EVERYTHING, after=9)).open() as house:
        house.ari.enter("1.1", "USER_INPUT=hello")
        await asyncio.sleep(0.5)
        await house.supervisor.drain(0.1)
        variables = await house.back("1.1")
    nothing_was_done(house)
    assert variables["AI_STATUS"] == "RELEASED"


@virtual_time
async def test_a_second_try_to_deliver_does_nothing_twice() -> None:
    async with House(asks(ari("dtmf", "1"), ari("hold", "on"))).open() as house:
        house.ari.fail(AriUnavailable("away"), method="POST", ending="continue", times=3)
        house.ari.enter("1.1", "USER_INPUT=hello")
        await house.back("1.1")
    assert len(house.ari.asked("POST", "dtmf")) == len(house.ari.asked("POST", "hold")) == 1


def test_places_are_read_as_they_are_listed() -> None:
    assert place_of("200") == Place(None, "200", 1)
    assert place_of("200@people") == Place("people", "200", 1)
    assert place_of("ivr,700,5") == Place("ivr", "700", 5)
