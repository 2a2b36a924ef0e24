"""The stub providers: what they can be asked to do, and that the real libraries understand them."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from typing import Any

import aiohttp
import pytest
from langchain_anthropic import ChatAnthropic
from langchain_core.messages import AIMessageChunk, HumanMessage, SystemMessage
from langchain_google_genai import ChatGoogleGenerativeAI
from langchain_openai import ChatOpenAI

from lab.providers.answer import Answer, BadDirective, StubToolCall, from_words
from lab.providers.server import WRONG_KEY, StubProviders
from tests.fixtures.providers import stub_providers  # noqa: F401 - until it is loaded as a plugin

TOOL = {
    "type": "function",
    "function": {
        "name": "get_order",
        "description": "Looks up an order.",
        "parameters": {"type": "object", "properties": {"order_id": {"type": "string"}}, "required": ["order_id"]},
    },
}


def test_words_choose_the_answer() -> None:
    words = 'Where is it? stub:delay=200ms stub:gap=1.5s stub:tool=get_order{"order_id": "A1, B2"} stub:tool=ping'
    assert from_words(words, Answer()) == Answer(
        delay=0.2, gap=1.5, tool_calls=(StubToolCall("get_order", {"order_id": "A1, B2"}), StubToolCall("ping"))
    )
    assert from_words("stub:status=429 stub:retry_after=3", Answer()) == Answer(status=429, retry_after=3)
    assert from_words("stub:fault=half stub:say=Hello there", Answer()) == Answer(fault="half", text="Hello there")
    assert from_words("no such words", Answer()) is None


@pytest.mark.parametrize(
    "words", ["stub:fault=typo", "stub:status=high", "stub:delay=soon", "stub:nothing=1", "stub:tool={"]
)
def test_a_typing_error_does_not_pass_for_an_answer(words: str) -> None:
    with pytest.raises(BadDirective):
        from_words(words, Answer())


def real_models(stub: StubProviders) -> list[Any]:
    return [
        ChatOpenAI(model="gpt-test", base_url=stub.openai_url, api_key="k", max_retries=0, stream_usage=True),
        ChatGoogleGenerativeAI(model="gemini-test", base_url=stub.url, api_key="k", max_retries=1),
        ChatAnthropic(model="claude-test", base_url=stub.url, api_key="k", max_retries=0, max_tokens=100),
    ]


async def close(models: list[Any]) -> None:
    openai, gemini, anthropic = models
    await openai.root_async_client.close()
    openai.root_client.close()
    await gemini.aclose()
    await anthropic._async_client.close()
    anthropic._client.close()


# google-genai subclasses aiohttp's session, as long as nobody hands it a client.
@pytest.mark.filterwarnings("ignore:Inheritance class Aiohttp")
async def test_the_real_libraries_understand_text_and_tool_calls_streamed_and_not(
    stub_providers: StubProviders,  # noqa: F811
) -> None:
    models = real_models(stub_providers)
    try:
        for model in models:
            whole = await model.ainvoke("stub:say=Hello there")
            assert (whole.text, whole.usage_metadata["output_tokens"]) == ("Hello there", 9)
            told = [SystemMessage("Be kind. stub:say=From the prompt. stub:piece=4"), HumanMessage("Hello")]
            assert (await model.ainvoke(told)).text == "From the prompt."
            call = 'stub:tool=get_order{"order_id": "A1"} stub:tool=get_order{"order_id": "B2"} stub:say=One moment.'
            bound = model.bind_tools([TOOL])
            answered = [await bound.ainvoke(call), await streamed(bound, call)]
            for answer in answered:
                assert answer.text == "One moment."
                assert [c["args"] for c in answer.tool_calls] == [{"order_id": "A1"}, {"order_id": "B2"}]
                assert answer.usage_metadata["input_tokens"] == 25
    finally:
        await close(models)


async def streamed(model: Any, words: str) -> Any:
    whole: AIMessageChunk | None = None
    async for chunk in model.astream(words):
        whole = chunk if whole is None else whole + chunk
    return whole


async def ask(
    stub: StubProviders, words: str, model: str = "m", key: str = "k", stream: bool = True, told: str = ""
) -> tuple[int, bytes]:
    messages = [{"role": "system", "content": told}, {"role": "user", "content": words}]
    body = {"model": model, "stream": stream, "messages": messages}
    async with (
        aiohttp.ClientSession() as session,
        session.post(
            f"{stub.openai_url}/chat/completions", json=body, headers={"Authorization": f"Bearer {key}"}
        ) as response,
    ):
        return response.status, await response.read()


async def test_a_script_goes_before_words_and_words_before_the_model_name(
    stub_providers: StubProviders,  # noqa: F811
) -> None:
    stub_providers.script([Answer(status=503)])
    assert (await ask(stub_providers, "stub:status=429", model="stub:status=500"))[0] == 503
    assert (await ask(stub_providers, "stub:status=429", model="stub:status=500"))[0] == 429
    assert (await ask(stub_providers, "Hello", model="stub:status=500"))[0] == 500
    status, body = await ask(stub_providers, "Hello", stream=False)
    assert status == 200
    assert b"You said: Hello" in body


async def test_instructions_say_what_the_words_of_the_caller_leave_open(
    stub_providers: StubProviders,  # noqa: F811
) -> None:
    told = "You are the porter. stub:say=Good evening. stub:status=429"
    assert (await ask(stub_providers, "Hello", told=told))[0] == 429
    status, body = await ask(stub_providers, "Hello stub:status=200", told=told, stream=False)
    assert status == 200
    assert b"Good evening." in body


async def test_requests_are_recorded(stub_providers: StubProviders) -> None:  # noqa: F811
    await ask(stub_providers, "Hello", model="gpt-test")
    record = stub_providers.requests[-1]
    assert (record.wire, record.body["model"], record.headers["Authorization"]) == ("openai", "gpt-test", "Bearer k")
    assert record.answered_at is not None
    assert record.closed_at is None


async def test_the_wrong_key_and_a_wrong_word_are_refused(stub_providers: StubProviders) -> None:  # noqa: F811
    assert (await ask(stub_providers, "Hello", key=WRONG_KEY))[0] == 401
    assert (await ask(stub_providers, "stub:fault=typo"))[0] == 400


async def test_latency_is_kept_to_the_first_byte_and_between_pieces(stub_providers: StubProviders) -> None:  # noqa: F811
    loop = asyncio.get_running_loop()
    begun = loop.time()
    await ask(stub_providers, "stub:delay=50ms stub:gap=10ms stub:piece=1 stub:say=12345")
    assert 0.1 <= loop.time() - begun < 1


async def test_it_runs_as_a_process_of_its_own() -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "lab.providers", "--say", "Hello from outside", stdout=subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        line = (await asyncio.wait_for(process.stdout.readline(), 20)).decode()
        url = line.removeprefix("listening on ").strip()
        async with (
            aiohttp.ClientSession() as session,
            session.post(f"{url}/v1/chat/completions", json={"messages": []}) as response,
        ):
            assert "Hello from outside" in await response.text()
    finally:
        process.terminate()
        assert await process.wait() == 0
