"""Secrets, sealed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from app.models.base import TABLE_OPTIONS, UtcDateTime, json_value, key_text, long_text

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "secrets",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("name_key", key_text(300), nullable=False),
        sa.Column("description", sa.String(500), nullable=False),
        sa.Column("sealed", long_text(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("rotation", sa.Integer(), nullable=False),
        sa.Column("servers", json_value(), nullable=False),
        sa.Column("value_set_at", UtcDateTime(), nullable=False),
        sa.Column("rotated_at", UtcDateTime(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("created_by", sa.String(100), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.Column("updated_by", sa.String(100), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_secrets"),
        sa.UniqueConstraint("name_key", name="uq_secrets_name_key"),
        **TABLE_OPTIONS,
    )
    revisions = sa.table("revisions", sa.column("kind", sa.String), sa.column("number", sa.BigInteger))
    op.bulk_insert(revisions, [{"kind": "secrets", "number": 0}])


def downgrade() -> None:
    op.execute("DELETE FROM revisions WHERE kind = 'secrets'")
    op.drop_table("secrets")
