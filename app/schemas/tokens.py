"""API tokens in requests and answers."""

from __future__ import annotations

from dataclasses import asdict

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from app.accounts.tokens import TokenRecord
from app.core.permissions import Role


class TokenCreate(BaseModel):
    """A new token."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, max_length=100, description="What it is for.", examples=["deploy prompts"])
    role: Role = Field(description="The most that it may; never more than you.", examples=["editor"])
    expires_at: AwareDatetime | None = Field(
        default=None, description="With its time zone; null: never.", examples=["2030-01-31T00:00:00Z"]
    )


class TokenBody(BaseModel):
    """A token, without what its holder sends."""

    id: int = Field(examples=[1])
    name: str = Field(examples=["deploy prompts"])
    owner: str = Field(examples=["ann"])
    role: Role = Field(examples=["editor"])
    hint: str = Field(description="Its first characters.", examples=["aai_Xb3d"])
    expires_at: AwareDatetime | None
    last_used_at: AwareDatetime | None = Field(description="To the minute; null: never.")
    created_at: AwareDatetime

    @classmethod
    def of(cls, record: TokenRecord) -> TokenBody:
        """From the store's."""
        return cls(**asdict(record))


class NewTokenBody(TokenBody):
    """A token just made. This is the only time that it is shown."""

    token: str = Field(
        description="What the holder sends, as `Authorization: Bearer`. It cannot be had again.",
        examples=["aai_Xb3d0pZr..."],
    )
