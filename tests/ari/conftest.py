"""Clients for the tests, connected to the lab's Asterisks."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest

from app.ari.client import AriClient
from app.ari.config import AriConfig
from app.ari.errors import AriNotFound
from app.ari.events import StasisStart
from app.ari.handles import Channel
from lab.asterisk import Asterisk
from tests.ari.listening import Heard

Connect = Callable[..., AbstractAsyncContextManager[AriClient]]


def config(asterisk: Asterisk, **changes: Any) -> AriConfig:
    """For the lab, with short waits."""
    settings: dict[str, Any] = {
        "url": asterisk.http_url,
        "username": asterisk.username,
        "password": asterisk.password,
        "app": asterisk.app,
        "backoff_initial": 0.02,
        "backoff_max": 0.2,
    }
    return AriConfig(**(settings | changes))


@contextlib.asynccontextmanager
async def running(ari: AriClient) -> AsyncIterator[AriClient]:
    """Run a client while a test uses it; it must still be running at the end."""
    task = asyncio.create_task(ari.run())
    try:
        yield ari
        assert not task.done(), task
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@contextlib.asynccontextmanager
async def connected(asterisk: Asterisk, heard: Heard, **changes: Any) -> AsyncIterator[AriClient]:
    """A client that is connected."""
    async with running(AriClient(config(asterisk, **changes), heard)) as ari:
        await ari.wait_connected(5.0)
        yield ari


@contextlib.asynccontextmanager
async def call(ari: AriClient, heard: Heard) -> AsyncIterator[str]:
    """A channel in our application, hung up at the end: one half of a Local channel, so that no SIP is needed.

    Its other half runs the lab's dialplan and comes into the application too, half a second later, as ``ID;2``.
    """
    channel_id = f"test-{uuid.uuid4().hex[:8]}"
    await ari.request(
        "POST",
        "channels",
        body={"endpoint": "Local/103@lab", "app": ari.config.app, "appArgs": "test", "channelId": channel_id},
    )
    try:
        await heard.event(StasisStart, channel_id)
        yield channel_id
    finally:
        with contextlib.suppress(AriNotFound):
            await ari.request("DELETE", f"channels/{channel_id}")


async def soon(condition: Callable[[], Awaitable[object]], seconds: float = 2.0) -> None:
    """Wait until something that has to be asked for comes true."""
    async with asyncio.timeout(seconds):
        while not await condition():
            await asyncio.sleep(0.01)


async def has(channel: Channel, values: Mapping[str, str]) -> bool:
    """Whether the channel has all these variables."""
    return {name: await channel.get_variable(name) for name in values} == values


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture(params=["asterisk", "asterisk16"])
def either(request: pytest.FixtureRequest) -> Asterisk:
    """Each of both servers."""
    server: Asterisk = request.getfixturevalue(request.param)
    return server
