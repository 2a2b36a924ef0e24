"""Sessions, errors and what is set on connections."""

from __future__ import annotations

import asyncio
import os
import stat
import time
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from app.db.database import Database
from app.db.engine import make_engine
from app.db.errors import DatabaseUnavailable
from app.models.revision import PROMPTS, TOOLS
from lab.servers import MariaDB, Postgres


async def test_sqlite_connections_have_foreign_keys_and_a_log_that_readers_do_not_wait_for(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/new/folder/test.db")
    async with database.session() as session:
        assert await session.scalar(text("PRAGMA foreign_keys")) == 1
        assert await session.scalar(text("PRAGMA journal_mode")) == "wal"
        assert await session.scalar(text("PRAGMA busy_timeout")) == 5000
    await database.aclose()


async def test_a_new_sqlite_file_is_its_users_own(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/test.db")
    await database.migrate()
    async with database.writing(PROMPTS) as session:
        await session.execute(text("SELECT 1"))
        modes = {entry.name: stat.S_IMODE(entry.stat().st_mode) for entry in os.scandir(tmp_path)}
    assert modes == {"test.db": 0o600, "test.db-wal": 0o600, "test.db-shm": 0o600}
    await database.aclose()


async def test_the_mode_of_a_sqlite_file_that_is_there_is_its_owners_business(tmp_path: Path) -> None:
    file = tmp_path / "test.db"
    file.touch()
    file.chmod(0o640)
    database = Database(f"sqlite:///{file}")
    await database.migrate()
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    await database.aclose()


async def test_an_error_of_the_database_does_not_repeat_the_values(database: Database) -> None:
    with pytest.raises((SQLAlchemyError, DatabaseUnavailable)) as caught:
        async with database.session() as session:
            await session.execute(text("SELECT :token FROM nowhere"), {"token": "Bearer hunter2"})
    assert "hunter2" not in f"{caught.value} {caught.value.__cause__}"


async def test_a_database_in_memory_keeps_its_tables_between_sessions() -> None:
    database = Database("sqlite://")
    await database.migrate()
    async with database.session() as session:
        assert await session.scalar(text("SELECT count(*) FROM prompts")) == 1
    await database.aclose()


async def test_a_folder_that_cannot_be_made_is_said_with_its_path(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DatabaseUnavailable, match=str(tmp_path / "file")):
        Database(f"sqlite:///{tmp_path}/file/test.db")


async def test_a_block_that_raises_leaves_nothing_behind(database: Database) -> None:
    async def fail_in_the_middle() -> None:
        async with database.writing(PROMPTS) as session:
            await session.execute(text("DELETE FROM prompts"))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await fail_in_the_middle()
    assert await database.revision(PROMPTS) == 0
    async with database.session() as session:
        assert await session.scalar(text("SELECT count(*) FROM prompts")) == 1


async def test_a_write_raises_the_revision_of_its_kind_only(database: Database) -> None:
    async with database.writing(PROMPTS):
        pass
    assert (await database.revision(PROMPTS), await database.revision(TOOLS)) == (1, 0)


async def test_writers_of_one_kind_stand_in_line(database: Database, second: Database) -> None:
    async def add(own: Database) -> None:
        async with own.writing(PROMPTS) as session:
            before = await session.scalar(text("SELECT number FROM revisions WHERE kind = 'tools'"))
            await asyncio.sleep(0.001)
            await session.execute(text("UPDATE revisions SET number = :n WHERE kind = 'tools'"), {"n": before + 1})

    await asyncio.gather(*(add(own) for own in [database, second] * 5))
    assert (await database.revision(PROMPTS), await database.revision(TOOLS)) == (10, 10)


async def test_a_second_default_prompt_is_refused_by_the_database_itself(database: Database) -> None:
    with pytest.raises(IntegrityError):
        async with database.session() as session:
            await session.execute(
                text(
                    "INSERT INTO prompts (name, name_key, default_mark, latest_version, created_at, updated_at, "
                    "updated_by) VALUES ('b', 'b', 1, 1, CURRENT_TIMESTAMP, CURRENT_TIMESTAMP, 'x')"
                )
            )


async def test_versions_go_with_their_prompt(database: Database) -> None:
    async with database.session() as session:
        await session.execute(text("DELETE FROM prompts"))
        assert await session.scalar(text("SELECT count(*) FROM prompt_versions")) == 0


async def test_ping_answers(database: Database) -> None:
    await database.ping()


@pytest.mark.parametrize("scheme", ["postgresql", "mysql"])
async def test_a_database_that_is_not_there_is_said_at_once_without_the_password(scheme: str) -> None:
    database = Database(f"{scheme}://user:hunter2@127.0.0.1:1/pbx")
    began = time.monotonic()
    with pytest.raises(DatabaseUnavailable, match=r"pbx at 127\.0\.0\.1:1") as caught:
        await database.ping()
    assert "hunter2" not in str(caught.value)
    assert time.monotonic() - began < 2.5
    await database.aclose()


@pytest.mark.postgres
async def test_what_postgresql_refuses_is_our_error_with_its_reason(postgres: Postgres) -> None:
    database = Database(postgres.url + "x")
    with pytest.raises(DatabaseUnavailable, match="does not exist"):
        await database.ping()
    await database.aclose()


@pytest.mark.mariadb
async def test_what_mariadb_refuses_is_our_error_with_its_reason(mariadb: MariaDB) -> None:
    database = Database(mariadb.url.replace("lab:lab", "lab:hunter2"))
    with pytest.raises(DatabaseUnavailable, match="Access denied") as caught:
        await database.ping()
    assert "hunter2" not in str(caught.value)
    await database.aclose()


@pytest.mark.postgres
async def test_a_restart_of_postgresql_is_over_for_the_next_statement(postgres: Postgres) -> None:
    database = Database(postgres.url)
    await database.ping()
    await asyncio.to_thread(postgres.restart)
    await database.ping()
    await database.aclose()


@pytest.mark.mariadb
async def test_a_restart_of_mariadb_is_over_for_the_next_statement(mariadb: MariaDB) -> None:
    database = Database(mariadb.url)
    await database.ping()
    await asyncio.to_thread(mariadb.restart)
    await database.ping()
    await database.aclose()


@pytest.mark.postgres
async def test_a_database_that_stands_still_costs_a_ping_three_seconds_and_no_more(postgres: Postgres) -> None:
    database = Database(postgres.url)
    await database.ping()
    await asyncio.to_thread(postgres.pause)
    try:
        began = time.monotonic()
        with pytest.raises(DatabaseUnavailable):
            await database.ping()
        assert time.monotonic() - began < 3.5
    finally:
        await asyncio.to_thread(postgres.resume)
    await database.ping()
    await database.aclose()


@pytest.mark.mariadb
async def test_a_mariadb_that_stands_still_is_given_up_in_the_end(
    mariadb: MariaDB, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.db.database.make_engine", partial(make_engine, statement_timeout=1))
    database = Database(mariadb.url)

    async def freeze_in_the_middle() -> None:
        async with asyncio.timeout(10), database.session() as session:
            await session.execute(text("SELECT 1"))
            await asyncio.to_thread(mariadb.pause)
            await session.execute(text("SELECT 1"))

    try:
        with pytest.raises(DatabaseUnavailable, match="read timeout"):
            await freeze_in_the_middle()
    finally:
        await asyncio.to_thread(mariadb.resume)
    await database.ping()
    await database.aclose()


@pytest.mark.mariadb
async def test_closing_does_not_wait_for_ever_for_a_server_that_stands_still(
    mariadb: MariaDB, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.db.database.CLOSE_TIMEOUT", 0.5)
    database = Database(mariadb.url)
    await database.ping()
    release = asyncio.Event()
    monkeypatch.setattr(type(database.engine), "dispose", lambda _self: release.wait())
    began = time.monotonic()
    await database.aclose()
    assert time.monotonic() - began < 2
    monkeypatch.undo()
    await database.aclose()
