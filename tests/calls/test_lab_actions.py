"""What the model decides, seen at the SIP side: real Asterisk 22 and 16, SIPp as the caller, a gateway process."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from lab.asterisk import Asterisk
from lab.caller import Caller, CallResult, End
from lab.person import Person
from lab.service import Service, ari_settings
from tests.fixtures.gateway import StubProcess, stub_settings
from tests.fixtures.leaks import keep

pytestmark = pytest.mark.lab

LISTS: dict[str, list[str]] = {
    "transfer": ["_2XX@people", "_9XX@people"],
    "leave": ["elsewhere,700,5"],
    "dtmf": ["_XXX#", "_XXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX"],
    "set_variable": ["PLACE"],
    "play": ["queue-thankyou", "beep", "no-such-sound"],
    "extension_state": ["200@people", "999@people"],
    "queue_state": ["support", "nowhere"],
    "originate": ["Local/called@people", "PJSIP/nobody"],
}


def actions(via: str, **changes: list[str]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [{"name": "hangup", "via": via}, {"name": "hold", "via": via}]
    for name, targets in {**LISTS, **changes}.items():
        found.append({"name": name, "targets": targets, "via": via})
        if name == "originate":
            found[-1] |= {"place": "called@people", "caller_id": "AI <100>"}
    return found


class Pbx:
    """One Asterisk with its gateway and its caller."""

    def __init__(self, asterisk: Asterisk, gateway: Service, caller: Caller) -> None:
        self.asterisk = asterisk
        self.gateway = gateway
        self.caller = caller

    async def call(self, say: str, *, extension: str = "100", prompt: str = "ari", **more: Any) -> CallResult:
        return await self.caller.call(extension, say=say, prompt=prompt, out=OUT, **more)


OUT = ["PLACE"]


def gateway_at(asterisk: Asterisk, stub: StubProcess, folder: Path) -> Service:
    settings = {
        **ari_settings(asterisk),
        **stub_settings(stub),
        "AI_TURN_TIMEOUT": "5",
        "WEB_UI_PASSWORD": "test-password",
        "LOG_LEVEL": "info",
    }
    return Service(folder, settings, ready="ari.connected")


def add_prompts(gateway: Service) -> None:
    with httpx2.Client(base_url=gateway.url + "/api", auth=("admin", "test-password"), timeout=20) as client:
        dialplan = actions("dialplan", transfer=["_2XX"])
        for name, listed in (("ari", actions("ari")), ("dialplan", dialplan)):
            answer = client.post("/prompts", json={"name": name, "content": "You help.", "actions": listed})
            assert answer.status_code == 201, answer.text


@pytest.fixture(scope="module")
def pbx(
    asterisk: Asterisk, caller: Caller, stub_process: StubProcess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Pbx]:
    with gateway_at(asterisk, stub_process, tmp_path_factory.mktemp("actions")) as service:
        keep(service)
        add_prompts(service)
        yield Pbx(asterisk, service, caller)


@pytest.fixture(scope="module")
def pbx16(
    asterisk16: Asterisk, caller16: Caller, stub_process: StubProcess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Pbx]:
    with gateway_at(asterisk16, stub_process, tmp_path_factory.mktemp("actions16")) as service:
        keep(service)
        add_prompts(service)
        yield Pbx(asterisk16, service, caller16)


@pytest.fixture(params=["pbx", "pbx16"])
def either(request: pytest.FixtureRequest) -> Pbx:
    """Asterisk 22.10, then 16.28."""
    found: Pbx = request.getfixturevalue(request.param)
    return found


def tool(name: str, /, **arguments: Any) -> str:
    return f"stub:tool={name}{json.dumps(arguments)} "


# -- the three that the issue asks for, over ARI and by the dialplan


@pytest.mark.parametrize(("way", "extension"), [("ari", "100"), ("dialplan", "120")])
async def test_a_call_is_transferred(either: Pbx, way: str, extension: str) -> None:
    target = "233@people" if way == "ari" else "233"
    async with Person() as person:
        call = asyncio.ensure_future(
            either.call(
                tool("transfer_call", target=target) + "stub:say=One moment.",
                extension=extension,
                prompt=way,
                hangup_after=3,
                headers={"X-Person": person.uri},
            )
        )
        who = await person.rang(10)
        result = await call
        await asyncio.sleep(0.2)
    assert "caller" in who
    assert person.methods == ["INVITE", "ACK", "BYE"], either.gateway.tail()
    assert result.end is End.HUNG_UP


@pytest.mark.parametrize(("way", "extension"), [("ari", "100"), ("dialplan", "120")])
async def test_a_call_is_ended(either: Pbx, way: str, extension: str) -> None:
    result = await either.call(tool("end_call") + "stub:say=Goodbye.", extension=extension, prompt=way)
    assert (result.end, result.ended_by) == (End.COMPLETED, "asterisk")
    assert result.variables == {}  # extension 100 sends its variables back unless the call ends before


@pytest.mark.parametrize(("way", "extension"), [("ari", "100"), ("dialplan", "120")])
async def test_digits_are_sent(either: Pbx, way: str, extension: str) -> None:
    result = await either.call(tool("send_dtmf", digits="472#") + "stub:say=Done.", extension=extension, prompt=way)
    assert result.digits == "472#", either.gateway.tail()
    assert result.status == "OK"
    expected = {"ari": ("", "dtmf"), "dialplan": ("dtmf", "")}[way]
    assert (result.variables["AI_ACTION"], result.variables["AI_ACTION_DONE"]) == expected


# -- the others, over ARI


async def test_a_variable_is_set_and_the_call_goes_on_where_the_ai_left_it(either: Pbx) -> None:
    said = tool("set_call_variable", name="PLACE", value="here") + "stub:say=Noted."
    result = await either.call(said)
    assert result.variables["PLACE"] == "here"
    result = await either.call(tool("continue_call_at", target="elsewhere,700,5") + "stub:say=Bye.")
    assert result.variables["PLACE"] == "fifth"
    assert (result.status, result.response) == ("OK", "Bye.")
    assert result.variables["AI_ACTION_DONE"] == "leave"


async def test_the_dialplan_does_the_others_in_order_and_leaves_at_last(pbx: Pbx) -> None:
    result = await pbx.call(
        tool("continue_call_at", target="elsewhere,700,5")
        + tool("set_call_variable", name="PLACE", value="x")
        + tool("send_dtmf", digits="123#")
        + "stub:say=Bye.",
        extension="120",
        prompt="dialplan",
    )
    assert result.digits == "123#"
    assert result.variables["PLACE"] == "fifth"
    assert (result.variables["AI_ACTION"], result.variables["AI_ACTION_DATA"]) == ("leave", "elsewhere,700,5")
    assert result.variables["AI_ACTION_COUNT"] == "3"


async def test_a_sound_is_heard_before_the_call_goes_on(pbx: Pbx) -> None:
    result = await pbx.call(tool("play_sound", sound="beep") + "stub:say=Thank you.", conversation="a-play")
    assert (result.status, result.variables["AI_ACTION_DONE"]) == ("OK", "play")
    (line,) = pbx.gateway.lines("action.done", conversation="a-play")
    assert line["action"] == "play"
    result = await pbx.call(tool("play_sound", sound="no-such-sound") + "stub:say=Thank you.")
    assert (result.variables["AI_ACTION_FAILED"], result.variables["AI_ACTION_ERROR"]) == ("play", "sound_failed")


async def test_a_sound_that_is_longer_than_the_deadline_is_cut_and_the_promise_holds(either: Pbx) -> None:
    plain = await either.call("stub:say=Hello.", ai_timeout=1.2)
    result = await either.call(tool("play_sound", sound="queue-thankyou") + "stub:say=Thank you.", ai_timeout=1.2)
    assert (result.status, result.variables["AI_ACTION_DONE"]) == ("OK", "play")
    assert 1_000 < result.milliseconds < 1_200 + 250 + plain.milliseconds


async def test_digits_do_not_hold_up_another_call(pbx: Pbx) -> None:
    digits = asyncio.ensure_future(
        pbx.call(tool("send_dtmf", digits="12345678901234567890123456789012"[:32]) + "stub:say=Done.", ai_timeout=9)
    )
    await asyncio.sleep(1)
    others = [await pbx.call("stub:say=Hello.") for _ in range(3)]
    result = await digits
    assert len(result.digits) == 32
    assert max(other.milliseconds for other in others) < 1_000


async def test_a_caller_is_put_on_hold_and_taken_back(either: Pbx) -> None:
    for on in (True, False):
        result = await either.call(tool("hold_call", on=on) + "stub:say=One moment.")
        assert (result.status, result.variables["AI_ACTION_DONE"]) == ("OK", "hold")


async def test_the_ai_places_a_call(either: Pbx) -> None:
    result = await either.call(
        tool("place_call", endpoint="Local/called@people") + "stub:say=I call.", conversation="o"
    )
    assert (result.status, result.variables["AI_ACTION_DONE"]) == ("OK", "originate")
    result = await either.call(tool("place_call", endpoint="PJSIP/nobody") + "stub:say=I call.")
    assert (result.status, result.variables["AI_ACTION_FAILED"]) == ("OK", "originate")
    async with asyncio.timeout(5):
        while await asyncio.to_thread(either.asterisk.channels):
            await asyncio.sleep(0.2)


async def test_a_transfer_to_nowhere_keeps_the_caller(either: Pbx) -> None:
    result = await either.call(tool("transfer_call", target="900@people") + "stub:say=One moment.")
    assert (result.status, result.variables["AI_ACTION"]) == ("OK", "")
    assert (result.variables["AI_ACTION_FAILED"], result.variables["AI_ACTION_ERROR"]) == (
        "transfer",
        "no_such_extension",
    )


async def test_the_history_tells_actions_from_tools(pbx: Pbx) -> None:
    await pbx.call(
        tool("extension_state", extension="200@people")
        + tool("send_dtmf", digits="472#")
        + tool("transfer_call", target="900@people")
        + "stub:say=One moment.",
        conversation="a-history",
    )
    with httpx2.Client(base_url=pbx.gateway.url, auth=("admin", "test-password"), timeout=20) as client:
        async with asyncio.timeout(5):
            while not (
                found := [each for each in client.get("/api/calls").json()["items"] if "a-history" in str(each)]
            ):
                await asyncio.sleep(0.1)
        call = client.get(f"/api/calls/{found[0]['id']}").json()
        page = client.get(f"/ui/calls/{found[0]['id']}").text
    (turn,) = call["history"]["items"]
    assert [(each["name"], each["action"], each["ok"]) for each in turn["tools"]] == [
        ("extension_state", False, True),
        ("dtmf", True, True),
        ("transfer", True, False),
    ]
    assert [each["name"] for each in turn["spans"] if each["part"] == "action"] == ["dtmf", "transfer"]
    for words in ("Tools and actions", "What became of it", "The dialplan has no such extension"):
        assert words in page
    assert page.count("What the model was told") == 1


# -- questions


async def test_questions_are_answered_from_asterisk(either: Pbx) -> None:
    await asyncio.to_thread(either.asterisk.cli, "devstate change Custom:desk200 INUSE")
    await asyncio.to_thread(either.asterisk.cli, "devstate change Custom:free NOT_INUSE")
    await asyncio.to_thread(either.asterisk.cli, "devstate change Custom:away UNAVAILABLE")
    said = [
        (tool("extension_state", extension="200@people"), "200 is in a call."),
        (
            tool("queue_state", queue="support"),
            "In the queue support: callers waiting 0, agents to be reached 1, of these free 1.",
        ),
        (tool("extension_state", extension="999@people"), "cannot tell"),
        (tool("queue_state", queue="nowhere"), "cannot tell"),
    ]
    for number, (question, answer) in enumerate(said):
        result = await either.call(question + "stub:say=I see.", conversation=f"q-{number}")
        assert result.status == "OK", either.gateway.tail()
        (line,) = either.gateway.lines("tool.finished", conversation=f"q-{number}")
        assert answer in line["tool_result"]


# -- discarded


async def test_a_caller_who_hangs_up_and_a_deadline_that_passes_leave_nothing_done(either: Pbx) -> None:
    skip = either.gateway.seen
    async with Person() as person:
        said = tool("transfer_call", target="233@people") + "stub:say=One moment. stub:delay=2"
        gone = await either.call(said, hangup_after=0.6, headers={"X-Person": person.uri})
        late = await either.call(said, ai_timeout=0.7, headers={"X-Person": person.uri})
        await asyncio.sleep(0.5)
    assert gone.end is End.HUNG_UP
    assert (late.status, late.variables["AI_ACTION"], late.variables["AI_ACTION_DONE"]) == ("TIMEOUT", "", "")
    assert person.methods == []
    assert either.gateway.lines("action.done", skip=skip) == []
