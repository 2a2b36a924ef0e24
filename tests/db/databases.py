"""Fixtures: an empty database of each kind. Imported by the conftest.py of the rooms that use them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from app.db.database import Database

KINDS = [
    "sqlite",
    pytest.param("postgres", marks=pytest.mark.postgres),
    pytest.param("mariadb", marks=pytest.mark.mariadb),
]


@pytest_asyncio.fixture(params=KINDS)
async def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty database, on each of the three in turn."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/made/at/need/test.db"
    server = request.getfixturevalue(request.param)
    return str(await asyncio.to_thread(server.fresh))


@pytest_asyncio.fixture
async def database(empty_url: str) -> AsyncIterator[Database]:
    """A migrated database, with the first prompt and the example tool."""
    database = Database(empty_url)
    await database.migrate()
    yield database
    await database.aclose()


@pytest_asyncio.fixture
async def second(database: Database, empty_url: str) -> AsyncIterator[Database]:
    """The same database as another instance of the service sees it."""
    other = Database(empty_url)
    yield other
    await other.aclose()
