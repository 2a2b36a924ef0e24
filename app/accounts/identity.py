"""Who is signed in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from app.core.permissions import PERMISSIONS, Permission, Role


@dataclass(frozen=True, slots=True)
class User:
    """Who is signed in, and what they may.

    Attributes:
        id: None for the first administrator, who is in the settings.
        role: With a token: the lesser of its and its owner's.
        token: Name of the API token, if one was used.
    """

    name: str
    role: Role = Role.VIEWER
    id: int | None = None
    via: Literal["password", "token"] = "password"
    token: str = ""

    def may(self, permission: Permission) -> bool:
        """Whether the role has the permission."""
        return permission in PERMISSIONS[self.role]
