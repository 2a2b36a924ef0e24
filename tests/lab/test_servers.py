"""Redis, PostgreSQL and MariaDB of the lab, by the clients that the gateway uses."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from redis.asyncio import Redis as RedisClient
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from lab.roots import FORKY
from lab.servers import MariaDB, Postgres, Redis
from tests.fixtures.lab import need
from tests.fixtures.leaks import children


@pytest.mark.redis
async def test_redis_freezes_goes_on_and_comes_back(forky: None) -> None:
    with Redis(password="pass word") as server:
        once = Retry(NoBackoff(), 0)
        client = RedisClient(host=server.host, port=server.port, password="pass word", socket_timeout=0.1, retry=once)
        assert await client.set("key", "value")
        server.pause()
        with pytest.raises((RedisTimeoutError, RedisConnectionError)):
            await client.get("key")
        server.resume()
        assert await client.get("key") == b"value"
        server.kill()
        with pytest.raises(RedisConnectionError):
            await client.get("key")
        server.restart()
        assert await client.get("key") is None
        await client.aclose()


@pytest.mark.postgres
async def test_postgres_hands_out_empty_databases_and_survives_a_crash(forky: None) -> None:
    with Postgres() as server:
        first, second = server.fresh(), server.fresh()
        await _execute(first, "CREATE TABLE kept (word text)")
        server.kill()
        server.restart()
        count = "SELECT count(*) FROM pg_tables WHERE tablename = 'kept'"
        assert [await _execute(first, count), await _execute(second, count)] == [1, 0]


async def _execute(url: str, statement: str) -> object:
    engine = create_async_engine(url.replace("postgresql://", "postgresql+asyncpg://"))
    async with engine.begin() as connection:
        result = await connection.execute(text(statement))
        value = result.scalar() if result.returns_rows else None
    await engine.dispose()
    return value


@pytest.mark.mariadb
async def test_mariadb_keeps_every_character(mariadb: MariaDB) -> None:
    engine = create_async_engine(mariadb.fresh().replace("mysql://", "mysql+asyncmy://") + "?charset=utf8mb4")
    async with engine.begin() as connection:
        await connection.execute(text("CREATE TABLE words (word text)"))
        await connection.execute(text("INSERT INTO words VALUES (:word)"), {"word": "Grüße 😀"})
        assert (await connection.execute(text("SELECT word FROM words"))).scalar() == "Grüße 😀"
    await engine.dispose()


@pytest.mark.lab
def test_no_server_outlives_its_owner(forky: None) -> None:
    program = (
        "import time; from lab.servers import Redis; "
        "server = Redis(); server.start(); print(server._server.pid, flush=True); time.sleep(60)"
    )
    owner = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert owner.stdout is not None
    server = int(owner.stdout.readline())
    assert Path(f"/proc/{server}").exists()
    owner.send_signal(signal.SIGKILL)
    owner.wait()
    owner.stdout.close()
    deadline = time.monotonic() + 5
    while Path(f"/proc/{server}").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not Path(f"/proc/{server}").exists()


def test_the_guard_sees_children() -> None:
    child = subprocess.Popen(["sleep", "30"])
    try:
        assert child.pid in children()
    finally:
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
    assert child.pid not in children()


async def test_the_servers_need_no_event_loop(forky: None) -> None:
    with Redis() as server:
        await asyncio.to_thread(server.restart)
        assert server.leash_pid in children()


@pytest.fixture
def forky() -> None:
    """The root folder."""
    need(FORKY)
