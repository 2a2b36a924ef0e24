"""Chat completions on the wire: our thin model and ChatOpenAI must do the same with every answer of a server."""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing
from typing import Any, cast

import pytest
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage, SystemMessage, ToolMessage
from langchain_core.tools import StructuredTool

from app.llm.errors import (
    ProviderError,
    ProviderNonsense,
    ProviderRateLimited,
    ProviderRefused,
    ProviderUnauthorized,
    ProviderUnavailable,
)
from app.llm.interface import ModelOptions
from app.llm.wire import OpenAIWireModel
from lab.providers.answer import Answer, Fault, StubToolCall
from lab.providers.server import WRONG_KEY, StubProviders
from tests.llm.conftest import MakeModels

MakeModel = Any


@pytest.fixture(params=["direct", "langchain"])
def make_model(request: pytest.FixtureRequest, stub_models: MakeModels) -> MakeModel:
    """Makes the chat model of either client."""

    def make(name: str = "openai", options: ModelOptions | None = None, **more: Any) -> BaseChatModel:
        models = stub_models(openai_client=request.param, **more)
        model = models.chat_model(models.resolve(name), options)
        assert isinstance(model, OpenAIWireModel) == (request.param == "direct")
        return model

    return make


async def say(model: Any, words: Any = "Hello", **bound: Any) -> AIMessageChunk:
    """The whole streamed answer."""
    whole: AIMessageChunk | None = None
    async for chunk in model.astream(words, **bound):
        whole = chunk if whole is None else cast("AIMessageChunk", whole + chunk)
    assert whole is not None
    return whole


async def test_text_usage_and_finish_reason_come_through(make_model: MakeModel, stub_providers: StubProviders) -> None:
    stub_providers.script([Answer(text="Grüße, 世界! " * 20, piece=7, usage=(12, 34))])
    answer = await say(make_model())
    assert answer.text == "Grüße, 世界! " * 20
    assert answer.response_metadata["finish_reason"] == "stop"
    assert answer.usage_metadata is not None
    assert (answer.usage_metadata["input_tokens"], answer.usage_metadata["output_tokens"]) == (12, 34)


async def test_text_arrives_while_the_answer_is_still_being_made(
    make_model: MakeModel, stub_providers: StubProviders
) -> None:
    stub_providers.script([Answer(text="one two three", piece=4, gap=0.02)])
    texts = [chunk.text async for chunk in make_model().astream("Hello") if chunk.text]
    assert len(texts) >= 3
    assert "".join(texts) == "one two three"


async def test_parallel_tool_calls_come_through(
    make_model: MakeModel, stub_providers: StubProviders, order_tool: StructuredTool
) -> None:
    calls = (StubToolCall("get_order", {"order_id": "A1"}), StubToolCall("get_order", {"order_id": "B2"}))
    stub_providers.script([Answer(text="One moment.", tool_calls=calls)])
    answer = await say(make_model().bind_tools([order_tool]))
    assert answer.text == "One moment."
    assert [(call["name"], call["args"]) for call in answer.tool_calls] == [(c.name, c.arguments) for c in calls]
    assert len({call["id"] for call in answer.tool_calls}) == 2
    assert answer.invalid_tool_calls == []


async def test_without_a_stream_the_answer_is_the_same(make_model: MakeModel, order_tool: StructuredTool) -> None:
    answer = await make_model().bind_tools([order_tool]).ainvoke('stub:tool=get_order{"order_id": "A1"} stub:say=Wait.')
    assert answer.text == "Wait."
    assert answer.tool_calls[0]["args"] == {"order_id": "A1"}
    assert answer.response_metadata["finish_reason"] == "tool_calls"


async def test_the_request_is_the_same_for_both(
    make_model: MakeModel, stub_providers: StubProviders, order_tool: StructuredTool
) -> None:
    history = [
        SystemMessage("Be brief."),
        HumanMessage("Where is A1?"),
        AIMessage("", tool_calls=[{"name": "get_order", "args": {"order_id": "A1"}, "id": "c1", "type": "tool_call"}]),
        ToolMessage('{"status": "shipped"}', tool_call_id="c1", name="get_order"),
        AIMessage("It is on its way."),
        HumanMessage("Thanks"),
    ]
    await say(make_model(options=ModelOptions(0.3, 77)).bind_tools([order_tool], tool_choice="any"), history)
    sent = stub_providers.requests[-1].body
    arguments = sent["messages"][2]["tool_calls"][0]["function"].pop("arguments")
    assert arguments.replace(" ", "") == '{"order_id":"A1"}'
    function = {"id": "c1", "type": "function", "function": {"name": "get_order"}}
    assert sent["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Where is A1?"},
        {"role": "assistant", "content": None, "tool_calls": [function]},
        {"role": "tool", "tool_call_id": "c1", "content": '{"status": "shipped"}'},
        {"role": "assistant", "content": "It is on its way."},
        {"role": "user", "content": "Thanks"},
    ]
    assert sent["tools"][0]["function"]["name"] == "get_order"
    assert sent["tools"][0]["function"]["parameters"]["required"] == ["order_id"]
    assert (sent["tool_choice"], sent["model"], sent["stream"]) == ("required", "gpt-6-luna", True)
    assert sent["stream_options"] == {"include_usage": True}
    assert (sent["max_completion_tokens"], sent["reasoning_effort"]) == (77, "none")
    assert "temperature" not in sent
    assert "strict" not in sent["tools"][0]["function"]


