"""Where redirects lead, and what goes along: by the bytes that the servers got."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from app.tools.auth.definition import Secret
from app.tools.definition import ToolDefinition
from app.tools.errors import ToolStatusError
from app.tools.exchange import ExchangeRecorder
from app.tools.execution import ToolExecutor
from app.tools.guard.rules import Policy
from app.tools.opening import open_executor
from app.tools.redirects import redirected
from app.tools.render import RenderedRequest
from app.tools.validation import parse_definition
from tests.tools.conftest import RawServer, context, raw_server, response, tool

SECRETS = {"crm": Secret("hush-0123456789", 1)}


def to(location: str, status: str = "302 Found") -> bytes:
    return response(b"", status=status, extra=f"Location: {location}\r\n")


def by_path(**answers: bytes) -> Callable[[bytes], bytes]:
    def answer(request: bytes) -> bytes:
        path = request.split(b" ")[1].decode().lstrip("/").partition("?")[0]
        return answers.get(path, response(b'{"end":1}'))

    return answer


@asynccontextmanager
async def opened() -> AsyncIterator[ToolExecutor]:
    executor = open_executor(Policy.parse("127.0.0.1"), secrets=lambda: SECRETS)
    try:
        yield executor
    finally:
        await executor.aclose()


def with_login(url: str, authorisation: dict[str, Any], **request: Any) -> ToolDefinition:
    fields = {"name": "t", "description": "d", "parameters": {"type": "object", "properties": {}}}
    return parse_definition({**fields, "request": {"url": url, **request}, "authorisation": authorisation}, id=1)


LOGINS = [
    {"type": "bearer", "token": "crm"},
    {"type": "basic", "username": "gateway", "password": "crm"},
    {"type": "api_key", "place": "header", "name": "X-Key", "key": "crm"},
    {"type": "api_key", "place": "query", "name": "key", "key": "crm"},
]
HEADERS = {
    "Authorization": "Bearer typed-0123456789",
    "Cookie": "session=typed-0123456789",
    "X-Api-Key": "typed-0123456789",
    "X-Caller": "{{ call.CALLERID }}",
    "Accept-Language": "de",
    "User-Agent": "gateway",
}


async def journey(definition: ToolDefinition, *servers: RawServer) -> tuple[str, ExchangeRecorder]:
    recorder = ExchangeRecorder(definition.request)
    async with opened() as executor:
        try:
            told = (await executor.run(definition, {}, context(CALLERID="+4930"), observer=recorder)).text
        except ToolStatusError as error:
            told = str(error)
    return told, recorder


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"])
async def test_on_the_same_server_all_of_the_request_goes_along(status: str) -> None:
    async with raw_server(by_path(start=to("/end?x=1", status))) as server:
        told, recorder = await journey(tool(f"{server.url}/start", headers=HEADERS), server)
        assert told == '{"end":1}'
        first, second = server.requests
        assert second.startswith(b"GET /end?x=1 ")
        assert first.partition(b"\r\n")[2] == second.partition(b"\r\n")[2]
        assert len(recorder.exchanges()) == 2


@pytest.mark.parametrize("login", LOGINS, ids=lambda login: f"{login['type']} {login.get('place', '')}")
async def test_no_login_goes_to_another_server(login: dict[str, Any]) -> None:
    async with raw_server(response(b'{"elsewhere":1}')) as other, raw_server(None) as server:
        server.answer = to(f"{other.url}/there?page=2")
        headers = {name: value for name, value in HEADERS.items() if name != "Authorization"}
        told, _ = await journey(with_login(f"{server.url}/start", login, headers=headers), server, other)
        assert told == '{"elsewhere":1}'
        assert b"hush" in server.requests[0] or b"Basic " in server.requests[0]
        (got,) = other.requests
        assert got.startswith(b"GET /there?page=2 HTTP/1.1\r\n")
        sent = {line.partition(b":")[0].decode() for line in got.split(b"\r\n")[1:] if line}
        assert sent == {"Host", "Accept", "Accept-Language", "Accept-Encoding", "User-Agent"}
        assert b"hush" not in got
        assert b"typed" not in got
        assert b"4930" not in got


async def test_what_was_left_behind_does_not_come_back_with_a_redirect_back() -> None:
    async with raw_server(None) as other, raw_server(None) as server:
        other.answer = to(f"{server.url}/back")
        server.answer = by_path(start=to(f"{other.url}/x"), back=response(b"{}", status="401 No"))
        told, _ = await journey(with_login(f"{server.url}/start", LOGINS[0]), server, other)
        assert [b"Authorization" in request for request in server.requests] == [True, False]
        assert "HTTP 401" in told
        assert "where the tool's headers and login do not go" in told


async def test_a_redirect_that_takes_a_secret_along_is_not_followed() -> None:
    async with raw_server(response(b"{}")) as other, raw_server(None) as server:
        for piece in ("hush-0123456789", "%68ush-0123456789", "hush%2D0123456789"):
            server.answer = to(f"{other.url}/?leak={piece}")
            told, recorder = await journey(with_login(f"{server.url}/start", LOGINS[0]), server, other)
            assert told.endswith("its redirect was not followed: it would take a secret to another server")
            assert "hush" not in told
            (_, back) = recorder.exchanges()[-1]
            assert back is not None
            assert "hush-" not in str(back)
        assert other.connections == 0


@pytest.mark.parametrize(
    "location", ["http://hush-0123456789.example/", "hush-0123456789:x", "http://x/hush-0123456789"]
)
def test_the_words_for_a_redirect_do_not_repeat_the_secret_in_it(location: str) -> None:
    words = redirected(RenderedRequest("GET", "https://api.example/x"), location, secrets=["hush-0123456789"])
    assert isinstance(words, str)
    assert "hush" not in words


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
async def test_redirects_of_what_may_change_something_are_not_followed(method: str) -> None:
    async with raw_server(to("/end", "307 Temporary")) as server:
        told, _ = await journey(tool(f"{server.url}/start", method=method), server)
        assert f"HTTP 307 from {server.url}; its redirect was not followed" in told
        assert method in told
        assert len(server.requests) == 1


async def test_the_fourth_redirect_is_not_followed() -> None:
    async with raw_server(to("/loop")) as server:
        told, recorder = await journey(tool(f"{server.url}/loop"), server)
        assert "its redirect was not followed: it is the 4th in a row" in told
        assert len(server.requests) == 4
        assert len(recorder.exchanges()) == 4


@pytest.mark.parametrize(
    ("location", "words"),
    [
        ("http://api.example/x", r"from https:// to http://api\.example, which is not encrypted"),
        ("http://other.example/x", "not encrypted"),
        ("ftp://api.example/x", "it leads neither to http:// nor to https://"),
        ("file:///etc/passwd", "it leads neither to http:// nor to https://"),
        ("javascript:alert(1)", "it leads neither to http:// nor to https://"),
        ("https://me:pass@other.example/", "holds a name or password"),
        ("https://[::1/", "the address is none"),
        ("https://h:99999/", "the address is none"),
    ],
)
def test_what_is_not_followed_is_said(location: str, words: str) -> None:
    request = RenderedRequest("GET", "https://api.example/orders", {"Accept": "a"}, None)
    why = redirected(request, location, secrets=())
    assert isinstance(why, str)
    assert pytest.raises(AssertionError, match=words).matches(AssertionError(why))


@pytest.mark.parametrize(
    ("location", "url"),
    [
        ("/x", "https://api.example/x"),
        ("", "https://api.example/a/b?c=d"),
        ("?page=2", "https://api.example/a/b?page=2"),
        ("//other.example/x", "https://other.example/x"),
        ("https://API.example:443/x y#part", "https://api.example/x%20y"),
        ("/ü", "https://api.example/%C3%BC"),
    ],
)
def test_locations_are_read_as_a_browser_does(location: str, url: str) -> None:
    request = RenderedRequest("GET", "https://api.example/a/b?c=d", {"X-Mine": "1"}, None)
    following = redirected(request, location, secrets=())
    assert isinstance(following, RenderedRequest)
    assert following.url == url
    assert following.headers == ({} if "other" in url else {"X-Mine": "1"})


async def test_a_redirect_counts_within_the_time_of_the_call() -> None:
    async with raw_server(None) as slow, raw_server(None) as server:
        server.answer = to(f"{slow.url}/x")
        async with opened() as executor:
            began = asyncio.get_running_loop().time()
            with pytest.raises(Exception, match="no complete answer"):
                await executor.run(tool(f"{server.url}/x", timeout=0.3), {}, context())
            assert asyncio.get_running_loop().time() - began < 1
