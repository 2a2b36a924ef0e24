"""Migrations, on all three databases."""

from __future__ import annotations

import asyncio
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, inspect, text

from app.core.sealing import Sealer
from app.db import migrate
from app.db.database import Database
from app.db.engine import make_engine
from app.db.errors import MigrationFailed
from app.models import Base
from app.prompts.render import check
from app.prompts.store import PromptStore
from app.tools.provider_rules import warnings_of
from app.tools.store import ToolStore
from app.tools.validation import parse_definition
from app.tools.vault.store import SecretStore


def differences(connection: Connection) -> list[Any]:
    context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
    return list(compare_metadata(context, Base.metadata))


async def test_the_first_start_makes_the_tables_and_the_second_changes_nothing(empty_url: str) -> None:
    database = Database(empty_url)
    first = await database.migrate()
    second = await database.migrate()
    assert (first.created, first.previous, first.revision) == (True, None, migrate.head_revision())
    assert (second.created, second.previous, second.revision) == (False, first.revision, first.revision)
    assert (await PromptStore(database).list()).total == 1
    await database.aclose()


async def test_the_tables_that_migrations_make_are_those_of_the_models(database: Database) -> None:
    async with database.engine.connect() as connection:
        assert await connection.run_sync(differences) == []


async def test_every_constraint_has_the_name_of_the_convention(database: Database) -> None:
    def names(connection: Connection) -> set[str | None]:
        inspector = inspect(connection)
        found: set[str | None] = set()
        for table in Base.metadata.tables:
            found |= {item["name"] for item in inspector.get_unique_constraints(table)}
            found |= {item["name"] for item in inspector.get_foreign_keys(table)}
        return found

    async with database.engine.connect() as connection:
        assert await connection.run_sync(names) == {
            "uq_prompts_name_key",
            "uq_prompts_default_mark",
            "uq_prompt_versions_prompt_id_number",
            "uq_tools_name_key",
            "uq_tool_versions_tool_id_number",
            "fk_prompt_versions_prompt_id_prompts",
            "fk_tool_versions_tool_id_tools",
            "uq_conversations_memory_key",
            "uq_turns_turn_id",
            "fk_turns_conversation_id_conversations",
            "fk_turn_details_turn_row_id_turns",
            "fk_turn_tools_turn_row_id_turns",
            "uq_users_name_key",
            "uq_tokens_digest",
            "uq_secrets_name_key",
            "uq_mcp_servers_name_key",
            "fk_tokens_user_id_users",
        }


async def test_a_migration_can_be_taken_back_and_run_again(database: Database) -> None:
    await migrate.downgrade(database.engine, "base")
    async with database.engine.connect() as connection:
        left = await connection.run_sync(lambda sync: set(inspect(sync).get_table_names()))
    assert left == {"alembic_version"}
    assert (await database.migrate()).created


async def test_a_database_of_a_newer_version_is_left_alone_with_a_sentence_that_says_so(database: Database) -> None:
    async with database.session() as session:
        await session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(MigrationFailed, match="newer version"):
        await database.migrate()


async def test_a_first_start_that_fails_is_made_good_by_the_next(
    empty_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_connection: Connection, *, service_url: str) -> None:
        raise RuntimeError(service_url)

    database = Database(empty_url)
    with monkeypatch.context() as patch:
        patch.setattr("app.db.seed.fill", broken)
        with pytest.raises(RuntimeError):
            await database.migrate()
    async with database.engine.connect() as connection:
        tables = await connection.run_sync(lambda sync: inspect(sync).get_table_names())
    # MySQL commits every statement that changes a table by itself.
    assert bool(tables) == empty_url.startswith("mysql")
    await database.migrate()
    assert (await PromptStore(database).list()).total == 1
    await database.aclose()


async def test_prompts_that_were_deleted_do_not_come_back_at_the_next_start(database: Database) -> None:
    store = PromptStore(database)
    await store.delete((await store.find("receptionist")).summary.id)
    await database.migrate()
    assert (await store.list()).total == 0


START = """
import asyncio, sys
from app.db.database import Database

async def main() -> None:
    database = Database(sys.argv[1])
    sys.stdin.readline()
    report = await database.migrate()
    print("created" if report.created else "waited")
    await database.aclose()

asyncio.run(main())
"""


