"""MCP servers that tools come from."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, String
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import TABLE_OPTIONS, Base, UtcDateTime, json_value, key_text
from app.models.names import KEY_LENGTH, NAME_LENGTH


class McpServerRow(Base):
    """One server. It holds no secret: where one is needed stands its name."""

    __tablename__ = "mcp_servers"
    __table_args__ = (TABLE_OPTIONS,)

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(NAME_LENGTH))
    name_key: Mapped[str] = mapped_column(key_text(KEY_LENGTH), unique=True)
    # http or stdio; the other fields are those of that one.
    transport: Mapped[str] = mapped_column(String(16))
    settings: Mapped[dict[str, Any]] = mapped_column(json_value())
    enabled: Mapped[bool]
    # The number of the kind's revision when it was last saved: it grows with every write, and a session serves one.
    revision: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime())
    created_by: Mapped[str] = mapped_column(String(NAME_LENGTH))
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime())
    updated_by: Mapped[str] = mapped_column(String(NAME_LENGTH))
