"""JSON that a server made to keep the process busy, and JSON as it usually is."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import orjson
import pytest

from app.tools.definition import ResultSpec
from app.tools.errors import ToolResultUnusable
from app.tools.execution import ToolExecutor
from app.tools.reading.json_data import MAX_BRACKETS, JsonRefused, json_data
from tests.tools.conftest import context, raw_server, response, tool


@contextmanager
def collections() -> Iterator[list[int]]:
    seen: list[int] = []

    def note(phase: str, info: dict[str, int]) -> None:
        if phase == "start":
            seen.append(info["generation"])

    gc.callbacks.append(note)
    try:
        yield seen
    finally:
        gc.callbacks.remove(note)


def test_a_megabyte_of_records_is_read_without_looking_for_cycles() -> None:
    records = [{"id": number, "name": f"customer {number}", "tags": ["a", "b"]} for number in range(18_000)]
    body = orjson.dumps(records)
    assert gc.isenabled()
    with collections() as seen:
        read = json_data(body)
    assert read == records
    assert len(seen) <= 1  # the count that is left over when the collector is back
    assert gc.isenabled()


def test_the_collector_is_back_after_a_mistake_and_stays_away_where_it_was_off() -> None:
    with pytest.raises(orjson.JSONDecodeError):
        json_data(b"{")
    assert gc.isenabled()
    gc.disable()
    try:
        json_data(b"{}")
        assert not gc.isenabled()
    finally:
        gc.enable()


@pytest.mark.parametrize("part", [b"[]", b'{"a":{}}', b'"{[{["'])
def test_nothing_but_brackets_is_refused(part: bytes) -> None:
    body = b"[" + b",".join([part] * MAX_BRACKETS) + b"]"
    with pytest.raises(JsonRefused, match="objects and lists; up to 50,000 are read as data"):
        json_data(body)


async def test_the_model_sees_the_beginning_of_it_and_a_selection_says_why_it_fails(executor: ToolExecutor) -> None:
    async with raw_server(response(b"[" + b",".join([b"[]"] * 60_000) + b"]")) as server:
        definition = tool(server.url)
        text = (await executor.run(definition, {}, context())).text
        assert text.startswith("[[],[]")
        assert "cut: this is the beginning" in text
        with pytest.raises(ToolResultUnusable, match="60,001 objects and lists"):
            await executor.run(replace(definition, version=2, result=ResultSpec(select="[0]")), {}, context())
