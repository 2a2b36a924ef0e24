"""The executor against a real local server: what goes over the wire, and what the model is told."""

from __future__ import annotations

import asyncio
import gzip
import time
import zlib

import orjson
import pytest

from app.core.metrics import REGISTRY
from app.tools.errors import (
    ArgumentsInvalid,
    ToolFailure,
    ToolResponseTooLarge,
    ToolStatusError,
    ToolTimeout,
    ToolUnreachable,
)
from app.tools.execution import ToolExecutor
from tests.tools.conftest import context, raw_server, response, tool

STRING = {"type": "string"}


async def test_arguments_and_call_variables_land_in_url_header_and_body(executor: ToolExecutor) -> None:
    async with raw_server(response(b'{ "ok" :  true }')) as server:
        definition = tool(
            server.url + "/orders/{{ id }}?from={{ call.CALLERID }}",
            {"id": STRING, "count": {"type": "integer", "default": 2}, "note": STRING},
            method="POST",
            headers={"X-Caller": "tel {{ call.CALLERID }}"},
            json_body={"n": "{{ count }}", "text": "n={{ count }}", "note": "{{ note }}", "list": ["{{ note }}"]},
        )
        result = await executor.run(definition, {"id": "A 1"}, context(CALLERID="+49 1"))
        assert result.text == '{"ok":true}'
        assert result.status == 200
        assert server.request_line == "POST /orders/A%201?from=%2B49%201 HTTP/1.1"
        assert b"X-Caller: tel +49 1\r\n" in server.requests[0]
        assert orjson.loads(server.body) == {"n": 2, "text": "n=2", "list": [None]}


async def test_arguments_that_no_placeholder_uses_go_to_the_query_or_the_body(executor: ToolExecutor) -> None:
    properties = {"id": STRING, "tags": {"type": "array"}, "full": {"type": "boolean"}}
    arguments = {"id": "7", "tags": ["a", "b&c"], "full": True}
    async with raw_server(response(b"{}")) as server:
        await executor.run(tool(server.url + "/x/{{ id }}", properties), arguments, context())
        assert server.request_line == "GET /x/7?tags=a&tags=b%26c&full=true HTTP/1.1"
        await executor.run(tool(server.url + "/x/{{ id }}", properties, method="PUT"), arguments, context())
        assert orjson.loads(server.body) == {"tags": ["a", "b&c"], "full": True}


HOSTILE = [
    "../../admin",
    "..",
    ".",
    "%2e%2e",
    "..%2fadmin",
    "a/../../b",
    "..;/x",
    "..\\x",
    "a\r\nX-Evil: 1",
    "a\x00b",
    "?x=1#y",
    "a&b=c",
    "{{ call.SECRET }}",
    "{{ id }}",
    "\u2028\u202e\ud800",
    "ＡＢＣ․․／",
    '"},{"x":"',
    "x" * 100_000,
    "",
]


@pytest.mark.parametrize("value", HOSTILE, ids=lambda value: ascii(value[:20]))
async def test_a_hostile_value_never_leaves_its_place(executor: ToolExecutor, value: str) -> None:
    async with raw_server(response(b"{}")) as server:
        places = {
            "path": tool(server.url + "/a/{{ id }}/z", {"id": STRING}),
            "query": tool(server.url + "/a?q={{ id }}&z=1", {"id": STRING}),
            "header": tool(server.url + "/a", {"id": STRING}, headers={"X-A": "v {{ id }}"}),
            "body": tool(server.url + "/a", {"id": STRING}, method="POST", json_body={"q": "say {{ id }}"}),
        }
        for place, definition in places.items():
            executor = ToolExecutor()
            before = len(server.requests)
            try:
                await executor.run(definition, {"id": value}, context(SECRET="s3cret"))
            except ToolFailure:
                assert len(server.requests) <= before + 1
            finally:
                await executor.aclose()
            for request in server.requests[before:]:
                head, _, body = request.partition(b"\r\n\r\n")
                line = head.split(b"\r\n")[0].decode()
                target = line.split(" ")[1]
                assert b"s3cret" not in request
                assert b"\nx-evil" not in head.lower()
                if place == "path":
                    assert target.count("/") == 3
                    assert target.startswith("/a/")
                    assert target.endswith("/z")
                    assert not {"?", "#"} & set(target)
                elif place == "query":
                    assert target.startswith("/a?q=")
                    assert target.endswith("&z=1")
                    assert target.count("&") == 1
                elif place == "body":
                    assert set(orjson.loads(body)) == {"q"}


