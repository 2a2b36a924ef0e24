"""Conversation memory: Redis, where it is configured."""

from __future__ import annotations

from collections.abc import Sequence

from app.doctor.check import Subject
from app.doctor.finding import Finding, fail, ok, warn
from app.memory.errors import MemoryFailure
from app.memory.probe import RedisFacts, RedisRefused, probe_redis


async def check_memory(subject: Subject) -> Sequence[Finding]:
    """Connects, logs in, writes one key that expires, and reads the server's limits."""
    settings = subject.settings
    if settings.redis_host is None:
        return [ok("Memory", "in this process, since REDIS_HOST is not set; a restart forgets the conversations")]
    where = f"{settings.redis_host}:{settings.redis_port}"
    try:
        facts = await probe_redis(settings)
    except RedisRefused as error:
        return [fail("Redis", f"Redis at {where} refuses: {error}", _refusal(str(error)))]
    except MemoryFailure as error:
        return [
            fail(
                "Redis",
                f"Redis at {where} cannot be reached: {error}",
                f"Check REDIS_HOST, REDIS_PORT and REDIS_TLS; try: redis-cli -h {settings.redis_host} "
                f"-p {settings.redis_port} ping",
            )
        ]
    return [ok("Redis", f"Redis {facts.version or 'of unknown version'} at {where}"), *_eviction(facts)]


def _refusal(message: str) -> str:
    if any(word in message.upper() for word in ("NOAUTH", "WRONGPASS", "AUTHENTICATION", "PASSWORD")):
        return "Set REDIS_PASSWORD (and REDIS_USERNAME) in .env to those of redis.conf (requirepass, or user)."
    if "NOPERM" in message.upper() or "PERMISSION" in message.upper():
        return "Give the Redis user the keys ai:* and the commands of @read, @write and @scripting (ACL SETUSER)."
    if "READONLY" in message.upper() or "READ ONLY" in message.upper():
        return "This is a replica: set REDIS_HOST to the primary."
    return "Look at Redis' log; try: redis-cli set ai:try 1 ex 1"


def _eviction(facts: RedisFacts) -> list[Finding]:
    if not facts.max_memory or facts.policy is None:
        return []
    title = "Redis eviction"
    if facts.policy.startswith("allkeys"):
        return [
            warn(
                title,
                f"maxmemory-policy {facts.policy}: conversations in progress may be dropped when Redis is full",
                "redis-cli config set maxmemory-policy volatile-ttl, and the same in redis.conf",
            )
        ]
    if facts.policy == "noeviction":
        return [
            warn(
                title,
                f"maxmemory {facts.max_memory} bytes with noeviction: turns are not saved while Redis is full",
                "redis-cli config set maxmemory-policy volatile-ttl, and the same in redis.conf",
            )
        ]
    return [ok(title, f"maxmemory {facts.max_memory} bytes, {facts.policy}")]
