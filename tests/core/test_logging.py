"""Logs: masked, bounded, and never in the way."""

from __future__ import annotations

import io
import json
import logging
import threading
from collections.abc import Iterator
from urllib.parse import quote, quote_plus

import pytest
import structlog

from app.core.logging import LineWriter, SecretMask, configure_logging


@pytest.fixture(autouse=True)
def _restore() -> Iterator[None]:
    handlers, level = logging.getLogger().handlers[:], logging.getLogger().level
    yield
    structlog.reset_defaults()
    logging.getLogger().handlers[:] = handlers
    logging.getLogger().setLevel(level)
    logging.captureWarnings(False)


def lines_of(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_is_one_json_object() -> None:
    stream = io.StringIO()
    writer = configure_logging(output="json", stream=stream)
    structlog.get_logger("x").bind(call="17.4").info("turn.finished", latency_ms=3)
    writer.close()
    (line,) = lines_of(stream)
    assert line["event"] == "turn.finished"
    assert (line["call"], line["latency_ms"], line["level"]) == ("17.4", 3, "info")


def test_a_secret_is_masked_wherever_it_stands() -> None:
    stream = io.StringIO()
    writer = configure_logging(output="json", stream=stream, secrets=['sk-"quoted"-key'])
    structlog.get_logger().info("asked", url='https://x/?key=sk-"quoted"-key', nested={"a": ['sk-"quoted"-key']})
    logging.getLogger("some.library").warning('header sk-"quoted"-key')
    try:
        raise ValueError('bad key sk-"quoted"-key')
    except ValueError:
        structlog.get_logger().exception("failed")
    writer.close()
    assert "quoted" not in stream.getvalue()
    assert stream.getvalue().count("***") >= 4


def test_a_secret_is_masked_inside_addresses_and_quoted_json() -> None:
    secret = 'p@ss wörd/"7"+x'
    stream = io.StringIO()
    writer = configure_logging(output="json", stream=stream, secrets=[secret])
    log = structlog.get_logger()
    for address in (quote(secret, safe=""), quote(secret), quote_plus(secret)):
        log.info("asked", url=f"redis://:{address}@host/0")
    log.info("answered", tool_result=json.dumps({"key": secret}))
    log.info("answered", tool_result=json.dumps({"key": secret}, ensure_ascii=False))
    log.info("big", number=10**30, value=secret)
    writer.close()
    for line in lines_of(stream):
        assert "***" in json.dumps(line), line
        assert "wörd" not in json.dumps(line, ensure_ascii=False)


def nested(depth: int) -> list[object]:
    value: list[object] = []
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize("output", ["json", "console"])
@pytest.mark.parametrize(
    "value",
    [10**30, "\ud800", {(1, 2): 3}, {"n": [10**30]}, nested(5000)],
    ids=["integer", "surrogate", "key", "nested", "deep"],
)
def test_no_value_makes_a_line_fail(output: str, value: object) -> None:
    stream = io.StringIO()
    writer = configure_logging(output=output, stream=stream)
    structlog.get_logger().info("tool.finished", tool_arguments=value, call="17.4")
    writer.close()
    assert "17.4" in stream.getvalue()
    assert "tool.finished" in stream.getvalue()
    assert writer.dropped == 0


@pytest.mark.parametrize("output", ["json", "console"])
def test_a_trace_shows_no_local_variables(output: str) -> None:
    def fail(caller_text: str) -> None:
        raise ValueError(len(caller_text))

    stream = io.StringIO()
    writer = configure_logging(output=output, stream=stream, speech=False)
    try:
        fail(f"my PIN is {1000 + 234}")
    except ValueError as error:
        structlog.get_logger().error("failed", exc_info=error)
    writer.close()
    assert "ValueError" in stream.getvalue()
    assert "1234" not in stream.getvalue()


def test_what_people_said_can_be_left_out() -> None:
    stream = io.StringIO()
    writer = configure_logging(output="json", stream=stream, speech=False)
    structlog.get_logger().info("turn.finished", caller_text="my PIN is 1234", answer_text="thanks", status="OK")
    writer.close()
    (line,) = lines_of(stream)
    assert "caller_text" not in line
    assert "1234" not in stream.getvalue()
    assert line["status"] == "OK"


def test_libraries_write_the_same_lines() -> None:
    stream = io.StringIO()
    writer = configure_logging(output="json", stream=stream)
    logging.getLogger("uvicorn.error").info("started on %s", "port 1")
    writer.close()
    (line,) = lines_of(stream)
    assert line["event"] == "started on port 1"
    assert line["logger"] == "uvicorn.error"


class StuckStream(io.StringIO):
    """A pipe that nobody reads, until it is released."""

    def __init__(self) -> None:
        super().__init__()
        self.released = threading.Event()
        self.stuck = threading.Event()

    def write(self, text: str) -> int:
        self.stuck.set()
        self.released.wait(5)
        return super().write(text)


def test_a_stuck_reader_stops_nobody_and_the_loss_is_told() -> None:
    stream = StuckStream()
    writer = LineWriter(stream, SecretMask(), max_lines=10)
    writer.write("first")
    assert stream.stuck.wait(5)
    for number in range(25):
        writer.write(f"line {number}")  # would block for ever if it waited
    assert writer.dropped == 15
    stream.released.set()
    writer.close(5)
    assert "15 log lines were dropped" in stream.getvalue()
    assert "line 9" in stream.getvalue()
    assert "line 10" not in stream.getvalue()


def test_a_closed_stream_does_not_end_the_writer() -> None:
    stream = io.StringIO()
    writer = LineWriter(stream, SecretMask())
    stream.close()
    writer.write("nobody reads this")
    writer.close(2)
    assert writer.dropped == 1
