"""The gateway as a process of its own, for the demo, the tests and the benchmark: started with settings, read by its
log, stopped by its process id."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from app.core.settings import Settings
from lab.asterisk import Asterisk
from lab.errors import LabFailed
from lab.ports import free_port
from lab.process import leash

LogLine = dict[str, Any]


class Service:
    """A gateway that runs as long as this object is started.

    ``start``, ``stop`` and ``kill`` block; ``async with`` runs them in a thread. Settings and port stay the same over a
    restart.

    Args:
        folder: Where it runs: its database goes there.
        settings: Its environment. ``WEB_PORT`` is a free port if it is not given; logs are JSON.
        on_line: Is called with every line of the log as it comes, from a thread.
        ready: The log's event that says it can be used.

    Attributes:
        url: Base address of its web interface.
        log: Its last lines, newest last.
        seen: How many lines it has logged so far, those that ``log`` no longer holds among them.
        printed: What it printed for people, such as the password that it made.
    """

    def __init__(
        self,
        folder: Path,
        settings: Mapping[str, str],
        *,
        on_line: Callable[[LogLine], None] | None = None,
        ready: str = "service.ready",
        module: str = "app.main",
    ) -> None:
        self._folder = folder
        self._module = module
        port = settings.get("WEB_PORT") or str(free_port())
        self._environment = environment({"LOG_FORMAT": "json", **settings, "WEB_PORT": port})
        self._on_line = on_line
        self._ready = ready
        self.url = f"http://127.0.0.1:{port}"
        self.log: deque[LogLine] = deque(maxlen=50_000)
        self.seen = 0
        self.printed: list[str] = []
        self._more = threading.Condition()
        self._leash: subprocess.Popen[bytes] | None = None
        self._readers: list[threading.Thread] = []
        self._pid = 0

    @property
    def running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._leash is not None and self._leash.poll() is None

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._pid

    @property
    def leash_pid(self) -> int | None:
        """Our child process that it hangs on; None when it is not running."""
        return self._leash.pid if self._leash is not None and self.running else None

    def start(self, timeout: float = 60.0) -> None:
        """Start it and wait until it is ready.

        Raises:
            LabFailed: it ended, or was not ready in time; with the end of its log.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        pidfile = self._folder.absolute() / "service.pid"
        pidfile.unlink(missing_ok=True)
        command = leash(
            [sys.executable, "-m", self._module], str(pidfile), cwd=str(self._folder.absolute()), env=self._environment
        )
        begun = self.seen
        self._leash = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, process_group=0
        )
        assert self._leash.stdout is not None
        assert self._leash.stderr is not None
        self._readers = [
            threading.Thread(target=self._read, args=(stream,), daemon=True)
            for stream in (self._leash.stdout, self._leash.stderr)
        ]
        for reader in self._readers:
            reader.start()
        try:
            self.expect(self._ready, timeout, skip=begun)
        except LabFailed:
            self.kill()
            raise
        self._pid = int(pidfile.read_text())

    def stop(self, timeout: float = 20.0) -> int:
        """Stop it as a service manager would, and wait; kill it when it does not end. Returns its exit code."""
        if self._leash is None:
            return 0
        if self.running and self._pid:
            self.send(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._leash.wait(timeout)
        return self._let_go()

    def kill(self) -> None:
        """Kill it at once, as a power cut would."""
        if self.running and self._pid:
            self.send(signal.SIGKILL)
        self._let_go()

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the gateway itself."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._pid, number)

    def _let_go(self) -> int:
        """Close the leash, upon which the gateway is killed if it still lives, and collect what is left."""
        if self._leash is None:
            return 0
        assert self._leash.stdin is not None
        self._leash.stdin.close()
        code = self._leash.wait(10)
        for reader in self._readers:
            reader.join(5)
        for stream in (self._leash.stdout, self._leash.stderr):
            if stream is not None:
                stream.close()
        self._leash, self._pid = None, 0
        return code

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    async def __aenter__(self) -> Self:
        await asyncio.to_thread(self.start)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.to_thread(self.stop)

    # -- its log

    def lines(self, event: str | None = None, *, skip: int = 0, **fields: Any) -> list[LogLine]:
        """The lines so far but for the first ``skip`` (an earlier ``seen``), with this event word and these fields."""
        with self._more:
            kept = list(self.log)[max(0, skip - (self.seen - len(self.log))) :]
        return [
            line
            for line in kept
            if (event is None or line.get("event") == event) and all(line.get(k) == v for k, v in fields.items())
        ]

    def expect(self, event: str, timeout: float = 10.0, *, skip: int = 0, **fields: Any) -> LogLine:
        """The first line, past or to come, with this event word and these fields. Blocks.

        Raises:
            LabFailed: it ended, or ``timeout`` seconds passed; with the end of its log.
        """
        deadline = time.monotonic() + timeout
        while True:
            with self._more:
                found = self.lines(event, skip=skip, **fields)
                if found:
                    return found[0]
                left = deadline - time.monotonic()
                if not self.running or left <= 0:
                    why = "the gateway ended" if not self.running else f"{timeout:g} s passed"
                    break
                self._more.wait(min(left, 0.5))
        raise LabFailed(f"{why} without {event!r} {fields or ''}\n{self.tail()}")

    async def wait_for(self, event: str, timeout: float = 10.0, *, skip: int = 0, **fields: Any) -> LogLine:
        """:meth:`expect` from a coroutine."""
        return await asyncio.to_thread(self.expect, event, timeout, skip=skip, **fields)

    def tail(self, count: int = 30) -> str:
        """The end of the log, and what was printed."""
        with self._more:
            kept = list(self.log)[-count:]
        return "\n".join([*(json.dumps(line, ensure_ascii=False) for line in kept), *self.printed[-count:]])

    def _read(self, stream: IO[bytes]) -> None:
        for raw in stream:
            text = raw.decode("utf-8", "replace").rstrip("\n")
            try:
                line = json.loads(text)
            except ValueError:
                line = None
            with self._more:
                if isinstance(line, dict):
                    self.log.append(line)
                    self.seen += 1
                else:
                    self.printed.append(text)
                self._more.notify_all()
            if isinstance(line, dict) and self._on_line is not None:
                self._on_line(line)
        with self._more:
            self._more.notify_all()


def environment(settings: Mapping[str, str]) -> dict[str, str]:
    """This process's environment without any setting of the gateway, and with ``settings`` in their place."""
    names = {name.upper() for name in Settings.model_fields}
    kept = {name: value for name, value in os.environ.items() if name.upper() not in names}
    return {**kept, **settings}


def ari_settings(asterisk: Asterisk) -> dict[str, str]:
    """The settings that connect the gateway with a lab's Asterisk."""
    return {
        "ASTERISK_ARI_URL": asterisk.http_url,
        "ASTERISK_ARI_USERNAME": asterisk.username,
        "ASTERISK_ARI_PASSWORD": asterisk.password,
        "ASTERISK_APP_NAME": asterisk.app,
    }


@asynccontextmanager
async def run_service(
    folder: Path,
    settings: Mapping[str, str],
    *,
    on_line: Callable[[LogLine], None] | None = None,
    ready: str = "service.ready",
) -> AsyncIterator[Service]:
    """A :class:`Service` for the length of a block."""
    async with Service(folder, settings, on_line=on_line, ready=ready) as service:
        yield service
