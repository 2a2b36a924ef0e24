"""Turns of calls: a narrow table to find them by, and what only the page of one turn needs beside it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Double, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import TABLE_OPTIONS, Base, UtcDateTime, json_value, key_text, long_text
from app.models.conversation import CALLER_NAME_LENGTH, NUMBER_LENGTH, WORD_LENGTH
from app.models.names import NAME_LENGTH

# Characters of a channel's id, an error's code and the name of a model.
CHANNEL_LENGTH = 200
ERROR_LENGTH = 100
MODEL_LENGTH = 200


class TurnRow(Base):
    """One turn. Written once, never changed."""

    __tablename__ = "turns"
    __table_args__ = (
        # Every list is in the order of time, so each filter's index ends in it.
        Index(None, "started_at"),
        Index(None, "conversation_id", "started_at"),
        Index(None, "caller_number", "started_at"),
        Index(None, "prompt_name", "started_at"),
        Index(None, "status", "started_at"),
        # How often each version of a prompt was used, and when last, out of the index alone.
        Index(None, "prompt_id", "started_at", "prompt_version"),
        # All that statistics need, so that they read the index alone.
        Index(None, "minute", "status", "latency_ms"),
        TABLE_OPTIONS,
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    conversation_id: Mapped[int] = mapped_column(ForeignKey("conversations.id", ondelete="CASCADE"))
    # As in the log. Unique, so that a batch which is written again after a lost connection is in the table once.
    turn_id: Mapped[str] = mapped_column(key_text(WORD_LENGTH), unique=True)
    started_at: Mapped[datetime] = mapped_column(UtcDateTime())
    # Whole minutes since 1970: databases cut moments into buckets each in their own way, numbers all in the same.
    minute: Mapped[int]
    status: Mapped[str] = mapped_column(key_text(WORD_LENGTH))
    error: Mapped[str] = mapped_column(String(ERROR_LENGTH))
    caller_number: Mapped[str] = mapped_column(key_text(NUMBER_LENGTH))
    channel_id: Mapped[str] = mapped_column(String(CHANNEL_LENGTH))
    # No foreign key: the prompt may be deleted, and what it did stays.
    prompt_id: Mapped[int | None]
    prompt_name: Mapped[str] = mapped_column(String(NAME_LENGTH))
    prompt_version: Mapped[int | None]
    model: Mapped[str] = mapped_column(String(MODEL_LENGTH))
    number: Mapped[int]
    action: Mapped[str] = mapped_column(String(NAME_LENGTH))
    latency_ms: Mapped[int]
    elapsed_ms: Mapped[int]
    first_text_ms: Mapped[float | None] = mapped_column(Double())
    input_tokens: Mapped[int]
    output_tokens: Mapped[int]
    cost_micros: Mapped[int | None] = mapped_column(BigInteger)
    caller_text: Mapped[str] = mapped_column(long_text())
    answer_text: Mapped[str] = mapped_column(long_text())
    # What the caller said and was answered, case folded: no two databases fold alike.
    search_text: Mapped[str] = mapped_column(long_text())


class TurnDetailRow(Base):
    """The wide rest of a turn."""

    __tablename__ = "turn_details"
    __table_args__ = ({**TABLE_OPTIONS, "sqlite_autoincrement": False},)

    turn_row_id: Mapped[int] = mapped_column(
        ForeignKey("turns.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    caller_name: Mapped[str] = mapped_column(String(CALLER_NAME_LENGTH))
    called_number: Mapped[str] = mapped_column(String(NUMBER_LENGTH))
    detail: Mapped[str] = mapped_column(long_text())
    action_data: Mapped[str] = mapped_column(long_text())
    output: Mapped[dict[str, Any]] = mapped_column(json_value())
    variables: Mapped[dict[str, str]] = mapped_column(json_value())
    returned: Mapped[dict[str, str]] = mapped_column(json_value())
    tools: Mapped[list[dict[str, Any]]] = mapped_column(json_value())
    spans: Mapped[list[dict[str, Any]]] = mapped_column(json_value())


class TurnToolRow(Base):
    """Which tools a turn called, to find it by them."""

    __tablename__ = "turn_tools"
    __table_args__ = (Index(None, "name"), {**TABLE_OPTIONS, "sqlite_autoincrement": False})

    turn_row_id: Mapped[int] = mapped_column(
        ForeignKey("turns.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    name: Mapped[str] = mapped_column(key_text(NAME_LENGTH), primary_key=True)
    calls: Mapped[int]
    failed: Mapped[int]
