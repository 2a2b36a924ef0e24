"""The bench: an agent on a scripted model, whose connections are closed after the test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from tests.agent.scripted import Bench, make_bench

MakeBench = Callable[..., Bench]


@pytest.fixture
async def bench() -> AsyncIterator[MakeBench]:
    made: list[Bench] = []

    def make(*script: list[Any], **options: Any) -> Bench:
        made.append(make_bench(*script, **options))
        return made[-1]

    yield make
    for each in made:
        await each.executor.aclose()