async def test_instances_that_start_at_once_migrate_once_from_any_directory(empty_url: str, tmp_path: Path) -> None:
    root = str(Path(__file__).parents[2])
    pipe = asyncio.subprocess.PIPE
    processes = [
        await asyncio.create_subprocess_exec(
            sys.executable,
            *("-c", START, empty_url),
            env={"PYTHONPATH": root},
            cwd=tmp_path,
            stdin=pipe,
            stdout=pipe,
            stderr=pipe,
        )
        for _ in range(4)
    ]
    await asyncio.sleep(1.5)  # all have imported, and wait for the word
    outputs = await asyncio.gather(*(process.communicate(b"go\n") for process in processes))
    assert [process.returncode for process in processes] == [0] * 4, outputs
    words = sorted(out.decode().split()[-1] for out, _ in outputs)
    assert words == ["created", "waited", "waited", "waited"]
    database = Database(empty_url)
    assert (await PromptStore(database).list()).total == 1
    await database.aclose()


async def test_the_first_prompt_and_the_example_tool_are_as_an_editor_would_have_to_write_them(empty_url: str) -> None:
    database = Database(empty_url)
    await database.migrate(service_url="http://127.0.0.1:8123/")
    prompt = (await PromptStore(database).find("receptionist")).prompt
    tool = (await ToolStore(database).find("get_order_status")).definition
    check(prompt.content)
    assert prompt.is_default
    assert tool.http.url == "http://127.0.0.1:8123/api/example/orders/{{ order_id }}"
    again = parse_definition(
        {
            "name": tool.name,
            "description": tool.description,
            "parameters": tool.parameters,
            "request": {"method": tool.http.method, "url": tool.http.url, "headers": tool.http.headers},
        },
        id=tool.id,
        version=tool.version,
    )
    assert again == tool
    assert warnings_of(tool, ("openai", "gemini", "anthropic")) == ()
    await database.aclose()


async def test_a_lock_that_another_instance_holds_too_long_is_given_up_with_a_reason(
    empty_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrate, "LOCK_TIMEOUT", 1)
    database, other = Database(empty_url), Database(empty_url)
    async with database.engine.connect() as connection:
        await connection.execution_options(sqlite_begin="EXCLUSIVE")
        with ExitStack() as stack:
            await connection.run_sync(lambda sync: stack.enter_context(migrate._lock(sync)))
            with pytest.raises(MigrationFailed, match="another instance"):
                await other.migrate()
            await connection.run_sync(lambda _: stack.close())
    assert (await other.migrate()).created
    await database.aclose()
    await other.aclose()


async def test_an_instance_waits_for_anothers_migration_longer_than_a_statement_may_take(
    empty_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "app.db.database.make_engine",
        lambda url, **changes: make_engine(url, **{"statement_timeout": 1, "lock_timeout": 0.5, **changes}),
    )
    database, other = Database(empty_url), Database(empty_url)
    async with database.engine.connect() as connection:
        await connection.execution_options(sqlite_begin="EXCLUSIVE")
        with ExitStack() as stack:
            await connection.run_sync(lambda sync: stack.enter_context(migrate._lock(sync)))
            waiting = asyncio.create_task(other.migrate())
            # The holder's own statements may not take longer than a second either, so it takes only time.
            await asyncio.sleep(2)
            assert not waiting.done()
            await connection.run_sync(lambda _: stack.close())
    assert (await waiting).created
    await database.aclose()
    await other.aclose()


async def test_tools_that_were_there_before_keep_what_they_do_through_the_migrations_that_brought_options(
    database: Database,
) -> None:
    fields = {"name": "look_up", "description": "Finds it.", "parameters": {"type": "object", "properties": {}}}
    request = {"url": "https://crm.example.com/x", "headers": {"X-A": "b"}, "json_body": {"a": "ü"}}
    made = await ToolStore(database).create(parse_definition({**fields, "request": request}), by="test")
    await SecretStore(database, Sealer(b"k" * 32)).create("key", "v" * 20, servers=["https://crm.example.com"], by="me")
    await migrate.downgrade(database.engine, "0004")
    async with database.engine.connect() as connection:
        tables = await connection.run_sync(lambda sync: set(inspect(sync).get_table_names()))
        kinds = set((await connection.execute(text("SELECT kind FROM revisions"))).scalars())
    assert not tables & {"secrets", "mcp_servers"}
    assert not kinds & {"secrets", "mcp_servers"}
    assert (await database.migrate()).previous == "0004"
    found = (await ToolStore(database).get(made.definition.id)).definition
    assert found == made.definition
    assert (await SecretStore(database, Sealer(b"k" * 32)).list()).total == 0
    again = await SecretStore(database, Sealer(b"k" * 32)).create(
        "key", "v" * 20, servers=["https://crm.example.com"], by="me"
    )
    assert again.revision == 1
