"""Structured logs: one event word and its fields a line, as JSON or for a console.

Three things are particular here:

- What callers said, and what models and tools answered, stands only in the fields of :data:`SPEECH_FIELDS`, which
  ``LOG_SPEECH=false`` removes.
- Every line is masked: a secret of the settings never leaves the process, whichever library wrote the line.
- Writing a line never fails, whatever is in its fields: a turn does not end for the sake of its log.
- Lines are written by a thread of their own behind a bounded queue. A terminal that is paused, or a log collector that
  stopped reading its pipe, would otherwise stop the event loop and with it every call. When the queue is full, lines
  are dropped and counted, and the next line that goes through says how many.
"""

from __future__ import annotations

import json
import logging
import queue
import re
import sys
import threading
from collections.abc import Iterable, MutableMapping
from typing import IO, Any
from urllib.parse import quote, quote_plus

import orjson
import structlog

SPEECH_FIELDS = frozenset({"caller_text", "answer_text", "tool_arguments", "tool_result", "messages"})

# Lines that may wait for a slow reader; at some 400 bytes a line this bounds the memory to a few megabytes.
QUEUE_LINES = 10_000

# Shorter values would mask ordinary words all over the log.
SHORTEST_SECRET = 6


class SecretMask:
    """Replaces secrets in finished lines.

    Masking the line, not the fields, also reaches exception texts, URLs and the logs of libraries.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._secrets: set[str] = set()
        self._pattern: re.Pattern[str] | None = None
        self.add(secrets)

    def add(self, secrets: Iterable[str]) -> None:
        """Mask these too from now on. Values under six characters are left out."""
        self._secrets.update(s for s in secrets if len(s) >= SHORTEST_SECRET)
        forms: set[str] = set()
        for secret in self._secrets:
            forms.add(secret)
            forms |= _written(secret)
        longest_first = sorted(forms, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, longest_first))) if forms else None

    def __call__(self, line: str) -> str:
        return self._pattern.sub("***", line) if self._pattern else line


def _written(secret: str) -> set[str]:
    """How a secret looks inside a JSON line, in JSON within JSON, and in an address."""

    def quoted(text: str) -> set[str]:
        return {json.dumps(text, ensure_ascii=ascii_only)[1:-1] for ascii_only in (False, True)}

    once = quoted(secret)
    twice = {form for text in once for form in quoted(text)}
    return once | twice | {quote(secret, safe=""), quote(secret), quote_plus(secret)}


class LineWriter:
    """A thread that masks lines and writes them to a stream.

    Attributes:
        dropped: Lines lost so far because the queue was full.
    """

    def __init__(self, stream: IO[str], mask: SecretMask, *, max_lines: int = QUEUE_LINES) -> None:
        self._stream = stream
        self._mask = mask
        self._lines: queue.Queue[str | threading.Event | None] = queue.Queue(max_lines)
        self._reported = 0
        self.dropped = 0
        self._thread = threading.Thread(target=self._run, name="log-writer", daemon=True)
        self._thread.start()

    def write(self, line: str) -> None:
        """Hand over one line; never blocks."""
        try:
            self._lines.put_nowait(line)
        except queue.Full:
            self.dropped += 1

    def flush(self, timeout: float = 1.0) -> None:
        """Wait, for a bounded time, until what was handed over so far is written."""
        written = threading.Event()
        try:
            self._lines.put(written, timeout=timeout)
        except queue.Full:
            return
        written.wait(timeout)

    def close(self, timeout: float = 1.0) -> None:
        """Write what waits, for a bounded time, and end the thread."""
        try:
            self._lines.put(None, timeout=timeout)
        except queue.Full:
            return
        self._thread.join(timeout)

    def _run(self) -> None:
        while (item := self._lines.get()) is not None:
            try:
                if isinstance(item, threading.Event):
                    self._stream.flush()
                    item.set()
                    continue
                if self.dropped > self._reported:
                    missing, self._reported = self.dropped - self._reported, self.dropped
                    self._stream.write(f"... {missing} log lines were dropped: the reader of this log is too slow\n")
                self._stream.write(self._mask(item) + "\n")
                if self._lines.empty():
                    self._stream.flush()
            except (OSError, ValueError):
                # The stream is gone (a closed pipe). There is nowhere left to say it, and the calls go on.
                self.dropped += 1


class _Output:
    """The logger that structlog wraps, and the stdlib handler: both end in the same writer."""

    def __init__(self, writer: LineWriter) -> None:
        self.writer = writer

    def msg(self, message: str) -> None:
        self.writer.write(message)

    debug = info = warning = error = critical = exception = msg


class _StdlibHandler(logging.Handler):
    def __init__(self, writer: LineWriter) -> None:
        super().__init__()
        self._writer = writer

    def emit(self, record: logging.LogRecord) -> None:
        self._writer.write(self.format(record))


def drop_speech(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A processor that removes the fields which hold what people said."""
    for name in SPEECH_FIELDS & event.keys():
        del event[name]
    return event


