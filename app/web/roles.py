"""Roles and permissions in words, for pages."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from app.core.permissions import PERMISSIONS, Permission, Role

ROLE_WORDS: Final[Mapping[Role, str]] = MappingProxyType(
    {
        Role.VIEWER: "Viewer: reads",
        Role.EDITOR: "Editor: prompts, tools, playground",
        Role.ADMINISTRATOR: "Administrator: everything",
    }
)

_PERMISSION_WORDS: Final[Mapping[Permission, str]] = MappingProxyType(
    {
        Permission.READ: "See the dashboard, prompts, tools and calls",
        Permission.OWN_ACCOUNT: "Change the own password, make and revoke own API tokens",
        Permission.EDIT_PROMPTS: "Write, publish and delete prompts",
        Permission.EDIT_TOOLS: "Write, try and delete tools",
        Permission.PLAYGROUND: "Talk to prompts in the playground",
        Permission.MANAGE_USERS: "Add, change and delete users",
        Permission.MANAGE_TOKENS: "See and revoke the API tokens of others",
        Permission.MANAGE_SECRETS: "Keep secrets, such as keys of tools",
        Permission.MANAGE_SETTINGS: "See the settings that are in force",
        Permission.READ_AUDIT: "Read who changed what",
    }
)


def abilities(role: Role) -> list[tuple[str, bool]]:
    """Every permission in words, and whether the role has it."""
    return [
        (_PERMISSION_WORDS.get(each, each.replace("_", " ").capitalize()), each in PERMISSIONS[role])
        for each in Permission
    ]


def role_options(at_most: Role = Role.ADMINISTRATOR) -> list[tuple[str, str]]:
    """Values and words for a choice, up to that role."""
    roles = list(Role)
    return [(str(role), ROLE_WORDS[role]) for role in roles[: roles.index(at_most) + 1]]
