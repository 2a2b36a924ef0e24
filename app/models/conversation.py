"""Conversations, as the list of calls shows them."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import TABLE_OPTIONS, Base, UtcDateTime, key_text
from app.models.names import NAME_LENGTH

# Characters of a conversation's key, a number, a name and a word, as the tables of history keep them.
CONVERSATION_KEY_LENGTH = 255
NUMBER_LENGTH = 80
CALLER_NAME_LENGTH = 200
WORD_LENGTH = 40


class ConversationRow(Base):
    """What is known of all turns with one key. Raised with every turn, and never lowered: ``turns``, tokens and cost
    count also the turns that were deleted for their age."""

    __tablename__ = "conversations"
    __table_args__ = (
        Index(None, "last_at"),
        Index(None, "started_at"),
        Index(None, "caller_number", "last_at"),
        TABLE_OPTIONS,
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    # The memory's: the PBX and the dialplan's key. One that is longer ends in a digest of the whole.
    memory_key: Mapped[str] = mapped_column(key_text(CONVERSATION_KEY_LENGTH), unique=True)
    pbx: Mapped[str] = mapped_column(String(NAME_LENGTH))
    # What the dialplan passed, or the channel's id.
    shown_key: Mapped[str] = mapped_column(String(CONVERSATION_KEY_LENGTH))
    caller_number: Mapped[str] = mapped_column(key_text(NUMBER_LENGTH))
    caller_name: Mapped[str] = mapped_column(String(CALLER_NAME_LENGTH))
    started_at: Mapped[datetime] = mapped_column(UtcDateTime())
    last_at: Mapped[datetime] = mapped_column(UtcDateTime())
    turns: Mapped[int]
    # Turns whose status is neither OK nor ABANDONED.
    failed_turns: Mapped[int]
    last_status: Mapped[str] = mapped_column(String(WORD_LENGTH))
    prompt_name: Mapped[str] = mapped_column(String(NAME_LENGTH))
    input_tokens: Mapped[int] = mapped_column(BigInteger)
    output_tokens: Mapped[int] = mapped_column(BigInteger)
    # Millionths of the currency of HISTORY_PRICES; NULL: no turn's model has a price.
    cost_micros: Mapped[int | None] = mapped_column(BigInteger)
