"""The room's parts, put together."""

from __future__ import annotations

from dataclasses import dataclass

from app.accounts.audit import AuditLog
from app.accounts.last_seen import LastSeen
from app.accounts.passwords import Passwords
from app.accounts.sign_in import SignIn
from app.accounts.tokens import TokenStore
from app.accounts.users import UserStore
from app.db.database import Database


@dataclass(frozen=True, slots=True)
class Accounts:
    """Users, tokens, and who signs in. Somebody runs ``last_seen.run()``, and ``last_seen.flush()`` at the end."""

    users: UserStore
    tokens: TokenStore
    audit: AuditLog
    sign_in: SignIn
    last_seen: LastSeen


def open_accounts(database: Database, *, first: str) -> Accounts:
    """All of it, on ``database``. ``first`` is the first administrator's name, from the settings."""
    passwords = Passwords()
    last_seen = LastSeen(database)
    return Accounts(
        users=UserStore(database, passwords, first=first),
        tokens=TokenStore(database, first=first),
        audit=AuditLog(database),
        sign_in=SignIn(database, passwords, last_seen),
        last_seen=last_seen,
    )