@pytest.mark.parametrize(
    "value", ["..", ".", "%2e%2e", "../x", "..%2fadmin", "a/../../b", "..;/x", "..\\x", "", "a\r\nb"]
)
async def test_a_path_value_that_leads_elsewhere_is_refused_before_any_request(
    executor: ToolExecutor, value: str
) -> None:
    async with raw_server(response(b"{}")) as server:
        with pytest.raises(ArgumentsInvalid) as caught:
            await executor.run(tool(server.url + "/a/{{ id }}", {"id": STRING}), {"id": value}, context())
        assert "id" in caught.value.for_model
        assert server.connections == 0


async def test_wrong_arguments_are_told_to_the_model_in_words(executor: ToolExecutor) -> None:
    definition = tool("http://127.0.0.1:9/x", {"id": {"type": "integer"}, "to": {"enum": ["a"]}}, required=["id"])
    with pytest.raises(ArgumentsInvalid) as caught:
        await executor.run(definition, {"id": "x" * 10_000, "to": "b"}, context())
    assert "xxx" not in str(caught.value)
    assert "id (type), to (enum)" in str(caught.value)
    assert "id: " in caught.value.for_model
    assert "to: 'b' is not one of ['a']" in caught.value.for_model
    assert len(caught.value.for_model) < 800
    with pytest.raises(ArgumentsInvalid) as caught:
        await executor.run(definition, {}, context())
    assert "'id' is a required property" in caught.value.for_model


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ("404 Not Found", "found nothing"),
        ("401 Unauthorized", "refused access"),
        ("422 Unprocessable", "It says: {bad id}"),
        ("429 Too Many", "not working at the moment"),
        ("500 Oops", "not working at the moment"),
        ("302 Found", "lead elsewhere"),
    ],
)
async def test_a_status_that_is_no_success_has_words(executor: ToolExecutor, status: str, words: str) -> None:
    async with raw_server(response(b"{bad\n id}", status=status)) as server:
        with pytest.raises(ToolStatusError) as caught:
            await executor.run(tool(server.url + "/x"), {}, context())
        assert words in caught.value.for_model
        assert server.url not in caught.value.for_model


async def test_a_web_page_is_called_one_and_a_long_answer_is_cut(executor: ToolExecutor) -> None:
    page = b"<html><script>evil()</script><body><h1>Log in</h1> please</body></html>"
    async with raw_server(response(page, "text/html; charset=utf-8")) as server:
        result = await executor.run(tool(server.url + "/x"), {}, context())
        assert result.text == "The response is a web page, not data. Its text:\n# Log in\nplease"
        server.answer = response("ü".encode() * 9_000, "text/plain")
        result = await executor.run(tool(server.url + "/x"), {}, context())
        assert "[cut: this is the beginning, 8,000 of 18,000 bytes." in result.text
        assert len(result.text.encode()) < 8_150
        server.answer = response(bytes(range(256)), "image/png")
        result = await executor.run(tool(server.url + "/x"), {}, context())
        assert "256 bytes of image/png" in result.text


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "raw"])
async def test_compressed_answers_are_read(executor: ToolExecutor, encoding: str) -> None:
    raw = zlib.compressobj(wbits=-15)
    body = {
        "gzip": gzip.compress(b'{"a": 1}'),
        "deflate": zlib.compress(b'{"a": 1}'),
        "raw": raw.compress(b'{"a": 1}') + raw.flush(),
    }[encoding]
    header = f"Content-Encoding: {'deflate' if encoding == 'raw' else encoding}\r\n"
    async with raw_server(response(body, extra=header)) as server:
        assert (await executor.run(tool(server.url + "/x"), {}, context())).text == '{"a":1}'


async def test_a_body_over_the_limit_is_not_read_on_compressed_or_not(executor: ToolExecutor) -> None:
    bomb = gzip.compress(b"0" * 50_000_000)
    async with raw_server(response(bomb, extra="Content-Encoding: gzip\r\n")) as server:
        before = time.perf_counter()
        with pytest.raises(ToolResponseTooLarge):
            await executor.run(tool(server.url + "/x"), {}, context())
        server.answer = b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 2_000_000
        with pytest.raises(ToolResponseTooLarge):
            await executor.run(tool(server.url + "/x"), {}, context())
        assert time.perf_counter() - before < 3


