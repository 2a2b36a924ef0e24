"""Memories for the tests of this room."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest_asyncio

from app.core.settings import Settings
from app.memory.factory import make_memory
from app.memory.interface import ConversationMemory
from lab.servers import Redis
from tests.memory.turns import CODEC

Make = Callable[..., ConversationMemory[str]]


@pytest_asyncio.fixture
async def make() -> AsyncIterator[Make]:
    """Makes memories as the service does; all are closed at the end. Given a server they use it, as instances do."""
    made: list[ConversationMemory[str]] = []

    def _make(server: Redis | None = None, **changes: Any) -> ConversationMemory[str]:
        redis = {} if server is None else {"redis_host": server.host, "redis_port": server.port}
        memory = make_memory(Settings(_env_file=None, **{**redis, **changes}), CODEC)
        made.append(memory)
        return memory

    yield _make
    for memory in made:
        await memory.aclose()
