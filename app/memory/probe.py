"""One look at the configured Redis, for ``asterisk-ai doctor``."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, Final

from redis.exceptions import AuthenticationError, NoPermissionError, RedisError, ResponseError

from app.core.settings import Settings
from app.memory.errors import MemoryFailure
from app.memory.redis_server import connect

# Seconds for all of it.
PROBE_TIMEOUT: Final = 5.0
PROBE_KEY: Final = "ai:probe"


class RedisRefused(MemoryFailure):
    """Redis answered, and refused the login or the write. The message holds its own words."""


@dataclass(frozen=True, slots=True)
class RedisFacts:
    """What Redis says of itself. None: this user may not ask.

    Attributes:
        max_memory: Bytes; 0: no limit.
        policy: ``maxmemory-policy``.
    """

    version: str | None
    max_memory: int | None
    policy: str | None


async def probe_redis(settings: Settings) -> RedisFacts:
    """Connect, log in, and write one key that expires after a second.

    Raises:
        RedisRefused: it answers, but does not let us in or write.
        MemoryFailure: it cannot be reached, or does not answer within :data:`PROBE_TIMEOUT`.
    """
    client = connect(settings)
    try:
        async with asyncio.timeout(PROBE_TIMEOUT):
            await client.set(PROBE_KEY, b"1", ex=1)
            try:
                info: dict[str, Any] = await client.info()
            except NoPermissionError:
                info = {}
    except TimeoutError:
        raise MemoryFailure(f"no answer within {PROBE_TIMEOUT:g} s") from None
    except (AuthenticationError, ResponseError) as error:
        raise RedisRefused(str(error)) from error
    except (RedisError, OSError) as error:
        raise MemoryFailure(str(error)) from error
    finally:
        await client.aclose()
    memory = info.get("maxmemory")
    return RedisFacts(
        version=_text(info.get("redis_version")),
        max_memory=int(memory) if memory is not None else None,
        policy=_text(info.get("maxmemory_policy")),
    )


def _text(value: Any) -> str | None:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return None if value is None else str(value)
