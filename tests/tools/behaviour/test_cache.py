"""Responses that serve equal requests."""

from __future__ import annotations

import asyncio

import pytest

from app.tools.backend import Response
from app.tools.behaviour.cache import Key, ResponseCache
from app.tools.errors import ToolUnreachable
from tests.virtual_time import virtual_time

KEY: Key = (1, 1, b"a")


def made(body: bytes = b"{}", status: int = 200, cache_control: str = "") -> Response:
    return Response(status, "application/json", None, body, cache_control=cache_control)


class Source:
    """Counts how often it is asked."""

    def __init__(self, *answers: Response | Exception, seconds: float = 0) -> None:
        self.answers = answers
        self.seconds = seconds
        self.asked = 0

    async def __call__(self) -> Response:
        answer = self.answers[min(self.asked, len(self.answers) - 1)]
        self.asked += 1
        await asyncio.sleep(self.seconds)
        if isinstance(answer, Exception):
            raise answer
        return answer


def cache(**bounds: int) -> ResponseCache:
    return ResponseCache(lambda: asyncio.get_running_loop().time(), **bounds)


@virtual_time
async def test_a_response_serves_equal_requests_as_long_as_the_operator_says() -> None:
    kept, source = cache(), Source(made(b"1"), made(b"2"))
    for at, body in ((0, b"1"), (9.9, b"1"), (0.2, b"2")):
        await asyncio.sleep(at)
        assert (await kept.get(KEY, 10, source)).body == body
    assert (await kept.get((1, 2, b"a"), 10, source)).body == b"2"
    assert source.asked == 3


@pytest.mark.parametrize(
    ("response", "times"),
    [
        (made(), 1),
        (made(cache_control="private, max-age=0"), 1),
        (made(cache_control="no-store"), 2),
        (made(cache_control="Public, NO-CACHE"), 2),
        (made(status=404), 2),
        (made(status=503), 2),
        (made(b"x" * 1_000_001), 2),
    ],
)
def test_what_is_no_success_or_forbids_it_is_not_kept(response: Response, times: int) -> None:
    @virtual_time
    async def run() -> None:
        kept, source = cache(), Source(response)
        for _ in range(2):
            await kept.get(KEY, 10, source)
        assert source.asked == times

    run()


@virtual_time
async def test_it_is_bounded_in_entries_and_bytes_and_forgets_what_was_used_longest_ago() -> None:
    few, source = cache(entries=3), Source(made())
    for letter in (b"a", b"b", b"c", b"a", b"d"):
        await few.get((1, 1, letter), 10, source)
    assert [key[2] for key in few._entries] == [b"c", b"a", b"d"]
    small = cache(size=10_000)
    for number in range(50):
        await small.get((1, 1, bytes([number])), 10, Source(made(b"x" * 2_000)))
        assert small.size <= 10_000
    assert len(small) == 3
    assert small.size == 9_000


@virtual_time
async def test_equal_requests_at_the_same_time_are_made_once() -> None:
    kept, source = cache(), Source(made(), seconds=1)
    responses = await asyncio.gather(*(kept.get(KEY, 10, source) for _ in range(10)))
    assert source.asked == 1
    assert len({id(response) for response in responses}) == 1


@virtual_time
async def test_who_goes_away_takes_nothing_from_the_others() -> None:
    kept, source = cache(), Source(made(), seconds=1)
    tasks = [asyncio.create_task(kept.get(KEY, 10, source)) for _ in range(5)]
    await asyncio.sleep(0.5)
    tasks[0].cancel()  # the one that makes the request
    tasks[3].cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [isinstance(result, Response) for result in results] == [False, True, True, False, True]
    assert source.asked == 2


@virtual_time
async def test_a_failure_is_that_of_all_but_lack_of_time_only_of_who_had_none() -> None:
    failing = Source(ToolUnreachable("away", for_model="away"), seconds=1)
    kept = cache()
    results = await asyncio.gather(*(kept.get(KEY, 10, failing) for _ in range(4)), return_exceptions=True)
    assert all(isinstance(result, ToolUnreachable) for result in results)
    assert failing.asked == 1
    late = Source(TimeoutError(), made(), seconds=1)
    results = await asyncio.gather(*(kept.get(KEY, 10, late) for _ in range(4)), return_exceptions=True)
    assert [type(result) for result in results] == [TimeoutError, Response, Response, Response]
    assert late.asked == 2
