"""Turns by prompt: what is counted before somebody deletes one."""

from __future__ import annotations

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_NAME = "ix_turns_prompt_id_started_at_prompt_version"


def upgrade() -> None:
    op.create_index(_NAME, "turns", ["prompt_id", "started_at", "prompt_version"])


def downgrade() -> None:
    op.drop_index(_NAME, table_name="turns")
