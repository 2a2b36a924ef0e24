"""Secrets as people may see them: everything but the value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from app.core.sealing import SealBroken, SealedWithAnotherKey, Sealer, SealError
from app.models.secret import SecretRow
from app.tools.auth.definition import Secret

ANOTHER_KEY: Final = "cannot be read with this SECRET_KEY. Bring the old key back, or type the secret again."
BROKEN: Final = "was damaged in the database. Type it again."


@dataclass(frozen=True, slots=True)
class SecretRecord:
    """A secret without its value. Moments are aware, in UTC.

    Attributes:
        servers: Where it may be sent, such as ``https://api.example.com:443``.
        problem: Why it cannot be read, as the end of a sentence that begins with its name; empty: it can.
        value_set_at: When a person set the value.
        rotated_at: When an authorisation server last replaced it; None: never since.
    """

    id: int
    name: str
    description: str
    servers: Sequence[str]
    revision: int
    rotation: int
    problem: str
    value_set_at: datetime
    rotated_at: datetime | None
    created_at: datetime
    created_by: str
    updated_at: datetime
    updated_by: str

    @property
    def stamp(self) -> str:
        """Another one after each change by a person; a rotation leaves it as it is."""
        return self.updated_at.strftime("%Y%m%dT%H%M%S.%fZ")


@dataclass(frozen=True, slots=True)
class SealedSecret:
    """A secret as it lies in the database, for the catalog."""

    name: str
    sealed: str = field(repr=False)
    revision: int
    rotation: int
    servers: frozenset[str]


@dataclass(frozen=True, slots=True)
class CurrentSecrets:
    """All of them, and the kind's revision, read before."""

    revision: int
    secrets: Sequence[SealedSecret]


def seal_name(name: str) -> str:
    """What a secret's value is sealed under."""
    return f"secret:{name}"


def sealed_of(row: SecretRow) -> SealedSecret:
    """The row, frozen."""
    return SealedSecret(row.name, row.sealed, row.revision, row.rotation, frozenset(row.servers))


def opened(secret: SealedSecret, sealer: Sealer) -> Secret:
    """The secret with its value. Raises SealError."""
    value = sealer.open(secret.sealed, name=seal_name(secret.name))
    return Secret(value, secret.revision, secret.servers, secret.rotation)


def problem_words(error: SealError) -> str:
    """Why a secret cannot be read, as the end of a sentence that begins with its name."""
    return ANOTHER_KEY if isinstance(error, SealedWithAnotherKey) else BROKEN


def problem_of(row: SecretRow, sealer: Sealer) -> str:
    """The same of a row; empty: it can be read."""
    try:
        sealer.open(row.sealed, name=seal_name(row.name))
    except (SealedWithAnotherKey, SealBroken) as error:
        return problem_words(error)
    return ""


def record_of(row: SecretRow, sealer: Sealer) -> SecretRecord:
    """The row as people may see it."""
    return SecretRecord(
        id=row.id,
        name=row.name,
        description=row.description,
        servers=tuple(row.servers),
        revision=row.revision,
        rotation=row.rotation,
        problem=problem_of(row, sealer),
        value_set_at=row.value_set_at,
        rotated_at=row.rotated_at,
        created_at=row.created_at,
        created_by=row.created_by,
        updated_at=row.updated_at,
        updated_by=row.updated_by,
    )


def facts_of(row: SecretRow) -> dict[str, Any]:
    """What the audit log compares. Of the value only when it was set."""
    return {
        "description": row.description,
        "servers": list(row.servers),
        "value_set_at": row.value_set_at.isoformat(timespec="seconds"),
    }
