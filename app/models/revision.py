"""Revisions: one counter for each kind of thing that processes keep copies of."""

from __future__ import annotations

from sqlalchemy import BigInteger, String
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import TABLE_OPTIONS, Base

PROMPTS = "prompts"
TOOLS = "tools"
USERS = "users"
SECRETS = "secrets"
MCP_SERVERS = "mcp_servers"


class RevisionRow(Base):
    """Counts the writes to one kind. Raised in the transaction of the write, as its first statement: the lock on
    this row puts the writers of a kind in line, and readers learn from one number whether their copy is old."""

    __tablename__ = "revisions"
    # No autoincrement: the key is a word.
    __table_args__ = ({**TABLE_OPTIONS, "sqlite_autoincrement": False},)

    kind: Mapped[str] = mapped_column(String(32), primary_key=True)
    number: Mapped[int] = mapped_column(BigInteger)
