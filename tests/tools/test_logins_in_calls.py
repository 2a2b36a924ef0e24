"""Calls with a login, by the executor that the service opens, against Authlib's own authorisation server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from structlog.testing import capture_logs

from app.tools.auth.definition import Secret
from app.tools.auth.errors import (
    AuthorisationFailed,
    LoginRevoked,
    SecretMissing,
    SecretNotForServer,
    TokenServerFailing,
)
from app.tools.definition import ToolDefinition
from app.tools.errors import ToolFailure, ToolStatusError
from app.tools.exchange import ExchangeRecorder, RequestNote
from app.tools.execution import ToolExecutor
from app.tools.guard.rules import Policy
from app.tools.opening import open_executor
from app.tools.validation import parse_definition
from tests.tools.auth.conftest import SECRETS, Clock, Store
from tests.tools.auth.server import Server, authorisation_server
from tests.tools.conftest import context, raw_server, response


@dataclass
class House:
    """What the tests of calls with a login work with."""

    server: Server
    executor: ToolExecutor
    store: Store
    clock: Clock

    def tool(self, path: str = "/api", **login: Any) -> ToolDefinition:
        return defined(
            f"{self.server.url}{path}",
            {
                "type": "oauth2",
                "grant": "client_credentials",
                "token_url": f"{self.server.url}/token",
                "client_id": "gateway",
                "client_secret": "gateway-secret",
                **login,
            },
        )

    async def call(self, tool: ToolDefinition, *, seconds: float = 5.0, observer: Any = None) -> str:
        return (await self.executor.run(tool, {}, context(seconds), observer=observer)).text


def defined(url: str, authorisation: dict[str, Any], **request: Any) -> ToolDefinition:
    fields = {"name": "look_up", "description": "d", "parameters": {"type": "object", "properties": {}}}
    return parse_definition({**fields, "request": {"url": url, **request}, "authorisation": authorisation}, id=1)


@asynccontextmanager
async def moved_in(server: Server, allowed: str = "127.0.0.1") -> AsyncIterator[House]:
    clock, store = Clock(), Store({name: Secret(value, 1) for name, value in SECRETS.items()})
    executor = open_executor(Policy.parse(allowed), secrets=lambda: store.secrets, refresh_tokens=store, clock=clock)
    try:
        yield House(server, executor, store, clock)
    finally:
        await executor.aclose()


@pytest.fixture
async def house() -> AsyncIterator[House]:
    async with authorisation_server() as server, moved_in(server) as made:
        yield made


async def test_fifty_calls_at_once_ask_for_one_token(house: House) -> None:
    house.server.delay = 0.05
    told = await asyncio.gather(*(house.call(house.tool()) for _ in range(50)))
    assert set(told) == {'{"ok":true}'}
    assert (len(house.server.seen), house.server.api_calls) == (1, 50)


async def test_a_token_is_renewed_before_it_expires_and_once_for_all(house: House) -> None:
    house.server.lifetime = 600
    await house.call(house.tool())
    house.clock.now += 530
    await house.call(house.tool())
    assert len(house.server.seen) == 1
    house.clock.now += 20  # within the last minute of its life
    await asyncio.gather(*(house.call(house.tool()) for _ in range(20)))
    assert len(house.server.seen) == 2


async def test_a_token_that_the_tools_server_forgot_is_replaced_within_the_call(house: House) -> None:
    await house.call(house.tool())
    house.server.good.clear()
    recorder = ExchangeRecorder(house.tool().request)
    assert await house.call(house.tool(), observer=recorder) == '{"ok":true}'
    assert len(house.server.seen) == 2
    assert [back.status for _, back in recorder.exchanges() if back] == [401, 200]


async def test_a_server_that_takes_no_token_is_asked_twice_and_no_more(house: House) -> None:
    house.server.answers = [(200, b'{"access_token": "not-good-0123", "token_type": "Bearer"}', {})] * 9
    with pytest.raises(ToolStatusError, match="HTTP 401"):
        await house.call(house.tool())
    assert (len(house.server.seen), house.server.api_calls) == (2, 2)


async def test_a_refresh_token_that_is_replaced_is_stored_and_one_that_is_revoked_is_said(house: House) -> None:
    house.server.rotates = True
    login = {"grant": "refresh_token", "refresh_token": "refresh"}
    await house.call(house.tool(**login))
    await asyncio.wait_for(house.store.stored.wait(), 1)
    assert house.store.secrets["refresh"].value.startswith("refresh-1-")
    house.server.good.clear()
    await house.call(house.tool(**login))  # with the new one
    for token in house.server.refresh_tokens.values():
        token.revoked = True
    house.server.good.clear()
    house.clock.now += 31  # a token that replaced another one is trusted so long
    with pytest.raises(LoginRevoked) as caught, capture_logs() as logs:
        await house.call(house.tool(**login))
    assert "Log in there again, and store the new refresh token as the secret refresh" in str(caught.value)
    assert "refresh" not in caught.value.for_model
    assert "nothing that you or the caller say" in caught.value.for_model
    assert not any(secret in str(logs) for secret in ("s3cret", "refresh-1", "refresh-2", "refresh-of"))


async def test_what_is_put_into_a_request_is_shown_to_nobody(house: House) -> None:
    seen = []
    async with raw_server(None) as server:

        def echo(request: bytes) -> bytes:
            seen.append(request)
            return response(b"you sent: " + request, "text/plain")

        server.answer = echo
        logins: list[dict[str, Any]] = [
            {"type": "bearer", "token": "gateway-secret"},
            {"type": "basic", "username": "me", "password": "gateway-secret"},
            {"type": "api_key", "place": "query", "name": "key", "key": "odd-secret"},
            {"type": "api_key", "place": "header", "name": "X-Shop", "key": "gateway-secret", "prefix": "v1 "},
            _oauth(house.server),
        ]
        for login in logins:
            tool = defined(f"{server.url}/x", login, method="POST")
            recorder, note = ExchangeRecorder(tool.request), RequestNote(tool.request)
            with capture_logs() as logs:
                text = await house.call(tool, observer=recorder)
                await house.call(tool, observer=note)
            shown = f"{text} {recorder.exchanges()} {note.request()} {recorder.masked(text)} {logs}"
            for secret in ("s3cret-of-gateway", "bWU6czNjcmV0LW9mLWdhdGV3YXk", "a:b+c", "a%3Ab%2Bc", "token-"):
                assert secret not in shown, (login["type"], secret)
            assert "***" in shown
        assert all(secret in str(seen) for secret in ("s3cret-of-gateway", "a%3Ab%2Bc", "token-"))


def _oauth(server: Server) -> dict[str, Any]:
    return {
        "type": "oauth2",
        "grant": "client_credentials",
        "token_url": f"{server.url}/token",
        "client_id": "gateway",
        "client_secret": "gateway-secret",
    }


async def test_secrets_within_a_request_are_sent_and_shown_to_nobody(house: House) -> None:
    places: list[dict[str, Any]] = [
        {"url": "{}/x/{{ secret.gateway-secret }}"},
        {"url": "{}/x?key={{ secret.gateway-secret }}"},
        {"headers": {"X-Shop": "v1 {{ secret.gateway-secret }}"}},
        {"json_body": {"login": "{{ secret.gateway-secret }}"}, "method": "POST"},
        {"body": {"kind": "form", "fields": {"login": "{{ secret.gateway-secret }}"}}, "method": "POST"},
    ]
    seen = []
    async with raw_server(None) as server:

        def echo(request: bytes) -> bytes:
            seen.append(request)
            return response(b"you sent: " + request, "text/plain")

        server.answer = echo
        for place in places:
            request = {**place, "url": place.get("url", "{}/x").replace("{}", server.url)}
            tool = defined(**request, authorisation={"type": "none"})
            recorder = ExchangeRecorder(tool.request)
            with capture_logs() as logs:
                text = await house.call(tool, observer=recorder)
            assert b"s3cret-of-gateway" in seen[-1], place
            assert "s3cret" not in f"{text} {recorder.exchanges()} {logs}", place


async def test_a_failure_that_says_the_secret_back_is_masked(house: House) -> None:
    async with raw_server(lambda _request: b"s3cret-of-gateway is nonsense\r\n\r\n") as server:
        tool = defined(server.url, {"type": "bearer", "token": "gateway-secret"})
        with pytest.raises(ToolFailure) as caught, capture_logs() as logs:
            await house.call(tool)
        assert "Bad status line" in str(caught.value)
        assert "s3cret" not in f"{caught.value} {caught.value.for_model} {logs}"


async def test_requests_for_tokens_go_through_the_guard() -> None:
    async with authorisation_server() as server, raw_server(response(b"{}")) as api:
        async with moved_in(server, f"127.0.0.1:{api.port}") as house:
            tool = defined(f"{api.url}/x", _oauth(server))
            recorder = ExchangeRecorder(tool.request)
            with pytest.raises(AuthorisationFailed) as caught:
                await house.call(tool, observer=recorder)
        assert "tools go there by permission only" in str(caught.value)
        assert "127" not in caught.value.for_model
        assert not caught.value.retryable
        assert recorder.request() is None
        assert (server.seen, api.connections) == ([], 0)


async def test_a_slow_authorisation_server_is_named_and_costs_no_more_than_the_time_of_the_call(house: House) -> None:
    house.server.gate.clear()
    began = asyncio.get_running_loop().time()
    with pytest.raises(TokenServerFailing, match="gave no token within"):
        await house.call(house.tool(), seconds=0.3)
    assert asyncio.get_running_loop().time() - began < 2
    assert house.server.api_calls == 0


@pytest.mark.parametrize(
    ("secret", "error"),
    [
        (None, SecretMissing),
        (Secret("", 1, problem="cannot be opened"), SecretMissing),
        (Secret("s3cret-of-gateway", 1, servers=frozenset({"https://api.example:443"})), SecretNotForServer),
    ],
)
async def test_without_its_secret_nothing_is_sent(
    house: House, secret: Secret | None, error: type[ToolFailure]
) -> None:
    del house.store.secrets["gateway-secret"]
    if secret is not None:
        house.store.secrets["gateway-secret"] = secret
    recorder = ExchangeRecorder(house.tool().request)
    with pytest.raises(error):
        await house.call(house.tool(), observer=recorder)
    assert recorder.request() is None
    assert (house.server.seen, house.server.api_calls) == ([], 0)


async def test_closing_ends_what_waits_for_a_token(house: House) -> None:
    house.server.gate.clear()
    waiting = asyncio.create_task(house.call(house.tool()))
    await house.server.arrived.wait()
    await house.executor.aclose()
    with pytest.raises(ToolFailure):
        await waiting
