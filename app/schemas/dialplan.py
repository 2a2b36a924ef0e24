"""The dialplan in answers."""

from __future__ import annotations

from pydantic import BaseModel, Field


class DialplanBody(BaseModel):
    """A dialplan for this installation."""

    text: str = Field(
        description="For `extensions.conf`.", examples=["[ai-assistant]\nexten => 100,1,NoOp(asterisk-ai: a call)\n"]
    )
    file: str = Field(description="Where it goes.", examples=["/etc/asterisk/asterisk-ai.conf"])
