"""People who sign in, but for the first administrator, who is in the settings."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import TABLE_OPTIONS, Base, UtcDateTime, key_text
from app.models.names import KEY_LENGTH, NAME_LENGTH

# The longest name of a role, with room.
ROLE_LENGTH = 32


class UserRow(Base):
    """One user."""

    __tablename__ = "users"
    __table_args__ = (TABLE_OPTIONS,)

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(NAME_LENGTH))
    name_key: Mapped[str] = mapped_column(key_text(KEY_LENGTH), unique=True)
    role: Mapped[str] = mapped_column(String(ROLE_LENGTH))
    # As argon2 writes it: algorithm, parameters, salt and hash in one text.
    password_hash: Mapped[str] = mapped_column(String(300))
    disabled: Mapped[bool]
    # To the minute: it is written behind.
    last_sign_in_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    created_at: Mapped[datetime] = mapped_column(UtcDateTime())
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime())
    updated_by: Mapped[str] = mapped_column(String(NAME_LENGTH))
