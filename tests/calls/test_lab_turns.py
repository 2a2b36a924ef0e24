"""Real calls: SIPp, Asterisk 22, the gateway as a process, and a stub where the cloud would be."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from lab.caller import Caller, CallResult, End
from lab.service import Service
from tests.fixtures.tool_server import ToolServer

pytestmark = pytest.mark.lab

FALLBACK = "I am sorry, I cannot answer right now. Please try again in a moment."

# The contract: the deadline plus 250 ms. What SIPp adds to a call is measured with extension 199, and is below this.
PROMISE = 250
SIP_AND_DIALPLAN = 150


@pytest.fixture(scope="module")
def api(gateway: Service) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=gateway.url + "/api", auth=("admin", "test-password"), timeout=20) as client:
        yield client


def add_prompt(api: httpx2.Client, **fields: Any) -> None:
    answer = api.post("/prompts", json={"content": "You help.", **fields})
    assert answer.status_code in (201, 409), answer.text


def add_tool(api: httpx2.Client, name: str, url: str, timeout: float = 1.0) -> None:
    answer = api.post(
        "/tools",
        json={
            "name": name,
            "description": f"Asks {name}.",
            "parameters": {
                "type": "object",
                "properties": {"order_id": {"type": "string", "minLength": 2}},
                "required": ["order_id"],
            },
            "request": {"method": "GET", "url": url, "timeout": timeout},
        },
    )
    assert answer.status_code in (201, 409), answer.text


def assert_fallback(result: CallResult, status: str, error: str, fallback: str = FALLBACK) -> None:
    assert result.end is End.COMPLETED, result.log
    assert (result.status, result.variables["AI_ERROR"]) == (status, error)
    assert result.response == fallback
    assert result.variables["AI_RESPONSE_COUNT"] == "1"
    assert result.variables["STASISSTATUS"] == "SUCCESS"


def failure_lines(gateway: Service, conversation: str) -> list[dict[str, Any]]:
    """The lines of warning and above that name the call."""
    return [
        line
        for line in gateway.lines(conversation=conversation)
        if line["level"] in ("warning", "error", "critical") and line["event"].startswith(("turn.", "call."))
    ]


# -- what works


async def test_every_variable_of_the_contract_comes_back(gateway: Service, caller: Caller) -> None:
    result = await caller.call("100", say="stub:say=It is **open**.", conversation="c-vars")
    assert result.end is End.COMPLETED, result.log
    variables = dict(result.variables)
    assert int(variables.pop("AI_LATENCY_MS")) < 1000
    assert variables == {
        "AI_STATUS": "OK",
        "AI_RESPONSE": "It is open.",
        "AI_RESPONSE_COUNT": "1",
        "AI_RESPONSE_1": "It is open.",
        "AI_ACTION": "",
        "AI_ACTION_DATA": "",
        "AI_ACTION_COUNT": "0",
        "AI_ACTION_DONE": "",
        "AI_ACTION_FAILED": "",
        "AI_ACTION_ERROR": "",
        "AI_ERROR": "",
        "AI_MODEL_USED": "openai:gpt-6-luna",
        "AI_PROMPT_VERSION": "receptionist:1",
        "AI_TURN": "1",
        "STASISSTATUS": "SUCCESS",
    }


@pytest.mark.parametrize(
    "words",
    [
        "plain words",
        "commas, one, two,, three",
        "quotes \"double\" and 'single' and a \\ backslash",
        "a=b, USER_INPUT=c, AI_MODEL=none",
        "brackets ( [ { unbalanced",
        "dollar ${EXTEN} $[1+1] and ; semicolon # hash",
        "Grüße, 日本語, العربية, 😀",
        "two\nlines\tand a tab",
        "percent %20 + plus & ampersand",
    ],
)
@pytest.mark.parametrize("extension", ["100", "101"])
async def test_what_the_caller_said_arrives_whole(gateway: Service, caller: Caller, words: str, extension: str) -> None:
    conversation = f"c-{extension}-{abs(hash(words))}"
    result = await caller.call(extension, say=words, conversation=conversation)
    assert result.status == "OK", result.log
    (line,) = gateway.lines("turn.started", conversation=conversation)
    assert line["caller_text"] == words.strip()


async def test_commas_in_a_plain_argument_are_put_back(gateway: Service, caller: Caller) -> None:
    await caller.call("102", say="well, yes, and no", conversation="c-commas")
    (line,) = gateway.lines("turn.started", conversation="c-commas")
    assert line["caller_text"] == "well, yes, and no"


async def test_the_second_turn_knows_the_first(gateway: Service, caller: Caller) -> None:
    for number, words in enumerate(["My name is Ada.", "What is my name?"], 1):
        result = await caller.call("100", say=words, conversation="c-memory", model="demo")
        assert result.variables["AI_TURN"] == str(number)
    assert "Ada" in result.response


@pytest.mark.parametrize("model", ["openai", "gemini", "anthropic", "openai:another-model"])
async def test_the_model_is_chosen_by_the_call(gateway: Service, caller: Caller, model: str) -> None:
    result = await caller.call("100", say="stub:say=Hello there.", model=model, conversation=f"c-{model}")
    assert (result.status, result.response) == ("OK", "Hello there."), result.log
    assert result.variables["AI_MODEL_USED"].startswith(model)


async def test_a_tool_is_called_and_its_result_answers(
    gateway: Service, caller: Caller, api: httpx2.Client, tool_server: ToolServer
) -> None:
    add_tool(api, "tool_ok", tool_server.url + "/ok/{{ order_id }}")
    result = await caller.call("100", say='stub:tool=tool_ok{"order_id": "A 1&2"}', conversation="c-tool")
    assert result.status == "OK", gateway.tail()
    assert "/ok/A%201%262" in tool_server.requests, gateway.tail()
    (line,) = gateway.lines("tool.finished", conversation="c-tool")
    assert line["ok"] is True
    assert "shipped" in line["tool_result"]


async def test_an_output_schema_becomes_variables(gateway: Service, caller: Caller, api: httpx2.Client) -> None:
    add_prompt(
        api,
        name="intents",
        model="demo",
        output_schema={
            "type": "object",
            "properties": {"intent": {"type": "string", "enum": ["order", "complaint"]}},
            "required": ["intent"],
        },
    )
    result = await caller.call("100", say="I want to order.", prompt="intents", out=["AI_OUT_INTENT"])
    assert result.status == "OK", gateway.tail()
    assert result.variables["AI_OUT_INTENT"] == "order"
    assert result.response


async def test_a_transfer_goes_back_as_an_action(gateway: Service, caller: Caller, api: httpx2.Client) -> None:
    add_prompt(
        api,
        name="switchboard",
        model="demo",
        actions=[{"name": "transfer", "description": "To a human.", "targets": ["200", "300"]}],
    )
    result = await caller.call("100", say="I want to speak to a human.", prompt="switchboard")
    assert result.status == "OK", gateway.tail()
    assert result.variables["AI_ACTION"] == "transfer"
    assert result.variables["AI_ACTION_DATA"] in ("200", "300")


async def test_an_answer_of_100_kilobytes_comes_back_in_parts(gateway: Service, caller: Caller) -> None:
    result = await caller.call("100", say="stub:fault=huge", conversation="c-huge", ai_timeout=10)
    assert result.status == "OK", gateway.tail()
    assert len(result.response.encode()) <= 4000
    assert result.response.endswith(".")
    assert all(len(part.encode()) <= 1000 for part in result.parts)
    assert sum(len(part.encode()) for part in result.parts) > 90_000


# -- what goes wrong


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ("stub:status=401", "provider_unauthorized"),
        ("stub:status=429 stub:retry_after=30", "provider_rate_limited"),
        ("stub:status=500", "provider_unavailable"),
        ("stub:fault=close", "provider_unavailable"),
        ("stub:fault=half", "provider_nonsense"),
        ("stub:fault=nonsense", "provider_nonsense"),
        ("stub:fault=html", "provider_nonsense"),
        ("stub:fault=nothing", "provider_nonsense"),
        ("stub:fault=empty", "empty_answer"),
        ("stub:fault=length", "truncated_answer"),
    ],
)
@pytest.mark.parametrize("model", ["openai", "gemini", "anthropic"])
async def test_a_provider_that_fails_is_answered_by_the_fallback(
    gateway: Service, caller: Caller, words: str, error: str, model: str
) -> None:
    conversation = f"c-{model}-{words}".replace(":", "-").replace("=", "-").replace(" ", "-")
    before = gateway.seen
    result, other = await asyncio.gather(
        caller.call("100", say=f"{words} please", conversation=conversation, model=model),
        caller.call("100", say="stub:delay=300ms stub:say=All is well.", conversation=f"other-{conversation}"),
    )
    assert (other.status, other.response) == ("OK", "All is well.")
    if model != "openai" and error in ("provider_nonsense", "provider_unavailable"):
        # An SDK may know these two apart less well; the word is one of them, the sentence is the same.
        assert result.variables["AI_ERROR"] in ("provider_nonsense", "provider_unavailable", "empty_answer")
        error = result.variables["AI_ERROR"]
    assert_fallback(result, "ERROR", error)
    (line,) = failure_lines(gateway, conversation)
    assert (line["event"], line["error"]) == ("turn.failed", error)
    assert line["call"]
    assert line["detail"]
    text = json.dumps(gateway.lines(skip=before))
    assert "sk-test-openai-key" not in text
    assert "Traceback" not in text


@pytest.mark.parametrize(
    "words", ["stub:fault=hang", "stub:fault=drip stub:say=" + "x" * 200, "stub:fault=endless stub:gap=50ms"]
)
@pytest.mark.parametrize("model", ["openai", "gemini", "anthropic"])
async def test_a_provider_that_takes_too_long_is_a_timeout_in_time(
    gateway: Service, caller: Caller, words: str, model: str
) -> None:
    result = await caller.call("100", say=words, model=model, ai_timeout=1)
    assert_fallback(result, "TIMEOUT", "turn_timeout")
    assert 1000 <= result.milliseconds <= 1000 + PROMISE + SIP_AND_DIALPLAN


@pytest.mark.parametrize("path", ["hang", "html", "500", "10mb", "nonsense"])
async def test_a_tool_that_misbehaves_does_not_cost_the_answer(
    gateway: Service, caller: Caller, api: httpx2.Client, tool_server: ToolServer, path: str
) -> None:
    name = f"tool_{path}"
    add_tool(api, name, f"{tool_server.url}/{path}", timeout=0.5)
    conversation = f"c-{name}"
    result = await caller.call("100", say=f'stub:tool={name}{{"order_id": "A1"}}', conversation=conversation)
    assert result.status == "OK", gateway.tail()
    assert result.response
    (line,) = gateway.lines("tool.finished", conversation=conversation)
    assert line["ok"] is (path in ("html", "nonsense")), line
    assert len(line["tool_result"]) < 10_000
    assert "hunter22" not in result.response


async def test_arguments_that_do_not_match_the_schema_are_not_sent(
    gateway: Service, caller: Caller, api: httpx2.Client, tool_server: ToolServer
) -> None:
    add_tool(api, "tool_ok", tool_server.url + "/ok/{{ order_id }}")
    before = len(tool_server.requests)
    result = await caller.call("100", say='stub:tool=tool_ok{"order_id": 7}', conversation="c-schema")
    assert result.status == "OK", gateway.tail()
    assert len(tool_server.requests) == before
    (line,) = gateway.lines("tool.finished", conversation="c-schema")
    assert line["error"] == "tool_arguments_invalid"


async def test_truncated_arguments_of_a_tool_are_never_run(
    gateway: Service, caller: Caller, api: httpx2.Client, tool_server: ToolServer
) -> None:
    add_tool(api, "tool_ok", tool_server.url + "/ok/{{ order_id }}")
    before = len(tool_server.requests)
    words = 'stub:fault=length stub:tool=tool_ok{"order_id": "A1234567"}'
    result = await caller.call("100", say=words, conversation="c-cut")
    assert_fallback(result, "ERROR", "truncated_answer")
    assert len(tool_server.requests) == before


async def test_nothing_said_is_no_input(gateway: Service, caller: Caller) -> None:
    assert_fallback(await caller.call("103", conversation="c-none"), "NO_INPUT", "no_input")


async def test_an_unknown_prompt_is_no_prompt(gateway: Service, caller: Caller) -> None:
    result = await caller.call("100", say="hi", prompt="nobody", conversation="c-noprompt")
    assert_fallback(result, "NO_PROMPT", "prompt_not_found")
    (line,) = failure_lines(gateway, "c-noprompt")
    assert "receptionist" in line["detail"]  # it says which prompts there are


@pytest.mark.parametrize("model", ["nobody", "nobody:x", ":", "gemini-3.5"])
async def test_an_unknown_model_is_an_error_with_a_word(gateway: Service, caller: Caller, model: str) -> None:
    assert_fallback(await caller.call("100", say="hi", model=model), "ERROR", "unknown_model")


async def test_the_prompts_own_fallback_and_deadline_are_used(
    gateway: Service, caller: Caller, api: httpx2.Client
) -> None:
    add_prompt(api, name="hasty", timeout=1, fallback="One moment please.")
    result = await caller.call("100", say="stub:fault=hang", prompt="hasty")
    assert_fallback(result, "TIMEOUT", "turn_timeout", "One moment please.")
    assert result.milliseconds <= 1000 + PROMISE + SIP_AND_DIALPLAN


async def test_a_prompt_of_a_megabyte_works(gateway: Service, caller: Caller, api: httpx2.Client) -> None:
    add_prompt(api, name="megabyte", content="You help. " * 100_000)
    result = await caller.call("100", say="stub:say=Fine.", prompt="megabyte")
    assert (result.status, result.response) == ("OK", "Fine."), gateway.tail()


@pytest.mark.parametrize(
    "raw",
    [
        "",
        ",,,,,",
        "=",
        "=x,=y",
        "nonsense",
        "USER_INPUT",
        'USER_INPUT="hello, AI_MODEL=openai',
        "USER_INPUT=((([[[",
        "UNIQUEID=,USER_INPUT=,AI_TIMEOUT=soon",
        "A=" + ",B=".join(map(str, range(200))),
        "USER_INPUT=" + "long, " * 600,
    ],
)
async def test_a_broken_list_of_arguments_is_answered(gateway: Service, caller: Caller, raw: str) -> None:
    result = await caller.call("104", raw_arguments=raw)
    assert result.end is End.COMPLETED, result.log
    assert result.status in ("OK", "NO_INPUT"), gateway.tail()
    assert result.response


NO_UTF8 = b"caf\xe9 \xff\xfe"


async def test_a_variable_that_is_no_utf8_is_named_in_the_log(gateway: Service, caller: Caller) -> None:
    result = await caller.call("100", say=NO_UTF8, conversation="c-bytes-100")
    assert_fallback(result, "NO_INPUT", "unreadable_input")
    (line,) = failure_lines(gateway, "c-bytes-100")
    assert "UTF-8" in line["detail"]


async def test_encoded_words_that_are_no_utf8_are_answered(gateway: Service, caller: Caller) -> None:
    result = await caller.call("101", say=NO_UTF8, conversation="c-bytes-101")
    assert result.status == "OK", gateway.tail()
    (line,) = gateway.lines("turn.started", conversation="c-bytes-101")
    assert line["caller_text"] == "caf\ufffd \ufffd\ufffd"


async def test_an_argument_that_is_no_utf8_never_reaches_us_and_the_dialplan_goes_on(
    gateway: Service, caller: Caller
) -> None:
    result = await caller.call("102", say=NO_UTF8, conversation="c-bytes-102")
    assert result.end is End.COMPLETED, result.log
    assert result.variables["STASISSTATUS"] == "FAILED"
    assert result.status == ""
    assert result.milliseconds < 1000


async def test_a_caller_who_hangs_up_cancels_the_model(gateway: Service, caller: Caller) -> None:
    result = await caller.call("100", say="stub:fault=hang", conversation="c-hangup", hangup_after=0.5)
    assert result.end is End.HUNG_UP, result.log
    line = await gateway.wait_for("turn.abandoned", 2, conversation="c-hangup")
    assert line["elapsed_ms"] < 1000


async def test_nothing_is_left_behind(gateway: Service, caller: Caller, api: httpx2.Client) -> None:
    status = api.get("/status").json()
    assert status["calls"]["active"] == 0, status
    assert gateway.lines("call.unexpected_error") == []
    assert gateway.lines("turn.unexpected_error") == []
