"""What can go wrong with the database::

DatabaseError
├── DatabaseUrlInvalid      DATABASE_URL names no database that we can use
├── DatabaseUnavailable     it does not answer, refuses us, or took too long
└── MigrationFailed         its tables are not, or cannot be made, those of this version
"""

from __future__ import annotations

from app.core.errors import GatewayError


class DatabaseError(GatewayError):
    """Something is wrong with the database."""

    code = "database_error"


class DatabaseUrlInvalid(DatabaseError):
    """``DATABASE_URL`` is malformed, or names a database or driver that is not supported."""

    code = "database_url_invalid"


class DatabaseUnavailable(DatabaseError):
    """The database does not answer, refuses the connection, or broke off."""

    code = "database_unavailable"
    retryable = True


class MigrationFailed(DatabaseError):
    """The tables could not be brought to this version."""

    code = "database_migration_failed"
