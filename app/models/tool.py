"""Tools and their versions."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import TABLE_OPTIONS, Base, UtcDateTime, json_value, key_text, long_text
from app.models.names import KEY_LENGTH, NAME_LENGTH


class ToolRow(Base):
    """A tool: its name, its newest version, and whether models are offered it."""

    __tablename__ = "tools"
    __table_args__ = (TABLE_OPTIONS,)

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(NAME_LENGTH))
    name_key: Mapped[str] = mapped_column(key_text(KEY_LENGTH), unique=True)
    version: Mapped[int]
    enabled: Mapped[bool]
    created_at: Mapped[datetime] = mapped_column(UtcDateTime())
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime())
    updated_by: Mapped[str] = mapped_column(String(NAME_LENGTH))


class ToolVersionRow(Base):
    """One version of a tool. Written once, never changed."""

    __tablename__ = "tool_versions"
    __table_args__ = (UniqueConstraint("tool_id", "number"), TABLE_OPTIONS)

    id: Mapped[int] = mapped_column(primary_key=True)
    tool_id: Mapped[int] = mapped_column(ForeignKey("tools.id", ondelete="CASCADE"))
    number: Mapped[int]
    description: Mapped[str] = mapped_column(long_text())
    parameters: Mapped[dict[str, Any]] = mapped_column(json_value())
    request: Mapped[dict[str, Any]] = mapped_column(json_value())
    options: Mapped[dict[str, Any]] = mapped_column(json_value())
    note: Mapped[str] = mapped_column(String(500))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime())
    created_by: Mapped[str] = mapped_column(String(NAME_LENGTH))
