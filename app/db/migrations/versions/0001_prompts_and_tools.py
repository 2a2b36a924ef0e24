"""Prompts and tools with their versions, and the revisions of both."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from app.models.base import TABLE_OPTIONS, UtcDateTime, json_value, key_text, long_text

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_NO_AUTOINCREMENT = {**TABLE_OPTIONS, "sqlite_autoincrement": False}


def upgrade() -> None:
    revisions = op.create_table(
        "revisions",
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("kind", name="pk_revisions"),
        **_NO_AUTOINCREMENT,
    )
    op.bulk_insert(revisions, [{"kind": "prompts", "number": 0}, {"kind": "tools", "number": 0}])
    _create_prompts()
    _create_tools()


def _create_prompts() -> None:
    op.create_table(
        "prompts",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("name_key", key_text(300), nullable=False),
        sa.Column("default_mark", sa.Integer(), nullable=True),
        sa.Column("latest_version", sa.Integer(), nullable=False),
        sa.Column("published_version", sa.Integer(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.Column("updated_by", sa.String(100), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_prompts"),
        sa.UniqueConstraint("name_key", name="uq_prompts_name_key"),
        sa.UniqueConstraint("default_mark", name="uq_prompts_default_mark"),
        sa.CheckConstraint("default_mark = 1", name=op.f("ck_prompts_default_mark_is_one_or_null")),
        **TABLE_OPTIONS,
    )
    op.create_table(
        "prompt_versions",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("prompt_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("content", long_text(), nullable=False),
        sa.Column("metadata", json_value(), nullable=False),
        sa.Column("model", sa.String(200), nullable=True),
        sa.Column("temperature", sa.Double(), nullable=True),
        sa.Column("tools", json_value(), nullable=True),
        sa.Column("actions", json_value(), nullable=False),
        sa.Column("output_schema", json_value(), nullable=True),
        sa.Column("fallback", long_text(), nullable=True),
        sa.Column("timeout", sa.Double(), nullable=True),
        sa.Column("greeting", long_text(), nullable=True),
        sa.Column("note", sa.String(500), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("created_by", sa.String(100), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_prompt_versions"),
        sa.ForeignKeyConstraint(
            ["prompt_id"], ["prompts.id"], name="fk_prompt_versions_prompt_id_prompts", ondelete="CASCADE"
        ),
        sa.UniqueConstraint("prompt_id", "number", name="uq_prompt_versions_prompt_id_number"),
        **TABLE_OPTIONS,
    )


def _create_tools() -> None:
    op.create_table(
        "tools",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("name_key", key_text(300), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.Column("updated_by", sa.String(100), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_tools"),
        sa.UniqueConstraint("name_key", name="uq_tools_name_key"),
        **TABLE_OPTIONS,
    )
    op.create_table(
        "tool_versions",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("tool_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("description", long_text(), nullable=False),
        sa.Column("parameters", json_value(), nullable=False),
        sa.Column("request", json_value(), nullable=False),
        sa.Column("note", sa.String(500), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("created_by", sa.String(100), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_tool_versions"),
        sa.ForeignKeyConstraint(["tool_id"], ["tools.id"], name="fk_tool_versions_tool_id_tools", ondelete="CASCADE"),
        sa.UniqueConstraint("tool_id", "number", name="uq_tool_versions_tool_id_number"),
        **TABLE_OPTIONS,
    )


def downgrade() -> None:
    for table in ("tool_versions", "tools", "prompt_versions", "prompts", "revisions"):
        op.drop_table(table)
