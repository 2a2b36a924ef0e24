"""Who may do what: roles, and the permissions that each has. Nobody has what is not named here."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final


class Role(StrEnum):
    """What somebody is trusted with; each role may what the one before it may, and more."""

    VIEWER = "viewer"
    EDITOR = "editor"
    ADMINISTRATOR = "administrator"


class Permission(StrEnum):
    """One thing that a route needs. The words are shown by ``/api/me``, so pages know what to offer."""

    READ = "read"
    OWN_ACCOUNT = "own_account"  # one's own password and tokens
    EDIT_PROMPTS = "edit_prompts"
    EDIT_TOOLS = "edit_tools"
    PLAYGROUND = "playground"
    MANAGE_USERS = "manage_users"
    MANAGE_TOKENS = "manage_tokens"  # those of others
    MANAGE_SECRETS = "manage_secrets"
    MANAGE_SETTINGS = "manage_settings"
    READ_AUDIT = "read_audit"


_VIEWER: Final = frozenset({Permission.READ, Permission.OWN_ACCOUNT})
_EDITOR: Final = _VIEWER | {Permission.EDIT_PROMPTS, Permission.EDIT_TOOLS, Permission.PLAYGROUND}
_ADMINISTRATOR: Final = _EDITOR | {
    Permission.MANAGE_USERS,
    Permission.MANAGE_TOKENS,
    Permission.MANAGE_SECRETS,
    Permission.MANAGE_SETTINGS,
    Permission.READ_AUDIT,
}

PERMISSIONS: Final[Mapping[Role, frozenset[Permission]]] = MappingProxyType(
    {Role.VIEWER: _VIEWER, Role.EDITOR: _EDITOR, Role.ADMINISTRATOR: _ADMINISTRATOR}
)

_RANK: Final = tuple(Role)


def lesser(one: Role, other: Role) -> Role:
    """The role of the two that may less.

    >>> lesser(Role.ADMINISTRATOR, Role.VIEWER)
    <Role.VIEWER: 'viewer'>
    """
    return min(one, other, key=_RANK.index)
