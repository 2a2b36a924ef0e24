"""What all tables share: the naming of constraints, and column types that mean the same on every database."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import JSON, DateTime, MetaData, String, Text
from sqlalchemy.dialects import mysql
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.types import TypeDecorator

# MySQL and MariaDB are one dialect family with two names in SQLAlchemy.
_MYSQL = ("mysql", "mariadb")

# Every constraint has a name that a migration can say. Without it SQLite and MySQL choose their own.
NAMING_CONVENTION = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}

# Applied to every table: emoji in a prompt need utf8mb4, foreign keys need InnoDB, and ids are never used twice,
# because caches know a version by (id, version).
TABLE_OPTIONS: dict[str, Any] = {
    "mysql_engine": "InnoDB",
    "mysql_charset": "utf8mb4",
    "mariadb_engine": "InnoDB",
    "mariadb_charset": "utf8mb4",
    "sqlite_autoincrement": True,
}


class Base(DeclarativeBase):
    """The root of every table."""

    metadata = MetaData(naming_convention=NAMING_CONVENTION)


class UtcDateTime(TypeDecorator[datetime]):
    """A moment: aware, in UTC, with microseconds. Databases without time zones hold it as naive UTC."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        if dialect.name in _MYSQL:
            # Plain DATETIME cuts to whole seconds.
            return dialect.type_descriptor(mysql.DATETIME(fsp=6))
        return dialect.type_descriptor(DateTime(timezone=True))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a moment needs a time zone")
        value = value.astimezone(UTC)
        return value if dialect.name == "postgresql" else value.replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def long_text() -> Any:
    """Text without a practical limit. TEXT of MySQL ends at 64 kB; a prompt may have a megabyte."""
    return Text().with_variant(mysql.LONGTEXT(), *_MYSQL)


def key_text(length: int) -> Any:
    """Text that is compared byte by byte. MySQL's default collation holds ``e`` and ``é`` for equal."""
    return String(length).with_variant(mysql.VARCHAR(length, charset="utf8mb4", collation="utf8mb4_bin"), *_MYSQL)


def json_value() -> Any:
    """A JSON value, with the order of its keys kept (so not JSONB). Python's None is SQL's NULL."""
    return JSON(none_as_null=True)


def utc_now() -> datetime:
    """This moment, as :class:`UtcDateTime` holds it."""
    return datetime.now(UTC)
