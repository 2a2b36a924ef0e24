"""Users in requests and answers."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from app.accounts.identity import User
from app.accounts.users import UserRecord
from app.core.permissions import PERMISSIONS, Permission, Role


class UserCreate(BaseModel):
    """A new user."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(
        min_length=1, max_length=100, description="Unique in any case; without a colon.", examples=["ann"]
    )
    password: SecretStr = Field(
        min_length=10, max_length=1_000, description="At least 10 characters.", examples=["k7mf-2qxv-9hta-wc3e"]
    )
    role: Role = Field(examples=["editor"])


class UserChange(BaseModel):
    """What is to change; a field that is left out, or null, stays as it is."""

    model_config = ConfigDict(extra="forbid")

    name: str | None = Field(default=None, min_length=1, max_length=100, examples=["ann"])
    password: SecretStr | None = Field(default=None, min_length=10, max_length=1_000, examples=["wc3e-k7mf-2qxv-9hta"])
    role: Role | None = Field(default=None, examples=["viewer"])
    disabled: bool | None = Field(default=None, description="A disabled user cannot sign in, nor can their tokens.")


class PasswordBody(BaseModel):
    """A new password of one's own."""

    model_config = ConfigDict(extra="forbid")

    password: SecretStr = Field(min_length=10, max_length=1_000, examples=["k7mf-2qxv-9hta-wc3e"])


class UserBody(BaseModel):
    """A user. The first administrator, of the settings, is not among them."""

    id: int = Field(examples=[1])
    name: str = Field(examples=["ann"])
    role: Role = Field(examples=["editor"])
    disabled: bool
    last_sign_in_at: datetime | None = Field(description="To the minute; null: never.")
    created_at: datetime
    updated_at: datetime
    updated_by: str = Field(examples=["admin"])
    tokens: int = Field(description="How many API tokens they have.", examples=[2])

    @classmethod
    def of(cls, record: UserRecord) -> UserBody:
        """From the store's."""
        return cls(**asdict(record))


class MeBody(BaseModel):
    """Who is signed in with this request."""

    id: int | None = Field(description="Null: the first administrator, of the settings.", examples=[1])
    name: str = Field(examples=["ann"])
    role: Role = Field(description="With a token: the lesser of its and its owner's.", examples=["editor"])
    permissions: list[Permission] = Field(examples=[["read", "own_account", "edit_prompts"]])
    via: Literal["password", "token"] = Field(examples=["password"])
    token: str = Field(description="Name of the token that was used.", examples=[""])

    @classmethod
    def of(cls, user: User) -> MeBody:
        """From who is signed in."""
        allowed = [permission for permission in Permission if permission in PERMISSIONS[user.role]]
        return cls(id=user.id, name=user.name, role=user.role, permissions=allowed, via=user.via, token=user.token)
