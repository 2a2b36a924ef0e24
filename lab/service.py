"""The gateway as a process of its own, for the demo, the tests and the benchmark: started with settings, read by its
log, stopped by its process id."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from app.core.settings import Settings
from lab.asterisk import Asterisk
from lab.errors import LabFailed
from lab.ports import free_port

LogLine = dict[str, Any]


class Service:
    """A running gateway.

    Attributes:
        url: Base address of its web interface.
        log: Its last lines, newest last.
        printed: What it printed for people, such as the password that it made.
    """

    def __init__(
        self, process: asyncio.subprocess.Process, url: str, on_line: Callable[[LogLine], None] | None
    ) -> None:
        self.process = process
        self.url = url
        self.log: deque[LogLine] = deque(maxlen=20_000)
        self.printed: list[str] = []
        self._on_line = on_line
        self._more = asyncio.Condition()

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.process.pid

    async def wait_for(self, event: str, timeout: float = 30.0, **fields: Any) -> LogLine:
        """The first line, past or to come, with this event word and these fields.

        Raises:
            LabFailed: the service ended, or ``timeout`` seconds passed; with the end of its log.
        """

        def found() -> LogLine | None:
            for line in self.log:
                if line.get("event") == event and all(line.get(k) == v for k, v in fields.items()):
                    return line
            return None

        try:
            async with asyncio.timeout(timeout), self._more:
                while (line := found()) is None:
                    if self.process.returncode is not None:
                        raise LabFailed(f"the service ended before {event!r}:\n{self.tail()}")
                    await self._more.wait()
                return line
        except TimeoutError:
            raise LabFailed(f"no {event!r} within {timeout:g} s:\n{self.tail()}") from None

    def lines(self, event: str, **fields: Any) -> list[LogLine]:
        """The lines so far with this event word and these fields."""
        return [x for x in self.log if x.get("event") == event and all(x.get(k) == v for k, v in fields.items())]

    def tail(self, count: int = 30) -> str:
        """The end of the log, and what was printed."""
        return "\n".join(
            [json.dumps(line, ensure_ascii=False) for line in list(self.log)[-count:]] + self.printed[-count:]
        )

    async def stop(self, timeout: float = 15.0) -> int:
        """Stop it as a service manager would, and wait. Returns its exit code."""
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGTERM)
        return await asyncio.wait_for(self.process.wait(), timeout)

    async def kill(self) -> None:
        """Kill it at once, as a power cut would."""
        if self.process.returncode is None:
            self.process.kill()
        await self.process.wait()

    async def _read(self, stream: asyncio.StreamReader) -> None:
        async for raw in stream:
            text = raw.decode("utf-8", "replace").rstrip("\n")
            try:
                line = json.loads(text)
            except ValueError:
                line = None
            if isinstance(line, dict):
                self.log.append(line)
                if self._on_line is not None:
                    self._on_line(line)
            else:
                self.printed.append(text)
            async with self._more:
                self._more.notify_all()
        async with self._more:
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
    """Start the gateway in ``folder`` (its database goes there), wait until it is ready, stop it at the end.

    Args:
        settings: Its environment. ``WEB_PORT`` is a free port if it is not given; logs are JSON.
        on_line: Is called with every line of the log as it comes.
        ready: The log's event that says it can be used.
    """
    folder.mkdir(parents=True, exist_ok=True)
    port = settings.get("WEB_PORT") or str(free_port())
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "app.main",
        cwd=folder,
        env=environment({"LOG_FORMAT": "json", **settings, "WEB_PORT": port}),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        limit=16 * 1024 * 1024,
        start_new_session=True,
    )
    service = Service(process, f"http://127.0.0.1:{port}", on_line)
    assert process.stdout is not None
    assert process.stderr is not None
    async with asyncio.TaskGroup() as readers:
        readers.create_task(service._read(process.stdout))
        readers.create_task(service._read(process.stderr))
        try:
            await service.wait_for(ready)
            yield service
        finally:
            try:
                await asyncio.shield(service.stop())
            except TimeoutError:
                await service.kill()
