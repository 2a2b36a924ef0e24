"""What a tool's version says besides its request and its parameters: bound parameters, result, behaviour and
authorisation. What was there before has the usual value of each."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from app.models.base import json_value

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # A JSON column has no default on MySQL, so it is filled before it is closed to nulls.
    with op.batch_alter_table("tool_versions") as table:
        table.add_column(sa.Column("options", json_value(), nullable=True))
    versions = sa.table("tool_versions", sa.column("options", json_value()))
    op.execute(versions.update().values(options={}))
    with op.batch_alter_table("tool_versions") as table:
        table.alter_column("options", existing_type=json_value(), nullable=False)


def downgrade() -> None:
    with op.batch_alter_table("tool_versions") as table:
        table.drop_column("options")