def _drop_colours(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    event.pop("color_message", None)  # uvicorn's second version of each line, for its own formatter
    return event


def _json(event: Any, **kwargs: Any) -> str:
    default = kwargs.get("default", str)
    try:
        return orjson.dumps(event, default=default, option=orjson.OPT_NON_STR_KEYS).decode()
    except TypeError:  # an integer over 64 bits, a lone surrogate, deep nesting: a model's arguments may hold them all
        return json.dumps({str(name): _plain(value) for name, value in event.items()})


def _plain(value: Any) -> str | int | float | bool | None:
    """A field for which JSON, as orjson writes it, has no form."""
    return value if value is None or isinstance(value, str | bool | int | float) else _repr(value)


def _repr(value: Any) -> str:
    try:
        return repr(value)
    except Exception as error:  # noqa: BLE001 - deeper than repr() goes, or an object whose repr() fails
        return f"<{type(value).__name__} that cannot be shown: {type(error).__name__}>"


def _showable(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """For the console, which shows a value by its repr() and fails where that does."""
    for name, value in event.items():
        if isinstance(value, dict | list | tuple | set) and (shown := _repr(value)).startswith("<"):
            event[name] = shown
    return event


def configure_logging(
    *,
    level: str = "info",
    output: str = "auto",
    speech: bool = True,
    secrets: Iterable[str] = (),
    stream: IO[str] | None = None,
) -> LineWriter:
    """Set up structlog and the standard library's logging for the whole process.

    Args:
        output: ``json``, ``console``, or ``auto``: the console's form where ``stream`` is a terminal.
        speech: Whether lines may hold what callers said.
        secrets: Values that never appear in a line.
        stream: Where lines go; standard error by default.

    Returns:
        The writer; whoever started the process closes it last.
    """
    stream = stream or sys.stderr
    writer = LineWriter(stream, SecretMask(secrets))
    as_json = output == "json" or (output == "auto" and not stream.isatty())
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    if not speech:
        shared.append(drop_speech)
    final: list[Any]
    if as_json:
        final = [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(serializer=_json)]
    else:
        # Not the renderer's own choice, which shows the local variables of every frame: secrets and what callers said
        # among them, and the event loop stands still for a second while it draws them.
        final = [
            _showable,
            structlog.dev.ConsoleRenderer(
                colors=stream.isatty(), pad_event_to=24, exception_formatter=structlog.dev.plain_traceback
            ),
        ]

    structlog.configure(
        processors=[*shared, structlog.processors.StackInfoRenderer(), *final],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lambda *_args: _Output(writer),
        cache_logger_on_first_use=False,
    )
    handler = _StdlibHandler(writer)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name, structlog.stdlib.ExtraAdder(), _drop_colours],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *final],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    # Libraries at debug level print every frame they send; our own debug lines say what an operator can use.
    root.setLevel(logging.WARNING if level == "debug" else level.upper())
    for noisy in ("httpx", "httpx2", "httpcore", "openai", "google_genai", "anthropic", "alembic", "uvicorn.access"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    logging.captureWarnings(True)
    return writer