async def test_a_compatible_server_gets_the_older_parameters_and_its_key(
    make_model: MakeModel, stub_providers: StubProviders
) -> None:
    server = {"base_url": stub_providers.openai_url, "model": "llama3.2:3b", "api_key": "token-of-vllm"}
    model = make_model("vllm", ModelOptions(0.3, 77), openai_compatible_providers={"vllm": server})
    await say(model)
    sent = stub_providers.requests[-1]
    assert (sent.body["max_tokens"], sent.body["temperature"]) == (77, 0.3)
    assert not {"max_completion_tokens", "reasoning_effort"} & sent.body.keys()
    assert sent.headers["Authorization"] == "Bearer token-of-vllm"
    assert sent.body["model"] == "llama3.2:3b"


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, ProviderRefused),
        (401, ProviderUnauthorized),
        (403, ProviderUnauthorized),
        (404, ProviderRefused),
        (422, ProviderRefused),
        (429, ProviderRateLimited),
        (500, ProviderUnavailable),
        (503, ProviderUnavailable),
    ],
)
async def test_an_http_error_becomes_one_of_ours(
    make_model: MakeModel, stub_providers: StubProviders, status: int, kind: type[ProviderError]
) -> None:
    stub_providers.script([Answer(text="No luck today.", status=status, retry_after=7 if status == 429 else None)])
    with pytest.raises(kind, match="No luck today") as caught:
        await say(make_model())
    assert (caught.value.status, caught.value.provider) == (status, "openai")
    assert caught.value.retry_after == (7 if status == 429 else None)
    assert len(stub_providers.requests) == 1, "nothing is retried behind the agent's back"


async def test_no_key_is_ever_in_a_message(make_model: MakeModel, stub_providers: StubProviders) -> None:
    with pytest.raises(ProviderUnauthorized, match="OPENAI_API_KEY") as caught:
        await say(make_model(openai_api_key=WRONG_KEY))
    assert WRONG_KEY not in str(caught.value)
    stub_providers.script([Answer(text="Incorrect API key provided: sk-proj-abcdefghij****wxyz.", status=401)])
    with pytest.raises(ProviderUnauthorized) as caught:
        await say(make_model())
    assert "abcdefghij" not in str(caught.value)
    assert "wxyz" not in str(caught.value)


@pytest.mark.parametrize("fault", ["half", "unfinished", "nonsense", "nothing", "html"])
async def test_an_answer_that_is_none_is_nonsense(
    make_model: MakeModel, stub_providers: StubProviders, fault: Fault
) -> None:
    stub_providers.script([Answer(text="This will not arrive whole.", piece=5, fault=fault)])
    with pytest.raises(ProviderNonsense) as caught:
        await say(make_model())
    assert caught.value.retryable


async def test_an_error_in_the_middle_of_the_stream_is_the_providers(
    make_model: MakeModel, stub_providers: StubProviders
) -> None:
    stub_providers.script([Answer(text="Well then.", piece=4, fault="error_event")])
    with pytest.raises(ProviderUnavailable, match="The server had an error"):
        await say(make_model())


async def test_a_tool_call_with_cut_arguments_comes_through_as_an_invalid_one(
    make_model: MakeModel, stub_providers: StubProviders, order_tool: StructuredTool
) -> None:
    call = StubToolCall("get_order", {"order_id": "A1042"})
    stub_providers.script([Answer(tool_calls=(call,), fault="truncated")])
    answer = await say(make_model().bind_tools([order_tool]))
    assert answer.tool_calls == []
    assert [each["name"] for each in answer.invalid_tool_calls] == ["get_order"]


async def test_tool_calls_of_an_answer_that_hit_the_limit_do_not_come_through(
    make_model: MakeModel, stub_providers: StubProviders, order_tool: StructuredTool
) -> None:
    call = StubToolCall("get_order", {"order_id": "A1042"})
    stub_providers.script([Answer(tool_calls=(call,), fault="length")])
    answer = await say(make_model().bind_tools([order_tool]))
    assert answer.response_metadata["finish_reason"] == "length"
    assert (answer.tool_calls, answer.invalid_tool_calls) == ([], [])


