"""How often a call is tried: with virtual time, and through the executor to a real server."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
import structlog

from app.core.metrics import REGISTRY
from app.tools.backend import Response, ToolCall
from app.tools.behaviour.governor import Governor
from app.tools.definition import CallContext, ToolDefinition
from app.tools.errors import (
    ArgumentsInvalid,
    ToolBusy,
    ToolDown,
    ToolFailure,
    ToolStatusError,
    ToolTimeout,
    ToolUnreachable,
)
from app.tools.execution import ToolExecutor
from app.tools.guard.rules import ToolRefused
from app.tools.validation import parse_definition
from tests.tools.conftest import context, raw_server, response
from tests.virtual_time import virtual_time

WALL = datetime(2026, 11, 22, 12, tzinfo=UTC)
OK = Response(200, "text/plain", None, b"ok")
AWAY = ToolUnreachable("away", for_model="away")


def made(url: str = "http://x.example/", method: str = "GET", version: int = 1, **behaviour: Any) -> ToolDefinition:
    data = {"name": "t", "description": "d", "request": {"method": method, "url": url}, "behaviour": behaviour}
    return parse_definition(data, id=1, version=version)


def governor() -> Governor:
    return Governor(wall=WALL.timestamp, random=lambda: 1.0)


def call(tool: ToolDefinition, seconds: float = 5.0) -> ToolCall:
    ends = asyncio.get_running_loop().time() + seconds
    return ToolCall(tool, {}, CallContext("turn", {}, ends), "key", ends)


def status(code: int, retry_after: str = "") -> Response:
    return Response(code, "text/plain", None, b"", retry_after=retry_after)


class System:
    """Answers with what it is given, one after the other; the last again and again. ``None`` hangs."""

    def __init__(self, *answers: Response | Exception | None) -> None:
        self.answers = answers
        self.times: list[float] = []

    async def __call__(self) -> Response:
        answer = self.answers[min(len(self.times), len(self.answers) - 1)]
        self.times.append(round(asyncio.get_running_loop().time(), 2))
        if answer is None:
            await asyncio.sleep(1_000)
        if isinstance(answer, Exception):
            raise answer
        assert answer is not None
        return answer


@virtual_time
async def test_it_is_tried_again_with_growing_waits_until_it_works() -> None:
    system = System(AWAY, status(503), status(429), OK)
    assert await governor().run(call(made(retries=5)), system) is OK
    assert system.times == [0, 0.2, 0.6, 1.4]


@virtual_time
async def test_the_last_failure_is_the_answer() -> None:
    system = System(AWAY, status(502), AWAY)
    with pytest.raises(ToolUnreachable):
        await governor().run(call(made(retries=2)), system)
    assert len(system.times) == 3
    system = System(AWAY, status(502))
    assert (await governor().run(call(made(retries=2)), system)).status == 502


@pytest.mark.parametrize(
    ("first", "tries"),
    [
        (status(404), 1),
        (status(500), 1),
        (ArgumentsInvalid("a", for_model="a"), 1),
        (ToolRefused("a", for_model="a"), 1),
        (AWAY, 2),
    ],
)
def test_what_will_not_change_is_asked_once(first: Response | Exception, tries: int) -> None:
    @virtual_time
    async def run() -> None:
        system = System(first, OK)
        with contextlib.suppress(ToolFailure):
            await governor().run(call(made(retries=3)), system)
        assert len(system.times) == tries

    run()


@virtual_time
async def test_a_hanging_try_leaves_the_others_their_share_of_the_time() -> None:
    system = System(None, None, OK)
    assert await governor().run(call(made(retries=2), 6), system) is OK
    assert system.times == [0, 2.2, 4.5]  # each share ends, and then it waits
    hanging = System(None)
    before = asyncio.get_running_loop().time()
    with pytest.raises(TimeoutError):
        await governor().run(call(made(retries=2), 6), hanging)
    assert len(hanging.times) == 3
    assert 5.9 < asyncio.get_running_loop().time() - before < 6


@pytest.mark.parametrize("asked", ["2", format_datetime(WALL + timedelta(seconds=2), usegmt=True)])
def test_it_waits_as_long_as_the_server_asks(asked: str) -> None:
    @virtual_time
    async def run() -> None:
        system = System(status(429, asked), OK)
        assert await governor().run(call(made(retries=1)), system) is OK
        assert system.times == [0, 2.2]  # a tenth more, at most

    run()


@virtual_time
async def test_a_wait_beyond_the_end_is_not_begun() -> None:
    system = System(status(503, "10"), OK)
    assert (await governor().run(call(made(retries=3), 5), system)).status == 503
    assert asyncio.get_running_loop().time() == 0


@virtual_time
async def test_a_dead_system_is_told_at_once_and_tried_again_later() -> None:
    tool, shared, system = made(breaker_failures=3, breaker_seconds=30), governor(), System(AWAY, AWAY, status(500), OK)
    with structlog.testing.capture_logs() as logs:
        for _ in range(3):
            with contextlib.suppress(ToolFailure):
                await shared.run(call(tool), system)
        with pytest.raises(ToolDown) as caught:
            await shared.run(call(tool), system)
        assert len(system.times) == 3
        assert caught.value.for_model.startswith(
            "t was not called: its system is down and is tried again in about 30 s"
        )
        assert REGISTRY.get_sample_value("asterisk_ai_tools_down") == 1
        (state,) = shared.states()
        assert (state.breaker, state.failures, state.seconds, state.name) == ("open", 3, 30, "t")
        await asyncio.sleep(30)
        assert await shared.run(call(tool), system) is OK
    assert shared.states() == []
    assert REGISTRY.get_sample_value("asterisk_ai_tools_down") == 0
    assert [(line["event"], line["tool"]) for line in logs] == [("tool.down", "t"), ("tool.up_again", "t")]


@virtual_time
async def test_timeouts_count_where_the_try_had_its_time_and_what_the_caller_did_does_not() -> None:
    tool, shared = made(breaker_failures=2), governor()

    async def hang_up() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(2):
                await shared.run(call(tool), System(None))

    for _ in range(4):
        with pytest.raises(TimeoutError):
            await shared.run(call(tool, 0.3), System(None))  # the turn was nearly over
        await hang_up()
        for harmless in (status(404), status(429), ToolRefused("a", for_model="a")):
            with contextlib.suppress(ToolFailure):
                await shared.run(call(tool), System(harmless))
    assert await shared.run(call(tool), System(OK)) is OK
    for _ in range(2):
        with pytest.raises(TimeoutError):
            await shared.run(call(tool), System(None))
    with pytest.raises(ToolDown):
        await shared.run(call(tool), System(OK))


@virtual_time
async def test_a_caller_who_hangs_up_on_the_probe_leaves_it_to_the_next() -> None:
    tool, shared = made(breaker_failures=1, breaker_seconds=10), governor()
    with pytest.raises(ToolUnreachable):
        await shared.run(call(tool), System(AWAY))
    await asyncio.sleep(10)
    probe = asyncio.create_task(shared.run(call(tool), System(None)))
    await asyncio.sleep(1)
    with pytest.raises(ToolDown):
        await shared.run(call(tool), System(OK))
    probe.cancel()
    with pytest.raises(asyncio.CancelledError):
        await probe
    assert await shared.run(call(tool), System(OK)) is OK


@virtual_time
async def test_repeats_stop_when_the_system_counts_as_down() -> None:
    system = System(AWAY)
    with pytest.raises(ToolUnreachable):
        await governor().run(call(made(retries=5, breaker_failures=2), 60), system)
    assert len(system.times) == 2


@virtual_time
async def test_an_edit_closes_it_and_who_has_the_old_version_yet_is_not_asked_about_it() -> None:
    old, shared = made(breaker_failures=1), governor()
    with pytest.raises(ToolUnreachable):
        await shared.run(call(old), System(AWAY))
    new = made(version=2, breaker_failures=1)
    assert await shared.run(call(new), System(OK)) is OK
    assert REGISTRY.get_sample_value("asterisk_ai_tools_down") == 0
    with pytest.raises(ToolUnreachable):
        await shared.run(call(old), System(AWAY))
    assert await shared.run(call(new), System(OK)) is OK


@virtual_time
async def test_a_tool_that_nobody_asks_for_any_more_is_not_shown_as_down_for_ever() -> None:
    shared = governor()
    with pytest.raises(ToolUnreachable):
        await shared.run(call(made(breaker_failures=1)), System(AWAY))
    await asyncio.sleep(600)
    assert [state.breaker for state in shared.states()] == ["open"]
    await asyncio.sleep(31)
    assert shared.states() == []
    assert REGISTRY.get_sample_value("asterisk_ai_tools_down") == 0


@virtual_time
async def test_a_draft_is_tried_whatever_the_tool_of_calls_does() -> None:
    shared = governor()
    draft = made(version=0, breaker_failures=1, per_minute=1, cache_seconds=60)
    for _ in range(3):
        with pytest.raises(ToolUnreachable):
            await shared.run(call(draft), System(AWAY), identity=lambda: b"same")
    assert shared.states() == []


@virtual_time
async def test_limits_hold_and_a_kept_response_needs_no_place() -> None:
    tool, shared, system = made(per_minute=1, cache_seconds=60), governor(), System(OK)
    for _ in range(3):
        assert await shared.run(call(tool), system, identity=lambda: b"same") is OK
    with pytest.raises(ToolBusy):
        await shared.run(call(tool), system, identity=lambda: b"other")
    assert len(system.times) == 1


@virtual_time
async def test_what_is_remembered_of_tools_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.tools.behaviour.governor._MAX_TOOLS", 10)
    shared, tool = governor(), made()
    for number in range(1, 50):
        await shared.run(call(replace(tool, id=number)), System(OK))
    assert len(shared._tools) == 10


async def run(executor: ToolExecutor, tool: ToolDefinition, **variables: str) -> str:
    return (await executor.run(tool, {}, context(5.0, **variables))).text


def in_turn(*answers: bytes) -> Callable[[bytes], bytes]:
    left = list(answers)
    return lambda _: left.pop(0) if len(left) > 1 else left[0]


async def test_each_try_has_the_same_key_and_each_call_its_own(executor: ToolExecutor) -> None:
    busy = response(b"", status="503 Busy", extra="Retry-After: 0\r\n")
    async with raw_server(in_turn(busy, busy, response(b"{}"))) as server:
        tool = made(server.url, "POST", retries=3, repeatable=True, idempotency_header="Idempotency-Key")
        for _ in range(2):
            assert await run(executor, tool) == "{}"
        keys = [
            line.partition(b": ")[2]
            for request in server.requests
            for line in request.split(b"\r\n")
            if line.lower().startswith(b"idempotency-key:")
        ]
    assert len(server.requests) == len(keys) == 4
    assert keys[0] == keys[1] == keys[2] != keys[3]
    assert all(len(key) == 32 for key in keys)


async def test_a_post_is_not_repeated_unless_the_operator_says_so(executor: ToolExecutor) -> None:
    async with raw_server(response(b"", status="503 Busy")) as server:
        with pytest.raises(ToolStatusError):
            await run(executor, made(server.url, "POST", retries=3))
        assert len(server.requests) == 1
        with pytest.raises(ToolStatusError):
            await run(executor, made(server.url, "POST", version=2, retries=1, repeatable=True))
        assert len(server.requests) == 3


async def test_equal_gets_are_sent_once_and_other_values_are_other_requests(executor: ToolExecutor) -> None:
    async with raw_server(response(b'{"a":1}')) as server:
        data = {
            "name": "t",
            "description": "d",
            "request": {"url": server.url + "/a", "headers": {"X-Caller": "c {{ call.caller_number }}"}},
            "behaviour": {"cache_seconds": 60},
        }
        tool = parse_definition(data, id=1, version=1)
        for number in ("1", "1", "2", "1"):
            assert await run(executor, tool, caller_number=number) == '{"a":1}'
        assert len(server.requests) == 2
        await run(executor, replace(tool, version=2), caller_number="1")
        assert len(server.requests) == 3


async def test_a_server_that_is_gone_is_told_at_once(executor: ToolExecutor) -> None:
    async with raw_server(None) as server:
        url = server.url
    tool = made(url, breaker_failures=2)
    failures: list[type[ToolFailure]] = []
    for _ in range(3):
        with pytest.raises(ToolFailure) as caught:
            await run(executor, tool)
        failures.append(type(caught.value))
    assert failures == [ToolUnreachable, ToolUnreachable, ToolDown]
    assert [state.breaker for state in executor.states()] == ["open"]


async def test_a_server_that_hangs_is_one_timeout_in_words(executor: ToolExecutor) -> None:
    async with raw_server(None) as server:
        tool = made(server.url, retries=1, breaker_failures=2)
        tool = replace(tool, request=replace(tool.http, timeout=3.0))
        with pytest.raises(ToolTimeout):
            await run(executor, tool)
        assert len(server.requests) == 2
        with pytest.raises(ToolDown):
            await run(executor, tool)
