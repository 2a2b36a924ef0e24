"""The Redis server: every question to it, bounded in time, with one error for all that can go wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar, cast

import structlog
from redis.asyncio import BlockingConnectionPool, Redis, SSLConnection
from redis.asyncio.connection import AbstractConnection, Connection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError, ResponseError

from app.core.settings import Settings
from app.memory.copies import Remote, Stored
from app.memory.errors import MemoryFailure
from app.memory.interface import Codec
from app.memory.redis_wire import APPEND, FORGET, REPLACE, redis_keys, unpack

T = TypeVar("T")
R = TypeVar("R")
log = structlog.get_logger(__name__)

# Connections to Redis; each is busy for a fraction of a millisecond.
MAX_CONNECTIONS: Final = 16


class WrongType(MemoryFailure):
    """A key of ours holds something of another program; only this conversation suffers."""

    code = "memory_key_taken"


@dataclass(frozen=True, slots=True)
class Appending:
    """One conversation's part of :meth:`RedisServer.append`.

    Attributes:
        epoch: The epoch that the writer knows; None: none.
        new_epoch: For a conversation that begins.
        turns: seq and element of each.
    """

    key: str
    epoch: str | None
    new_epoch: str
    turns: Sequence[tuple[int, bytes]]


@dataclass(frozen=True, slots=True)
class Replacing:
    """A whole conversation for :meth:`RedisServer.replace`.

    Attributes:
        read_epoch, read_count: What it was merged with; None and 0: nothing was there.
        seqs: The last seq of each writer among ``elements``.
    """

    key: str
    read_epoch: str | None
    read_count: int
    epoch: str
    count: int
    seqs: Mapping[str, int]
    elements: Sequence[bytes]


class RedisServer(Generic[T]):
    """Asks Redis. Every method raises MemoryFailure when the answer is an error or takes longer than ``timeout``.

    Args:
        writer: This process, as a random word.
        ttl: Seconds after its last turn until Redis drops a conversation.
        max_turns: Turns that Redis keeps of each.
    """

    def __init__(self, redis: Redis, codec: Codec[T], *, writer: str, ttl: int, max_turns: int) -> None:
        self._redis = redis
        self._codec = codec
        self._writer = writer
        self._ttl = ttl
        self._max_turns = max_turns

    async def ping(self, timeout: float) -> None:
        """Whether it answers."""
        await _bounded(cast(Awaitable[Any], self._redis.ping()), timeout)

    async def revision(self, key: str, timeout: float) -> tuple[str | None, int]:
        """Epoch and count of a conversation: one cheap command."""
        question = cast(Awaitable[list[bytes | None]], self._redis.hmget(redis_keys(key)[1], _REVISION))
        return _revision(await _bounded(question, timeout))

    async def epochs(self, keys: Sequence[str], timeout: float) -> list[str | None]:
        """The epochs of many conversations."""
        pipeline = self._redis.pipeline(transaction=False)
        for key in keys:
            pipeline.hmget(redis_keys(key)[1], _REVISION)
        answers = await _bounded(pipeline.execute(raise_on_error=False), timeout)
        return [None if isinstance(answer, Exception) else _revision(answer)[0] for answer in answers]

    async def read(self, key: str, timeout: float) -> Remote[T]:
        """All of a conversation, at one moment. A turn that cannot be read is passed over, and logged."""
        turns, meta = redis_keys(key)
        pipeline = self._redis.pipeline(transaction=True)
        pipeline.hmget(meta, [*_REVISION, "forgot"])
        pipeline.lrange(turns, 0, -1)
        pipeline.pttl(meta)
        revision, elements, milliseconds = await _bounded(pipeline.execute(), timeout)
        epoch, count = _revision(revision[:2])
        if count > 0 and not elements:
            epoch = None  # the list was evicted
        if epoch is None:
            count = 0
        return Remote(
            epoch=epoch,
            count=count,
            turns=self._decode(key, elements),
            forgotten_at=_number(revision[2]),
            ttl=milliseconds / 1000 if milliseconds > 0 else float(self._ttl),
        )

    async def append(self, conversations: Sequence[Appending], timeout: float) -> list[tuple[str, int] | MemoryFailure]:
        """Write turns of several conversations in one round trip. Safe to repeat.

        Returns:
            For each the epoch and the count after it, where a count of -1 says that the epoch is another one and
            nothing was written; or what went wrong with this one alone.
        """
        pipeline = self._redis.pipeline(transaction=False)
        for item in conversations:
            arguments: list[str | bytes | int] = [self._ttl, self._max_turns, item.epoch or "", item.new_epoch]
            arguments.append(self._writer)
            for seq, element in item.turns:
                arguments += [seq, element]
            pipeline.eval(APPEND, 2, *redis_keys(item.key), *arguments)
        answers = await _bounded(pipeline.execute(raise_on_error=False), timeout)
        results: list[tuple[str, int] | MemoryFailure] = []
        for answer in answers:
            if isinstance(answer, Exception):
                failure = _explain(answer)
                if not isinstance(failure, WrongType):
                    raise failure from answer
                results.append(failure)
            else:
                results.append((answer[0].decode(), int(answer[1])))
        return results

    async def replace(self, item: Replacing, timeout: float) -> bool:
        """Put a whole conversation in place; False when somebody wrote since it was read."""
        arguments: list[str | bytes | int] = [self._ttl, item.read_epoch or "", item.read_count, item.epoch, item.count]
        arguments.append(len(item.seqs))
        for writer, seq in item.seqs.items():
            arguments += [writer, seq]
        arguments += item.elements
        answer = await _bounded(_awaitable(self._redis.eval(REPLACE, 2, *redis_keys(item.key), *arguments)), timeout)
        return bool(answer)

    async def forget(self, key: str, epoch: str, at: int, timeout: float) -> None:
        """Empty a conversation, and leave word of it under the new ``epoch``."""
        await _bounded(
            _awaitable(self._redis.eval(FORGET, 2, *redis_keys(key), self._ttl, epoch, at)),
            timeout,
        )

    async def aclose(self) -> None:
        """Close the connections."""
        await self._redis.aclose()

    def _decode(self, key: str, elements: Sequence[bytes]) -> list[Stored[T]]:
        turns = []
        for place, element in enumerate(elements):
            try:
                stamp, data = unpack(element)
                turns.append(Stored(stamp, self._codec.loads(data), len(element)))
            except ValueError as error:
                log.error("memory.turn_unreadable", conversation=key, place=place, error=type(error).__name__)
        return turns


def connect(settings: Settings) -> Redis:
    """A client for the Redis of ``settings``; connects at first use."""
    options: dict[str, Any] = {
        "host": settings.redis_host,
        "port": settings.redis_port,
        "db": settings.redis_db,
        "username": settings.redis_username,
        "password": settings.redis_password.get_secret_value() if settings.redis_password else None,
        "protocol": 2,
        "socket_keepalive": True,
        # Time limits are set around each question, connecting included.
        "socket_timeout": None,
        "socket_connect_timeout": None,
        # Once, on a new connection: a pooled one may have been closed by a restart or a firewall since.
        "retry": Retry(NoBackoff(), 1, supported_errors=(RedisConnectionError,)),
    }
    kind: type[AbstractConnection] = SSLConnection if settings.redis_tls else Connection
    return Redis.from_pool(
        BlockingConnectionPool(max_connections=MAX_CONNECTIONS, timeout=None, connection_class=kind, **options)
    )


_REVISION: Final = ["epoch", "count"]


def _revision(values: Sequence[bytes | None]) -> tuple[str | None, int]:
    epoch, count = values
    return (epoch.decode() if epoch is not None else None), _number(count)


def _number(value: bytes | None) -> int:
    # A number that somebody has spoilt by hand counts as none: the list is read and merged then.
    return int(value) if value is not None and value.isdigit() else 0


def _awaitable(answer: Awaitable[R] | R) -> Awaitable[R]:
    # redis-py annotates its commands for both of its clients at once.
    return cast(Awaitable[R], answer)


async def _bounded(question: Awaitable[R], timeout: float) -> R:
    try:
        async with asyncio.timeout(timeout):
            return await question
    except TimeoutError:
        raise MemoryFailure(f"Redis did not answer within {timeout * 1000:.0f} ms") from None
    except (RedisError, OSError, ValueError) as error:
        raise _explain(error) from error


def _explain(error: Exception) -> MemoryFailure:
    if isinstance(error, ResponseError) and "WRONGTYPE" in str(error):
        return WrongType("a key of this conversation holds something of another program in Redis")
    return MemoryFailure(" ".join(f"{error}".split())[:200] or type(error).__name__)
