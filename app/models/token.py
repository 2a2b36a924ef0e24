"""API tokens. What a program holds is not kept, only its digest."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import TABLE_OPTIONS, Base, UtcDateTime, key_text
from app.models.names import NAME_LENGTH
from app.models.user import ROLE_LENGTH


class TokenRow(Base):
    """One token."""

    __tablename__ = "tokens"
    __table_args__ = (Index("ix_tokens_user_id", "user_id"), TABLE_OPTIONS)

    id: Mapped[int] = mapped_column(primary_key=True)
    # NULL: the first administrator's, who is in no table.
    user_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(String(NAME_LENGTH))
    # The most that it may; its owner's role of today bounds it too.
    role: Mapped[str] = mapped_column(String(ROLE_LENGTH))
    # SHA-256, in hexadecimal. A slow hash is for what people think of; 256 random bits cannot be tried out.
    digest: Mapped[str] = mapped_column(key_text(64), unique=True)
    # The first characters, so that people know it again.
    hint: Mapped[str] = mapped_column(String(20))
    expires_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    last_used_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    created_at: Mapped[datetime] = mapped_column(UtcDateTime())
