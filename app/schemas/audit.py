"""The audit log in answers."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field

from app.accounts.audit import AuditEntry


class AuditBody(BaseModel):
    """One change."""

    id: int = Field(examples=[1])
    at: datetime
    actor: str = Field(examples=["ann"])
    token: str = Field(description="Name of the token that was used; empty: a password.", examples=[""])
    address: str = Field(description="Empty: the command line.", examples=["192.0.2.7"])
    kind: str = Field(examples=["prompt"])
    item_id: int | None = Field(examples=[1])
    item_name: str = Field(examples=["receptionist"])
    action: str = Field(examples=["save"])
    before: dict[str, Any] | None = Field(
        description="What differs, as it was; secrets are masked. Null: there was nothing.",
        examples=[{"published_version": 2}],
    )
    after: dict[str, Any] | None = Field(
        description="What differs, as it is. Null: there is nothing.", examples=[{"published_version": 1}]
    )

    @classmethod
    def of(cls, entry: AuditEntry) -> AuditBody:
        """From the log's."""
        return cls(**asdict(entry))
