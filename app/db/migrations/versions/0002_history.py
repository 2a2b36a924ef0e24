"""What happened in calls: conversations and their turns."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from app.models.base import TABLE_OPTIONS, UtcDateTime, json_value, key_text, long_text

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_NO_AUTOINCREMENT = {**TABLE_OPTIONS, "sqlite_autoincrement": False}

_INDEXES = {
    "conversations": (("last_at",), ("started_at",), ("caller_number", "last_at")),
    "turns": (
        ("started_at",),
        ("conversation_id", "started_at"),
        ("caller_number", "started_at"),
        ("prompt_name", "started_at"),
        ("status", "started_at"),
        ("minute", "status", "latency_ms"),
    ),
    "turn_tools": (("name",),),
}


def upgrade() -> None:
    _create_conversations()
    _create_turns()
    _create_parts_of_turns()
    for table, indexes in _INDEXES.items():
        for columns in indexes:
            op.create_index(f"ix_{table}_{'_'.join(columns)}", table, list(columns))


def _create_conversations() -> None:
    op.create_table(
        "conversations",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("memory_key", key_text(255), nullable=False),
        sa.Column("pbx", sa.String(100), nullable=False),
        sa.Column("shown_key", sa.String(255), nullable=False),
        sa.Column("caller_number", key_text(80), nullable=False),
        sa.Column("caller_name", sa.String(200), nullable=False),
        sa.Column("started_at", UtcDateTime(), nullable=False),
        sa.Column("last_at", UtcDateTime(), nullable=False),
        sa.Column("turns", sa.Integer(), nullable=False),
        sa.Column("failed_turns", sa.Integer(), nullable=False),
        sa.Column("last_status", sa.String(40), nullable=False),
        sa.Column("prompt_name", sa.String(100), nullable=False),
        sa.Column("input_tokens", sa.BigInteger(), nullable=False),
        sa.Column("output_tokens", sa.BigInteger(), nullable=False),
        sa.Column("cost_micros", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_conversations"),
        sa.UniqueConstraint("memory_key", name="uq_conversations_memory_key"),
        **TABLE_OPTIONS,
    )


def _create_turns() -> None:
    op.create_table(
        "turns",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("conversation_id", sa.Integer(), nullable=False),
        sa.Column("turn_id", key_text(40), nullable=False),
        sa.Column("started_at", UtcDateTime(), nullable=False),
        sa.Column("minute", sa.Integer(), nullable=False),
        sa.Column("status", key_text(40), nullable=False),
        sa.Column("error", sa.String(100), nullable=False),
        sa.Column("caller_number", key_text(80), nullable=False),
        sa.Column("channel_id", sa.String(200), nullable=False),
        sa.Column("prompt_id", sa.Integer(), nullable=True),
        sa.Column("prompt_name", sa.String(100), nullable=False),
        sa.Column("prompt_version", sa.Integer(), nullable=True),
        sa.Column("model", sa.String(200), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("action", sa.String(100), nullable=False),
        sa.Column("latency_ms", sa.Integer(), nullable=False),
        sa.Column("elapsed_ms", sa.Integer(), nullable=False),
        sa.Column("first_text_ms", sa.Double(), nullable=True),
        sa.Column("input_tokens", sa.Integer(), nullable=False),
        sa.Column("output_tokens", sa.Integer(), nullable=False),
        sa.Column("cost_micros", sa.BigInteger(), nullable=True),
        sa.Column("caller_text", long_text(), nullable=False),
        sa.Column("answer_text", long_text(), nullable=False),
        sa.Column("search_text", long_text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_turns"),
        sa.ForeignKeyConstraint(
            ["conversation_id"], ["conversations.id"], name="fk_turns_conversation_id_conversations", ondelete="CASCADE"
        ),
        sa.UniqueConstraint("turn_id", name="uq_turns_turn_id"),
        **TABLE_OPTIONS,
    )


def _create_parts_of_turns() -> None:
    op.create_table(
        "turn_details",
        sa.Column("turn_row_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("caller_name", sa.String(200), nullable=False),
        sa.Column("called_number", sa.String(80), nullable=False),
        sa.Column("detail", long_text(), nullable=False),
        sa.Column("action_data", long_text(), nullable=False),
        sa.Column("output", json_value(), nullable=False),
        sa.Column("variables", json_value(), nullable=False),
        sa.Column("returned", json_value(), nullable=False),
        sa.Column("tools", json_value(), nullable=False),
        sa.Column("spans", json_value(), nullable=False),
        sa.PrimaryKeyConstraint("turn_row_id", name="pk_turn_details"),
        sa.ForeignKeyConstraint(
            ["turn_row_id"], ["turns.id"], name="fk_turn_details_turn_row_id_turns", ondelete="CASCADE"
        ),
        **_NO_AUTOINCREMENT,
    )
    op.create_table(
        "turn_tools",
        sa.Column("turn_row_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("name", key_text(100), nullable=False),
        sa.Column("calls", sa.Integer(), nullable=False),
        sa.Column("failed", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("turn_row_id", "name", name="pk_turn_tools"),
        sa.ForeignKeyConstraint(
            ["turn_row_id"], ["turns.id"], name="fk_turn_tools_turn_row_id_turns", ondelete="CASCADE"
        ),
        **_NO_AUTOINCREMENT,
    )


def downgrade() -> None:
    for table in ("turn_tools", "turn_details", "turns", "conversations"):
        op.drop_table(table)
