"""Writing the audit log: in the transaction of the change, so there is never the one without the other.

It lives below the rooms that change things, since those do not import each other. Reading is in
:mod:`app.accounts.audit`.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote

from sqlalchemy.ext.asyncio import AsyncSession

from app.models.audit import AuditRow
from app.models.base import utc_now
from app.models.names import NAME_LENGTH, name_key

MASK: Final = "***"
# Characters of a text that are kept here; all of a prompt is in its version.
LONGEST_TEXT: Final = 10_000


@dataclass(frozen=True, slots=True)
class Actor:
    """Who changes something.

    Attributes:
        address: Where the request came from; empty where there was none.
        token: Name of the API token, if one was used.
    """

    name: str
    address: str = ""
    token: str = ""


_NOBODY: Final = Actor("asterisk-ai")
_ACTOR: Final[ContextVar[Actor]] = ContextVar("actor", default=_NOBODY)


@contextmanager
def acting(actor: Actor) -> Iterator[None]:
    """What is changed within the block, in this task, is changed by ``actor``."""
    token = _ACTOR.set(actor)
    try:
        yield
    finally:
        _ACTOR.reset(token)


def record(
    session: AsyncSession,
    kind: str,
    action: str,
    *,
    item_id: int | None,
    name: str,
    before: Mapping[str, Any] | None,
    after: Mapping[str, Any] | None,
    by: str | None = None,
) -> None:
    """Add a line to the log, with the commit of ``session``.

    Args:
        kind, action: One lower-case word each, such as ``prompt`` and ``save``.
        before, after: JSON values. Where both are given, only what differs is kept; secrets are masked after
            comparing.
        by: Who; the one of :func:`acting` if not given.
    """
    session.add(_row(kind, action, item_id, name, before, after, by))


async def record_large(
    session: AsyncSession,
    kind: str,
    action: str,
    *,
    item_id: int | None,
    name: str,
    before: Mapping[str, Any] | None,
    after: Mapping[str, Any] | None,
    by: str | None = None,
) -> None:
    """As :func:`record`, for values that may have a megabyte.

    Comparing and masking these takes some tenths of a second, which they spend in a thread.
    """
    session.add(await asyncio.to_thread(_row, kind, action, item_id, name, before, after, by))


def _row(
    kind: str,
    action: str,
    item_id: int | None,
    name: str,
    before: Mapping[str, Any] | None,
    after: Mapping[str, Any] | None,
    by: str | None,
) -> AuditRow:
    actor = _ACTOR.get()
    who = (by or actor.name)[:NAME_LENGTH]
    if before is not None and after is not None:
        changed = {key for key in {*before, *after} if before.get(key) != after.get(key)}
        before = {key: value for key, value in before.items() if key in changed}
        after = {key: value for key, value in after.items() if key in changed}
    return AuditRow(
        at=utc_now(),
        actor=who,
        actor_key=name_key(who),
        token=actor.token[:NAME_LENGTH],
        address=actor.address[:64],
        kind=kind,
        item_id=item_id,
        item_name=name[:NAME_LENGTH],
        item_key=name_key(name),
        action=action,
        before=None if before is None else masked(before),
        after=None if after is None else masked(after),
    )


_SECRET: Final = re.compile(
    r"auth(?!ors?\b)|token|secret|passw|pwd|passphrase|api.?key|cookie|credential|signature|session"
    r"|(?:\b|_|access|subscription|private|shared)key$|\b(?:appid|sig)$",
    re.IGNORECASE,
)
# What the services that give them out begin their keys with; a JWT begins with eyJ.
_KNOWN_KEY: Final = re.compile(r"\b(?:sk-|pk_|rk_|gh[pousr]_|glpat-|xox[abprs]-|AIza|eyJ)[A-Za-z0-9_.-]{10,}")
# What headers may say without being a secret; any other may hold one, under a name that nobody can foresee.
_HARMLESS_HEADERS: Final = frozenset({"accept", "accept-language", "content-type", "user-agent"})
_LOGIN_IN_URL: Final = re.compile(r"//[^/@\s]{1,2000}@")
_SECRET_IN_QUERY: Final = re.compile(r"([?&])([^=&#\s]{1,200})=([^&#\s]*)")


def names_secret(name: str) -> bool:
    """Whether what stands under this name, of a header, a parameter or a key, is taken for a secret."""
    return _SECRET.search(name) is not None


def looks_secret(value: str) -> bool:
    """Whether the value itself tells that it is, or holds, a key, whatever its name."""
    return _KNOWN_KEY.search(value) is not None


def masked(value: Any, *, under: str = "") -> Any:
    """The JSON value with its secrets masked and long texts cut.

    Args:
        under: The key that it stands under.
    """
    if isinstance(value, Mapping):
        return {str(key): masked(item, under=_place(under, str(key))) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [masked(item, under=under) for item in value]
    if under == _HIDDEN:
        return MASK if value not in (None, "") else value
    if not isinstance(value, str):
        return value
    if under == "url":
        value = _SECRET_IN_QUERY.sub(_mask_parameter, _LOGIN_IN_URL.sub(f"//{MASK}@", value))
    kept = _KNOWN_KEY.sub(MASK, value[:LONGEST_TEXT])
    return kept if len(value) <= LONGEST_TEXT else f"{kept}... ({len(value):,} characters)"


_HIDDEN: Final = "\0hidden"


def _place(under: str, key: str) -> str:
    if under == _HIDDEN or _SECRET.search(key):
        return _HIDDEN
    if under == "headers":
        return key if key.lower() in _HARMLESS_HEADERS else _HIDDEN
    return key


def _mask_parameter(found: re.Match[str]) -> str:
    value = MASK if _SECRET.search(unquote(found[2])) else found[3]
    return f"{found[1]}{found[2]}={value}"
