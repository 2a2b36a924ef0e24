"""Secrets: what tools sign in with. Their values lie here sealed; see :mod:`app.core.sealing`."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, String
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import TABLE_OPTIONS, Base, UtcDateTime, json_value, key_text, long_text
from app.models.names import KEY_LENGTH, NAME_LENGTH

SECRET_NAME_LENGTH = 64
DESCRIPTION_LENGTH = 500


class SecretRow(Base):
    """One secret."""

    __tablename__ = "secrets"
    __table_args__ = (TABLE_OPTIONS,)

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(SECRET_NAME_LENGTH))
    name_key: Mapped[str] = mapped_column(key_text(KEY_LENGTH), unique=True)
    description: Mapped[str] = mapped_column(String(DESCRIPTION_LENGTH))
    # Sealed under ``secret:`` and the name, so that a value which somebody copies to another row does not open there.
    sealed: Mapped[str] = mapped_column(long_text())
    # The number of the kind's revision when a person last set the value: it grows with every write, so a secret that
    # was deleted and made again never has one twice.
    revision: Mapped[int] = mapped_column(BigInteger)
    # How often an authorisation server has replaced the value since.
    rotation: Mapped[int]
    # Where it may be sent, such as https://api.example.com:443.
    servers: Mapped[list[str]] = mapped_column(json_value())
    # When a person set the value, and when an authorisation server last replaced it.
    value_set_at: Mapped[datetime] = mapped_column(UtcDateTime())
    rotated_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    created_at: Mapped[datetime] = mapped_column(UtcDateTime())
    created_by: Mapped[str] = mapped_column(String(NAME_LENGTH))
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime())
    updated_by: Mapped[str] = mapped_column(String(NAME_LENGTH))
