"""Databases for the tests of this room, and hashes that take no time."""

import pytest
from argon2 import PasswordHasher

from app.accounts.accounts import Accounts
from app.accounts.audit import AuditLog
from app.accounts.last_seen import LastSeen
from app.accounts.passwords import Passwords
from app.accounts.sign_in import SignIn
from app.accounts.tokens import TokenStore
from app.accounts.users import UserStore
from app.db.database import Database
from tests.db.databases import database, empty_url, second

__all__ = ["accounts", "database", "empty_url", "fast", "second"]


@pytest.fixture
def fast() -> PasswordHasher:
    return PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


@pytest.fixture
def accounts(database: Database, fast: PasswordHasher) -> Accounts:
    passwords, last_seen = Passwords(fast), LastSeen(database)
    return Accounts(
        UserStore(database, passwords, first="admin"),
        TokenStore(database, first="admin"),
        AuditLog(database),
        SignIn(database, passwords, last_seen),
        last_seen,
    )
