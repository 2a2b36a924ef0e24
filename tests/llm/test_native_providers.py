"""Gemini and Anthropic with their own libraries, against the stub."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.messages import HumanMessage
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
from lab.providers.answer import Answer, Fault, StubToolCall
from lab.providers.gemini_wire import signature
from lab.providers.server import WRONG_KEY, StubProviders
from tests.llm.conftest import MakeModels
from tests.llm.test_wire import say

NATIVE = pytest.mark.parametrize("provider", ["gemini", "anthropic"])


@NATIVE
async def test_text_and_usage_come_through(
    stub_models: MakeModels, stub_providers: StubProviders, provider: str
) -> None:
    models = stub_models()
    stub_providers.script([Answer(text="Grüße, 世界! " * 9, piece=7, usage=(12, 34))])
    answer = await say(models.chat_model(models.resolve(provider)))
    assert answer.text == "Grüße, 世界! " * 9
    assert answer.usage_metadata is not None
    assert (answer.usage_metadata["input_tokens"], answer.usage_metadata["output_tokens"]) == (12, 34)


@NATIVE
async def test_a_turn_with_parallel_tools_ends_with_their_results(
    stub_models: MakeModels, stub_providers: StubProviders, order_tool: StructuredTool, provider: str
) -> None:
    models = stub_models()
    agent: Any = create_agent(models.chat_model(models.resolve(provider)), [order_tool], system_prompt="Be brief.")
    calls = (StubToolCall("get_order", {"order_id": "A1"}), StubToolCall("get_order", {"order_id": "B2"}))
    stub_providers.script([Answer(tool_calls=calls)])
    end = await agent.ainvoke({"messages": [HumanMessage("Where are my orders?")]})
    assert "A1" in end["messages"][-1].text
    assert "B2" in end["messages"][-1].text


async def test_gemini_gets_its_thought_signatures_back(
    stub_models: MakeModels, stub_providers: StubProviders, order_tool: StructuredTool
) -> None:
    models = stub_models()
    agent: Any = create_agent(models.chat_model(models.resolve("gemini")), [order_tool])
    await agent.ainvoke({"messages": [HumanMessage('stub:tool=get_order{"order_id": "A1"}')]})
    parts = [part for content in stub_providers.requests[-1].body["contents"] for part in content["parts"]]
    assert [part["thoughtSignature"] for part in parts if "functionCall" in part] == [signature("get_order")]


async def test_what_is_sent_to_gemini(stub_models: MakeModels, stub_providers: StubProviders) -> None:
    models = stub_models()
    await say(models.chat_model(models.resolve("gemini"), ModelOptions(0.3, 77)))
    sent = stub_providers.requests[-1]
    assert sent.path == "/v1beta/models/gemini-3.5-flash-lite:streamGenerateContent"
    config = sent.body["generationConfig"]
    assert config["maxOutputTokens"] == 77
    # The SDK writes thinking_level; Google's JSON takes either form.
    assert [str(level).lower() for level in config["thinkingConfig"].values()] == ["minimal"]
    assert "temperature" not in config
    await say(models.chat_model(models.resolve("gemini:gemini-3.5-flash"), ModelOptions(0.3, 77)))
    assert stub_providers.requests[-1].body["generationConfig"]["temperature"] == 0.3


async def test_what_is_sent_to_anthropic(stub_models: MakeModels, stub_providers: StubProviders) -> None:
    models = stub_models(anthropic_base_url=f"{stub_providers.url}/v1")
    await say(models.chat_model(models.resolve("anthropic"), ModelOptions(0.3)))
    sent = stub_providers.requests[-1].body
    assert sent["max_tokens"] == 500
    assert sent["thinking"] == {"type": "disabled"}
    assert "temperature" not in sent
    await say(models.chat_model(models.resolve("anthropic:claude-haiku-4-5"), ModelOptions(0.3)))
    assert stub_providers.requests[-1].body["temperature"] == 0.3


@NATIVE
@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, ProviderRefused),
        (401, ProviderUnauthorized),
        (403, ProviderUnauthorized),
        (404, ProviderRefused),
        (429, ProviderRateLimited),
        (500, ProviderUnavailable),
        (503, ProviderUnavailable),
    ],
)
async def test_an_http_error_becomes_one_of_ours_and_is_not_retried(
    stub_models: MakeModels, stub_providers: StubProviders, provider: str, status: int, kind: type[ProviderError]
) -> None:
    models = stub_models()
    stub_providers.script([Answer(text="No luck today.", status=status, retry_after=7 if status == 429 else None)])
    with pytest.raises(kind, match="No luck today") as caught:
        await say(models.chat_model(models.resolve(provider)))
    assert (caught.value.status, caught.value.provider) == (status, provider)
    assert caught.value.retry_after == (7 if status == 429 else None)
    assert len(stub_providers.requests) == 1


async def test_googles_own_retry_delay_is_understood(stub_models: MakeModels, stub_providers: StubProviders) -> None:
    models = stub_models()
    stub_providers.script([Answer(status=429)])
    with pytest.raises(ProviderRateLimited) as caught:
        await say(models.chat_model(models.resolve("gemini")))
    assert caught.value.retry_after == 17


@NATIVE
async def test_a_wrong_key_is_named_by_its_setting_and_not_repeated(stub_models: MakeModels, provider: str) -> None:
    setting = f"{provider}_api_key"
    models = stub_models(**{setting: WRONG_KEY})
    with pytest.raises(ProviderUnauthorized, match=setting.upper()) as caught:
        await say(models.chat_model(models.resolve(provider)))
    assert WRONG_KEY not in str(caught.value)


@NATIVE
@pytest.mark.parametrize("fault", ["half", "unfinished", "nonsense", "nothing", "html"])
async def test_an_answer_that_is_none_is_nonsense(
    stub_models: MakeModels, stub_providers: StubProviders, provider: str, fault: Fault
) -> None:
    models = stub_models()
    stub_providers.script([Answer(text="This will not arrive whole.", piece=5, fault=fault)])
    with pytest.raises(ProviderNonsense):
        await say(models.chat_model(models.resolve(provider)))


@NATIVE
async def test_a_tool_call_that_cannot_be_read_is_no_tool_call(
    stub_models: MakeModels, stub_providers: StubProviders, order_tool: StructuredTool, provider: str
) -> None:
    models = stub_models()
    stub_providers.script([Answer(tool_calls=(StubToolCall("get_order", {"order_id": "A1042"}),), fault="truncated")])
    answer = await say(models.chat_model(models.resolve(provider)).bind_tools([order_tool]))
    assert answer.tool_calls == []
    # Gemini sends nothing of it but a finish reason.
    assert answer.invalid_tool_calls or answer.response_metadata["finish_reason"] == "MALFORMED_FUNCTION_CALL"


@NATIVE
async def test_tool_calls_of_an_answer_that_hit_the_limit_do_not_come_through(
    stub_models: MakeModels, stub_providers: StubProviders, order_tool: StructuredTool, provider: str
) -> None:
    models = stub_models()
    stub_providers.script([Answer(tool_calls=(StubToolCall("get_order", {"order_id": "A1042"}),), fault="length")])
    answer = await say(models.chat_model(models.resolve(provider)).bind_tools([order_tool]))
    assert answer.tool_calls == []
    reason = answer.response_metadata.get("finish_reason") or answer.response_metadata.get("stop_reason")
    assert str(reason).lower() == "max_tokens"


@NATIVE
async def test_a_server_that_is_down_cannot_be_reached(
    stub_models: MakeModels, unused_tcp_port: int, provider: str
) -> None:
    models = stub_models(**{f"{provider}_base_url": f"http://127.0.0.1:{unused_tcp_port}"})
    await models.warm(models.resolve(provider))
    with pytest.raises(ProviderUnavailable, match="cannot be reached"):
        await asyncio.wait_for(say(models.chat_model(models.resolve(provider))), 1)


@NATIVE
async def test_cancelling_closes_the_request_within_milliseconds(
    stub_models: MakeModels, stub_providers: StubProviders, provider: str
) -> None:
    models = stub_models()
    model = models.chat_model(models.resolve(provider))
    stub_providers.script([Answer(), Answer(text="x" * 400, piece=1, gap=0.05)])
    await say(model)
    task = asyncio.create_task(say(model))
    await stub_providers.received(2)
    await asyncio.sleep(0.1)
    cancelled_at = asyncio.get_running_loop().time()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    record = stub_providers.requests[-1]
    await asyncio.wait_for(record.closed.wait(), 1)
    assert record.closed_at is not None
    assert record.closed_at - cancelled_at < 0.1