async def test_the_content_filter_is_a_finish_reason(make_model: MakeModel, stub_providers: StubProviders) -> None:
    stub_providers.script([Answer(text="As I was", fault="filter")])
    answer = await say(make_model())
    assert (answer.text, answer.response_metadata["finish_reason"]) == ("As I was", "content_filter")


async def test_an_empty_answer_is_an_answer(make_model: MakeModel, stub_providers: StubProviders) -> None:
    stub_providers.script([Answer(fault="empty")])
    answer = await say(make_model())
    assert (answer.text, answer.response_metadata["finish_reason"]) == ("", "stop")


async def test_100_kb_come_through(make_model: MakeModel, stub_providers: StubProviders) -> None:
    stub_providers.script([Answer(fault="huge", piece=400)])
    assert len((await say(make_model())).text) > 100_000


async def test_an_endless_answer_is_stopped(make_model: MakeModel, stub_providers: StubProviders) -> None:
    stub_providers.script([Answer(text="on and on " * 400, piece=4000, fault="endless")])
    with pytest.raises(ProviderNonsense, match="more than 400,000 characters"):
        await say(make_model())


async def test_a_server_that_hangs_up_at_once_cannot_be_reached(
    make_model: MakeModel, stub_providers: StubProviders
) -> None:
    stub_providers.default = Answer(fault="close")
    with pytest.raises(ProviderUnavailable, match="cannot be reached"):
        await say(make_model())


async def test_a_server_that_is_down_cannot_be_reached(make_model: MakeModel, unused_tcp_port: int) -> None:
    with pytest.raises(ProviderUnavailable, match="cannot be reached"):
        await say(make_model(openai_base_url=f"http://127.0.0.1:{unused_tcp_port}/v1"))


@pytest.mark.parametrize("when", ["before the first byte", "in the middle"])
async def test_cancelling_closes_the_request_within_milliseconds(
    make_model: MakeModel, stub_providers: StubProviders, when: str
) -> None:
    hangs = Answer(fault="hang") if when == "before the first byte" else Answer(text="x" * 400, piece=1, gap=0.05)
    stub_providers.script([Answer(), hangs])
    model = make_model()
    await say(model)  # so that imports and the handshake are not measured
    task = asyncio.create_task(say(model))
    await stub_providers.received(2)
    await asyncio.sleep(0.1)
    loop = asyncio.get_running_loop()
    cancelled_at = loop.time()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    record = stub_providers.requests[-1]
    await asyncio.wait_for(record.closed.wait(), 1)
    assert record.closed_at is not None
    assert record.closed_at - cancelled_at < 0.1


async def test_closing_the_stream_closes_the_request(make_model: MakeModel, stub_providers: StubProviders) -> None:
    stub_providers.script([Answer(text="x" * 400, piece=1, gap=0.02)])
    async with aclosing(make_model().astream("Hello")) as stream:
        async for chunk in stream:
            if chunk.text:
                break
    await asyncio.wait_for(stub_providers.requests[-1].closed.wait(), 1)


async def test_turns_share_one_connection(make_model: MakeModel, stub_providers: StubProviders) -> None:
    model = make_model()
    for _ in range(4):
        await say(model)
    await say(model, 'stub:tool=get_order{"order_id": "A1"} stub:gap=2ms')
    assert stub_providers.connections == 1


async def test_warming_opens_the_connection_that_the_turn_uses(
    stub_models: MakeModels, stub_providers: StubProviders
) -> None:
    for provider in ("openai", "gemini", "anthropic"):
        models = stub_models()
        before = stub_providers.connections
        await models.warm(models.resolve(provider))
        assert stub_providers.connections == before + 1
        await say(models.chat_model(models.resolve(provider)))
        assert stub_providers.connections == before + 1, provider


@pytest.mark.parametrize(
    "words", [b"data: {oops\n\n", b'data: {"usage": {"prompt_tokens": "many"}}\n\n', b"data: [DONE]\n\n"]
)
async def test_an_answer_does_not_wait_long_for_an_end_that_does_not_come(
    stub_models: MakeModels, words: bytes
) -> None:
    whole = b'data: {"choices": [{"delta": {"content": "Hi."}, "finish_reason": "stop"}]}\n\n'
    hung_up = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 9999\r\n\r\n" + whole)
        await asyncio.sleep(0.02)
        writer.write(words)
        while await reader.read(1000):
            pass
        hung_up.set()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        models = stub_models(openai_base_url=f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1")
        started = time.perf_counter()
        assert (await say(models.chat_model(models.resolve("openai")))).text == "Hi."
        assert time.perf_counter() - started < (0.3 if b"DONE" in words else 0.9)
        await asyncio.wait_for(hung_up.wait(), 1)


async def test_a_prompt_of_more_than_a_megabyte_is_sent(make_model: MakeModel, stub_providers: StubProviders) -> None:
    await say(make_model(), "words " * 250_000)
    assert len(stub_providers.requests[-1].body["messages"][0]["content"]) == 1_500_000