async def test_a_tool_that_hangs_ends_at_its_timeout_or_the_deadline(executor: ToolExecutor) -> None:
    async with raw_server(None) as server:
        for seconds, timeout in ((5.0, 0.1), (0.1, 5.0), (-1.0, 5.0)):
            before = time.perf_counter()
            with pytest.raises(ToolTimeout) as caught:
                await executor.run(tool(server.url + "/x", timeout=timeout), {}, context(seconds))
            assert time.perf_counter() - before < 2
            assert "did not answer in time" in caught.value.for_model


async def test_cancelling_a_call_closes_its_connection(executor: ToolExecutor) -> None:
    async with raw_server(None) as server:
        task = asyncio.create_task(executor.run(tool(server.url + "/x"), {}, context()))
        await server.asked.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.wait_for(server.closed_by_peer.wait(), 1)


async def test_a_server_that_is_away_or_breaks_off_is_unreachable(executor: ToolExecutor) -> None:
    async with raw_server(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{") as server:
        server.answer = lambda _: b"nonsense\r\n\r\n"
        with pytest.raises(ToolUnreachable, match="Bad status line") as broken:
            await executor.run(tool(server.url + "/x?pin={{ pin }}", {"pin": {}}), {"pin": "4711"}, context())
        assert "4711" not in str(broken.value)
        url = server.url
    with pytest.raises(ToolUnreachable) as caught:
        await executor.run(tool(url + "/secret/path?key=1"), {}, context())
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("body", [b"[" * 300 + b"]" * 300, b'{"a": "' + b"x" * 2_000_000 + b'"}'])
async def test_json_that_is_too_deep_or_too_long_to_look_at_is_shown_as_it_is(
    executor: ToolExecutor, body: bytes
) -> None:
    async with raw_server(response(body)) as server:
        definition = tool(server.url + "/x", max_response_bytes=3_000_000)
        result = await executor.run(definition, {}, context())
    assert result.text.startswith(body[:300].decode())


async def test_connections_are_kept_and_proxies_of_the_environment_ignored(
    executor: ToolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    async with raw_server(response(b"{}")) as server:
        for _ in range(3):
            await executor.run(tool(server.url + "/x"), {}, context())
        assert (len(server.requests), server.connections) == (3, 1)


async def test_a_draft_under_a_known_key_is_compiled_anew(executor: ToolExecutor) -> None:
    async with raw_server(response(b"{}")) as server:
        await executor.run(tool(server.url + "/one"), {}, context())
        await executor.run(tool(server.url + "/two"), {}, context())
        assert server.request_line == "GET /two HTTP/1.1"


@pytest.mark.parametrize(
    ("status", "body", "shown"),
    [
        ("200 OK", b"no such key: hush-0123456789", "no such key: ***"),
        ("200 OK", b'{"k": "\\u0068ush-0123456789"}', '{"k":"***"}'),
        ("200 OK", b"x" * 7_990 + b" hush-0123456789", "xxx ***"),
        ("400 Bad Request", b"no such key: hush-0123456789", "no such key: ***"),
        ("400 Bad Request", b"x" * 490 + b" hush-0123456789", "xxx ***"),
    ],
)
async def test_a_secret_that_the_server_says_back_is_told_to_no_model(
    executor: ToolExecutor, status: str, body: bytes, shown: str
) -> None:
    kind = "application/json" if body.startswith(b"{") else "text/plain"
    async with raw_server(response(body, kind, status)) as server:
        definition = tool(server.url, headers={"Authorization": "Bearer hush-0123456789", "X-Api-Key": "no"})
        try:
            told = (await executor.run(definition, {}, context())).text
        except ToolStatusError as error:
            told = error.for_model
    assert b"hush-0123456789" in server.requests[0]
    assert "hush" not in told
    assert shown in told


async def test_every_call_is_counted_by_how_it_ended(executor: ToolExecutor) -> None:
    def count(outcome: str) -> float:
        return REGISTRY.get_sample_value("asterisk_ai_tool_calls_total", {"outcome": outcome}) or 0.0

    before = {code: count(code) for code in ("ok", "tool_status", "tool_arguments_invalid")}
    answers = iter([response(b"{}"), response(b"{}", status="500 Broken")])
    async with raw_server(lambda _: next(answers)) as server:
        definition = tool(server.url, {"id": STRING}, required=["id"])
        await executor.run(definition, {"id": "1"}, context())
        for arguments in ({"id": "1"}, {}):
            with pytest.raises(ToolFailure):
                await executor.run(definition, arguments, context())
    assert {code: count(code) - was for code, was in before.items()} == dict.fromkeys(before, 1.0)
