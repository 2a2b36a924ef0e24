"""Connections that are kept, and those that were closed behind our back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from app.llm.connection import KEEP_ALIVE
from app.llm.errors import ProviderUnavailable
from lab.providers.answer import Answer
from lab.providers.server import StubProviders
from tests.llm.conftest import MakeModels
from tests.llm.test_wire import say

BODY = b'data: {"choices": [{"index": 0, "delta": {"content": "Hi"}, "finish_reason": "stop"}]}\n\ndata: [DONE]\n\n'
RESPONSE = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: %d\r\n\r\n%s" % (len(BODY), BODY)


class ForgetfulServer:
    """Answers the first request of each connection; when the second one comes, it closes without a word."""

    def __init__(self) -> None:
        self.connections = 0
        self.requests = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        self.connections += 1
        try:
            for number in range(2):
                head = await reader.readuntil(b"\r\n\r\n")
                length = next(
                    int(line.split(b":")[1])
                    for line in head.split(b"\r\n")
                    if line.lower().startswith(b"content-length")
                )
                await reader.readexactly(length)
                self.requests += 1
                if number == 0:
                    writer.write(RESPONSE)
                    await writer.drain()
        except asyncio.IncompleteReadError:
            pass
        finally:
            writer.close()


@pytest.fixture
async def forgetful() -> AsyncIterator[tuple[ForgetfulServer, str]]:
    """The server and its address."""
    made = ForgetfulServer()
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    yield made, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    server.close()
    await asyncio.sleep(0.01)


async def test_a_kept_connection_that_the_server_closes_costs_the_caller_nothing(
    stub_models: MakeModels, forgetful: tuple[ForgetfulServer, str]
) -> None:
    server, url = forgetful
    models = stub_models(openai_base_url=url)
    model = models.chat_model(models.default)
    for _ in range(3):
        assert (await say(model)).text == "Hi"
    assert server.connections == 3
    await models.aclose()


async def test_an_answer_does_not_wait_for_statistics_that_never_come(stub_models: MakeModels) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        event = BODY.partition(b"data: [DONE]")[0]
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        writer.write(b"%x\r\n%s\r\n" % (len(event), event))
        await writer.drain()
        await reader.read()  # the end that never comes; until the client closes
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        models = stub_models(openai_base_url=f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1")
        answer = await asyncio.wait_for(say(models.chat_model(models.default)), 2)
        assert answer.text == "Hi"
        assert answer.usage_metadata is None
        await models.aclose()
        await asyncio.sleep(0.01)


async def test_a_server_that_always_closes_is_asked_twice_and_no_more(
    stub_models: MakeModels, stub_providers: StubProviders
) -> None:
    stub_providers.default = Answer(fault="close")
    models = stub_models()
    with pytest.raises(ProviderUnavailable):
        await say(models.chat_model(models.default))
    assert len(stub_providers.requests) == 2


async def test_connections_are_kept_for_minutes_by_all_clients(stub_models: MakeModels) -> None:
    models = stub_models()
    thin: Any = models.chat_model(models.resolve("openai"))
    assert thin.connection.session().connector._keepalive_timeout == KEEP_ALIVE == 300
    library: Any = (langchain := stub_models(openai_client="langchain")).chat_model(langchain.resolve("openai"))
    gemini: Any = models.chat_model(models.resolve("gemini"))
    anthropic: Any = models.chat_model(models.resolve("anthropic"))
    clients = [
        library.root_async_client._client,
        gemini.client._api_client._http_options.httpx_async_client,
        anthropic._async_client._client,
    ]
    assert [client._transport._pool._keepalive_expiry for client in clients] == [300, 300, 300]


async def test_many_turns_at_once_come_through(stub_models: MakeModels, stub_providers: StubProviders) -> None:
    models = stub_models(ai_max_calls=10)
    model = models.chat_model(models.resolve("openai"))
    answers = await asyncio.gather(*[say(model, f"turn {n} stub:delay=20ms stub:say=answer {n}") for n in range(100)])
    assert [answer.text for answer in answers] == [f"answer {n}" for n in range(100)]
    assert stub_providers.connections <= 30


async def test_text_that_is_no_unicode_is_sent_all_the_same(
    stub_models: MakeModels, stub_providers: StubProviders
) -> None:
    models = stub_models()
    await say(models.chat_model(models.resolve("openai")), "half a pair: \ud83d.")
    assert stub_providers.requests[-1].body["messages"][0]["content"] == "half a pair: ?."


async def test_a_prompt_of_a_megabyte_goes_over(stub_models: MakeModels, stub_providers: StubProviders) -> None:
    models = stub_models()
    await say(models.chat_model(models.resolve("openai")), "word " * 200_000)
    assert len(stub_providers.requests[-1].body["messages"][0]["content"]) == 1_000_000
