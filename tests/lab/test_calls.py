"""Real calls through the real Asterisk, answered by the smallest possible application."""

from __future__ import annotations

import asyncio

import pytest

from lab.asterisk import Asterisk
from lab.caller import Caller, End
from tests.lab.miniature import application

pytestmark = pytest.mark.lab

TEXTS = [
    "What are your opening hours?",
    "Commas, \"quotes\", 'single', back\\slash \\n, (brackets [and {others}, 100 %, a=b; c & d | e < f >",
    "a closing bracket :-) and a colon: nothing is lost ): x",
    "${UNIQUEID} $[1+1] stays as it is",
    "Grüße aus Köln, 日本語, emoji 😀👍🏽",
    "two\nlines\tand a tab",
    "ü" * 2_000,
    "x" * 4_000,
]


@pytest.mark.parametrize("text", TEXTS, ids=lambda text: text[:15])
@pytest.mark.parametrize("version", ["forky", "bullseye"])
async def test_every_character_survives_the_way_there_and_back(
    version: str, text: str, request: pytest.FixtureRequest
) -> None:
    asterisk, caller = _lab(request, version)
    async with application(asterisk):
        result = await caller.call("100", say=text)
    assert result.end is End.COMPLETED, result.log
    assert result.status == "OK"
    assert result.response == text
    assert result.parts == ["one, two", "three"]
    assert result.variables["STASISSTATUS"] == "SUCCESS"


async def test_named_variables_and_arguments_come_back(asterisk: Asterisk, caller: Caller) -> None:
    async with application(asterisk):
        result = await caller.call(
            "100",
            say="hello",
            conversation="c-1",
            prompt="sales",
            model="openai:gpt-6-luna",
            ai_timeout=2.5,
            arguments="CUSTOMER=Smith & Sons",
            out=["AI_OUT_ARGS"],
        )
    assert result.variables["AI_OUT_ARGS"].split("|") == [
        "UNIQUEID=c-1",
        "AI_PROMPT_NAME=sales",
        "AI_MODEL=openai:gpt-6-luna",
        "AI_TIMEOUT=2.5",
        "CUSTOMER=Smith & Sons",
    ]


async def test_the_extensions_hand_the_words_over_in_their_ways(asterisk: Asterisk, caller: Caller) -> None:
    async with application(asterisk):
        ways = [
            await caller.call(extension, say='yes, "two"', raw_arguments="UNIQUEID=1,(", out=["AI_OUT_ARGS"])
            for extension in ("100", "101", "102", "103", "104")
        ]
    arguments = [way.variables["AI_OUT_ARGS"].split("|")[1:] for way in ways]
    assert arguments == [[], ["USER_INPUT_URI=yes%2C%20%22two%22"], ["USER_INPUT=yes", " two"], [], ["("]]
    assert [way.response for way in ways] == ['yes, "two"', "", "", "", 'yes, "two"']


async def test_bytes_that_are_no_text_reach_asterisk_and_come_back(caller: Caller) -> None:
    result = await caller.call("199", say=b"caf\xe9 \xff")
    assert result.response.encode("utf-8", "surrogateescape") == b"caf\xe9 \xff"


async def test_without_the_gateway_the_dialplan_goes_on(caller: Caller) -> None:
    result = await caller.call("100", say="hello")
    assert (result.end, result.status, result.variables["STASISSTATUS"]) == (End.COMPLETED, "", "FAILED")


async def test_a_caller_who_hangs_up_is_gone_from_asterisk(asterisk: Asterisk, caller: Caller) -> None:
    async with application(asterisk, delay=1) as seen:
        result = await caller.call("100", say="hello", hangup_after=0.2)
        assert (result.end, result.status, result.code) == (End.HUNG_UP, "", 200)
        async with asyncio.timeout(2):
            while "StasisEnd" not in seen:
                await asyncio.sleep(0.01)
    assert asterisk.channels() == 0


async def test_a_caller_gives_up_when_nobody_answers_in_time(asterisk: Asterisk, caller: Caller) -> None:
    async with application(asterisk, delay=1):
        result = await caller.call("100", say="hello", timeout=0.3)
    assert result.end is End.TIMEOUT
    assert "INVITE sip:100@" in result.log


async def test_a_cancelled_call_leaves_no_process(asterisk: Asterisk, caller: Caller) -> None:
    async with application(asterisk, delay=0.5):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await caller.call("100", say="hello")
    # The guard of leaked children does the rest.


async def test_an_unknown_extension_is_a_refused_call(caller: Caller) -> None:
    result = await caller.call("987", say="hello")
    assert (result.end, result.code) == (End.REFUSED, 404)


def _lab(request: pytest.FixtureRequest, version: str) -> tuple[Asterisk, Caller]:
    suffix = "" if version == "forky" else "16"
    return request.getfixturevalue(f"asterisk{suffix}"), request.getfixturevalue(f"caller{suffix}")
