"""A stand-in for the service: takes calls from a real Asterisk, and gives them back as a test says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from app.ari.client import AriClient
from app.ari.config import AriConfig, AsteriskInfo
from app.ari.errors import AriNotFound
from app.ari.events import Event, StasisStart
from app.calls.delivery import deliver
from app.calls.outcome import Outcome
from lab.asterisk import Asterisk


class Service:
    """Stands where the service stands: takes calls, and gives them back as it was told."""

    def __init__(self, outcomes: list[Outcome]) -> None:
        self.outcomes = outcomes
        self.heard: list[str | None] = []
        self.args: list[tuple[str, ...]] = []
        self.ari: AriClient | None = None
        self._tasks: asyncio.TaskGroup | None = None

    def on_connected(self, asterisk: AsteriskInfo) -> None:
        pass

    def on_disconnected(self, reason: str) -> None:
        pass

    def on_event(self, event: Event) -> None:
        if isinstance(event, StasisStart):
            assert self._tasks is not None
            self._tasks.create_task(self._serve(event))

    async def _serve(self, event: StasisStart) -> None:
        assert self.ari is not None
        self.args.append(event.args)
        channel = self.ari.channel(event.channel.id)
        try:
            self.heard.append(await channel.get_variable("USER_INPUT"))
        except AriNotFound:
            return  # hung up in the same moment
        if self.outcomes:  # else: it has the caller and never gives them back
            await deliver(channel, self.outcomes.pop(0), fallback="Sorry.", gone=lambda: False)

    @asynccontextmanager
    async def connected(self, asterisk: Asterisk, app: str) -> AsyncIterator[Service]:
        config = AriConfig(url=asterisk.http_url, username=asterisk.username, password=asterisk.password, app=app)
        async with asyncio.TaskGroup() as self._tasks:
            self.ari = AriClient(config, self)
            running = self._tasks.create_task(self.ari.run())
            await self.ari.wait_connected(5)
            try:
                yield self
            finally:
                running.cancel()
