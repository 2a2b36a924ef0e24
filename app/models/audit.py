"""The audit log: who changed what. Rows are written once, never changed."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Index, String
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import TABLE_OPTIONS, Base, UtcDateTime, json_value, key_text
from app.models.names import KEY_LENGTH, NAME_LENGTH


class AuditRow(Base):
    """One change. It outlives what was changed and who changed it, so it holds names, and no foreign keys."""

    __tablename__ = "audit"
    __table_args__ = (
        Index("ix_audit_at", "at"),
        Index("ix_audit_actor_key", "actor_key"),
        Index("ix_audit_kind_item_id", "kind", "item_id"),
        TABLE_OPTIONS,
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(UtcDateTime())
    actor: Mapped[str] = mapped_column(String(NAME_LENGTH))
    actor_key: Mapped[str] = mapped_column(key_text(KEY_LENGTH))
    # The token that was used, by name; empty for a password or the command line.
    token: Mapped[str] = mapped_column(String(NAME_LENGTH))
    # Empty where there was no request.
    address: Mapped[str] = mapped_column(String(64))
    kind: Mapped[str] = mapped_column(String(32))
    item_id: Mapped[int | None]
    item_name: Mapped[str] = mapped_column(String(NAME_LENGTH))
    item_key: Mapped[str] = mapped_column(key_text(KEY_LENGTH))
    action: Mapped[str] = mapped_column(String(32))
    # Only what differs; NULL where there was nothing before, or is nothing after.
    before: Mapped[dict[str, Any] | None] = mapped_column(json_value())
    after: Mapped[dict[str, Any] | None] = mapped_column(json_value())
