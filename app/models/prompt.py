"""Prompts and their versions."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, Double, ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import TABLE_OPTIONS, Base, UtcDateTime, json_value, key_text, long_text
from app.models.names import KEY_LENGTH, NAME_LENGTH


class PromptRow(Base):
    """A prompt: its name, and which of its versions is in force. What it says is in :class:`PromptVersionRow`."""

    __tablename__ = "prompts"
    __table_args__ = (CheckConstraint("default_mark = 1", name="default_mark_is_one_or_null"), TABLE_OPTIONS)

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(NAME_LENGTH))
    name_key: Mapped[str] = mapped_column(key_text(KEY_LENGTH), unique=True)
    # 1 for the default prompt, NULL for the others: unique, so that no race can make two defaults.
    default_mark: Mapped[int | None] = mapped_column(unique=True)
    # The newest version. Editors lock on it: a save says which version it was made from.
    latest_version: Mapped[int]
    # The version that calls use. NULL: only drafts so far.
    published_version: Mapped[int | None]
    created_at: Mapped[datetime] = mapped_column(UtcDateTime())
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime())
    updated_by: Mapped[str] = mapped_column(String(NAME_LENGTH))


class PromptVersionRow(Base):
    """One version of a prompt. Written once, never changed."""

    __tablename__ = "prompt_versions"
    __table_args__ = (UniqueConstraint("prompt_id", "number"), TABLE_OPTIONS)

    id: Mapped[int] = mapped_column(primary_key=True)
    prompt_id: Mapped[int] = mapped_column(ForeignKey("prompts.id", ondelete="CASCADE"))
    number: Mapped[int]
    content: Mapped[str] = mapped_column(long_text())
    # ``metadata`` is taken by SQLAlchemy, so only the column has that name.
    meta: Mapped[dict[str, Any]] = mapped_column("metadata", json_value())
    model: Mapped[str | None] = mapped_column(String(200))
    temperature: Mapped[float | None] = mapped_column(Double())
    tools: Mapped[list[str] | None] = mapped_column(json_value())
    actions: Mapped[list[dict[str, Any]]] = mapped_column(json_value())
    output_schema: Mapped[dict[str, Any] | None] = mapped_column(json_value())
    fallback: Mapped[str | None] = mapped_column(long_text())
    timeout: Mapped[float | None] = mapped_column(Double())
    greeting: Mapped[str | None] = mapped_column(long_text())
    note: Mapped[str] = mapped_column(String(500))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime())
    created_by: Mapped[str] = mapped_column(String(NAME_LENGTH))
