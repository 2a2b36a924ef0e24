"""MCP servers that tools come from."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from app.models.base import TABLE_OPTIONS, UtcDateTime, json_value, key_text

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "mcp_servers",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("name_key", key_text(300), nullable=False),
        sa.Column("transport", sa.String(16), nullable=False),
        sa.Column("settings", json_value(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("created_by", sa.String(100), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.Column("updated_by", sa.String(100), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_mcp_servers"),
        sa.UniqueConstraint("name_key", name="uq_mcp_servers_name_key"),
        **TABLE_OPTIONS,
    )
    revisions = sa.table("revisions", sa.column("kind", sa.String), sa.column("number", sa.BigInteger))
    op.bulk_insert(revisions, [{"kind": "mcp_servers", "number": 0}])


def downgrade() -> None:
    op.execute("DELETE FROM revisions WHERE kind = 'mcp_servers'")
    op.drop_table("mcp_servers")
