"""Which memory is in use: Redis where it is configured, this process otherwise."""

from __future__ import annotations

from typing import TypeVar

from app.core.settings import Settings
from app.memory.copies import OBJECTS
from app.memory.in_process import InProcessMemory
from app.memory.interface import Codec, ConversationMemory
from app.memory.redis import RedisMemory, new_writer
from app.memory.redis_server import RedisServer, connect

T = TypeVar("T")


def make_memory(settings: Settings, codec: Codec[T]) -> ConversationMemory[T]:
    """The memory that ``settings`` ask for. Connects to nothing before its first use."""
    ttl, max_turns = settings.ai_memory_ttl, settings.ai_memory_max_turns
    if settings.redis_host is None:
        return InProcessMemory(
            ttl=ttl,
            max_turns=max_turns,
            weigh=lambda turn: weigh(codec, turn),
            detail="REDIS_HOST is not set, so conversations are kept in this process; a restart forgets them.",
        )
    writer = new_writer()
    server = RedisServer(connect(settings), codec, writer=writer, ttl=ttl, max_turns=max_turns)
    where = f"{settings.redis_host}:{settings.redis_port}"
    return RedisMemory(server, codec, writer=writer, ttl=ttl, max_turns=max_turns, where=where)


def weigh(codec: Codec[T], turn: T) -> int:
    """Bytes of memory that ``turn`` takes, roughly: writing it down takes some microseconds, measuring objects more."""
    try:
        return len(codec.dumps(turn)) + OBJECTS
    except (TypeError, ValueError):
        return OBJECTS
