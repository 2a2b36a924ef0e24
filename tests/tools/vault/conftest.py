"""A store of secrets in a database of each kind."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from app.core.sealing import Sealer
from app.db.database import Database
from app.tools.vault.catalog import SecretCatalog
from app.tools.vault.store import SecretStore

CRM = "https://crm.example.com"


@pytest.fixture(scope="session")
def sealer() -> Sealer:
    return Sealer(b"the key of these tests, long enough")


@pytest.fixture(scope="session")
def other_sealer() -> Sealer:
    """Of an instance whose SECRET_KEY is another one."""
    return Sealer(b"another key altogether, also long")


@pytest.fixture
def store(database: Database, sealer: Sealer) -> SecretStore:
    return SecretStore(database, sealer)


@pytest.fixture
async def catalog(store: SecretStore) -> AsyncIterator[SecretCatalog]:
    made = SecretCatalog(store, interval=0.02)
    await made.start()
    yield made
    await made.aclose()
