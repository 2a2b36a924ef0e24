"""DATABASE_URL in the forms that operators write."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.db.errors import DatabaseUrlInvalid
from app.db.urls import async_url, describe_url, sqlite_path


@pytest.mark.parametrize(
    ("written", "driver"),
    [
        ("sqlite:///./test.db", "sqlite+aiosqlite"),
        ("sqlite+pysqlite:///test.db", "sqlite+aiosqlite"),
        ("sqlite+aiosqlite:///test.db", "sqlite+aiosqlite"),
        ("postgresql://u:p@h/d", "postgresql+asyncpg"),
        ("postgres://u:p@h/d", "postgresql+asyncpg"),
        ("postgresql+psycopg2://u:p@h/d", "postgresql+asyncpg"),
        ("postgresql+psycopg://u:p@h/d", "postgresql+asyncpg"),
        ("mysql://u:p@h/d", "mysql+asyncmy"),
        ("mysql+pymysql://u:p@h/d", "mysql+asyncmy"),
        ("mariadb://u:p@h/d", "mysql+asyncmy"),
        ("mariadb+mariadbconnector://u:p@h/d", "mysql+asyncmy"),
        ("  MySQL://u:p@h/d  ", "mysql+asyncmy"),
    ],
)
def test_sync_urls_get_the_asyncio_driver_of_their_database(written: str, driver: str) -> None:
    assert async_url(written).drivername == driver


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ("", "not a database address"),
        ("./test.db", "not a database address"),
        ("oracle://u:hunter2@h/d", "oracle://"),
        ("mssql+pyodbc://u:hunter2@h/d", "supported are SQLite, PostgreSQL, MySQL and MariaDB"),
        ("sqlite://test.db", "three slashes"),
        ("postgresql://u:hunter2@h", "names no database"),
        ("postgresql://u:hunter2@h:port/d", "not a database address"),
    ],
)
def test_what_is_wrong_is_said_without_the_password(written: str, says: str) -> None:
    with pytest.raises(DatabaseUrlInvalid, match=says) as caught:
        async_url(written)
    assert "hunter2" not in str(caught.value)
    assert "sqlite:///" in str(caught.value)


def test_sslmode_goes_to_asyncpg_under_its_own_name() -> None:
    assert dict(async_url("postgresql://u:p@h/d?sslmode=require").query) == {"ssl": "require"}


def test_mysql_talks_in_all_of_unicode_unless_told_otherwise() -> None:
    assert async_url("mysql://u:p@h/d").query["charset"] == "utf8mb4"
    assert async_url("mysql://u:p@h/d?charset=latin1").query["charset"] == "latin1"


def test_descriptions_hold_no_password_and_no_query() -> None:
    url = async_url("postgresql://user:hunter2@db.example:5433/pbx?sslmode=require&password=hunter3")
    assert describe_url(url) == "PostgreSQL, database pbx at db.example:5433"
    assert describe_url(async_url("mysql://u:hunter2@/pbx")) == "MySQL/MariaDB, database pbx at local socket"
    assert describe_url(async_url("sqlite://")) == "SQLite, in memory only"


def test_a_relative_sqlite_path_is_described_as_the_absolute_one_it_means(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    url = async_url("sqlite:///./test.db")
    assert sqlite_path(url) == tmp_path / "test.db"
    assert describe_url(url) == f"SQLite, {tmp_path / 'test.db'}"
