"""The guard around the libraries' streams, without a library."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from langchain_core.messages import AIMessageChunk
from langchain_core.outputs import ChatGenerationChunk

from app.llm.explain import Origin
from app.llm.guard import guarded
from app.llm.pace import AT_ONCE

ORIGIN = Origin("p", "P_API_KEY", "http://p")


async def stream(pieces: list[str]) -> AsyncIterator[ChatGenerationChunk]:
    """As a library reads what the socket has buffered: without ever letting the loop turn."""
    for text in pieces:
        yield ChatGenerationChunk(message=AIMessageChunk(content=text))
    yield ChatGenerationChunk(message=AIMessageChunk(content=""), generation_info={"finish_reason": "stop"})


async def test_a_spoken_answer_goes_on_piece_by_piece_and_a_very_long_one_in_batches() -> None:
    pieces = [f"{number} " for number in range(20_000)]
    read = [chunk.text async for chunk in guarded(stream(pieces), ORIGIN)]
    assert read[:AT_ONCE] == pieces[:AT_ONCE]
    assert "".join(read) == "".join(pieces)
    assert len(read) < 400
    assert max(map(len, read)) < len("".join(pieces)) / 20


async def test_the_loop_turns_while_a_long_answer_is_read() -> None:
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(others())
    async for _ in guarded(stream(["word "] * 20_000), ORIGIN):
        pass
    task.cancel()
    assert turns > 5
