"""The settings that are in force: each with its value, where that comes from, and what it is for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import orjson
from pydantic import BaseModel, SecretStr
from pydantic_settings import EnvSettingsSource

from app.core.errors import SettingsError
from app.core.logging import SecretMask
from app.core.settings import Settings, load_settings
from app.doctor.described import Described, descriptions
from app.doctor.settings import unknown_names

# Written for each character of a secret, and for no characters too: not even its length is shown.
MASK: Final = "***"
OTHER: Final = "Other"

# Name and password of an address: to the last @, since people forget to encode theirs.
_LOGIN: Final = re.compile(r"://(?:(?P<user>[^:/@?#\s]*):)?.*@", re.DOTALL)
# Drivers and servers take passwords as parameters, too.
_PARAMETER: Final = re.compile(
    r"([?&][^=&#\s]*(?:pass|pwd|secret|token|key|auth|sig)[^=&#\s]*=)[^&#\s]*", re.IGNORECASE
)


class Source(StrEnum):
    """Where a value comes from."""

    ENVIRONMENT = "environment"
    FILE = "file"
    DEFAULT = "default"
    PROGRAM = "program"  # whoever started the service from Python


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting.

    Attributes:
        name: As it is written in ``.env``.
        value: As it would be written there, passwords within it masked. None: it is not set, or it is a secret.
        default: Likewise.
        is_set: Whether there is a value at all.
        differs: The value is not the default.
        pending: The file says something else by now, which a restart brings into force.
    """

    name: str
    group: str
    text: str
    example: str
    value: str | None
    default: str | None
    secret: bool
    is_set: bool
    source: Source
    differs: bool
    pending: bool


@dataclass(frozen=True, slots=True)
class InForce:
    """All settings.

    Attributes:
        file: That the service looked for at its start; None: it was told not to.
        folder: The working directory, which a relative file is looked for in.
        file_found: Whether it is there now.
        unknown: Names in the file that nobody reads, each with the one that was probably meant.
        trouble: Why a restart would fail with the file as it is now; None: it would not.
    """

    file: Path | None
    folder: Path
    file_found: bool
    settings: tuple[Setting, ...]
    unknown: Mapping[str, str | None]
    trouble: str | None


def read_in_force(settings: Settings) -> InForce:
    """Explain ``settings``. Reads their file again, so not for the event loop."""
    file = settings.read_from
    # A pipe can be read once, and was.
    found = file is not None and file.is_file()
    unknown: Mapping[str, str | None] = {}
    trouble, next_time = None, settings
    if found and file is not None:
        try:
            unknown = unknown_names(file)
            next_time = load_settings(file)
        except SettingsError as error:
            trouble = masked_for(settings, str(error))
        except OSError as error:
            trouble = f"{file} cannot be read: {error.strerror}"
    elif file is not None and not file.exists():
        next_time = _without_file(file, settings)
    return InForce(file, Path.cwd(), found, tuple(_explained(settings, next_time)), unknown, trouble)


def _without_file(file: Path, settings: Settings) -> Settings:
    """What a restart finds where the file is gone; ``settings`` themselves where it would not start."""
    try:
        return load_settings(file)
    except SettingsError:
        return settings


def masked_for(settings: Settings, text: str) -> str:
    """The text without the secrets of the settings, as the log would have it."""
    return SecretMask(secret.get_secret_value() for secret in settings.secrets())(text)


def _explained(settings: Settings, next_time: Settings) -> list[Setting]:
    described = descriptions()
    from_environment = EnvSettingsSource(Settings)()
    ranks = {name: rank for rank, name in enumerate(described)}
    found = []
    for name, field in Settings.model_fields.items():
        value, default = getattr(settings, name), field.get_default(call_default_factory=True)
        about = described.get(name.upper(), Described(OTHER, ""))
        secret = _is_secret(field.annotation)
        if name not in settings.model_fields_set:
            source = Source.DEFAULT
        elif name in from_environment:
            source = Source.ENVIRONMENT
        else:
            source = Source.PROGRAM if settings.read_from is None else Source.FILE
        found.append(
            Setting(
                name=name.upper(),
                group=about.group,
                text=about.text,
                example=about.example,
                value=None if secret else written(value),
                default=None if secret else written(default),
                secret=secret,
                is_set=value is not None,
                source=source,
                differs=value != default,
                pending=value != getattr(next_time, name),
            )
        )
    return sorted(found, key=lambda setting: ranks.get(setting.name, len(ranks)))


def _is_secret(annotation: Any) -> bool:
    return annotation is SecretStr or SecretStr in getattr(annotation, "__args__", ())


def written(value: Any) -> str | None:
    """A value as it stands in ``.env``, without secrets; None for none.

    >>> written("postgresql://ai:hunter2@db/ai")
    'postgresql://ai:***@db/ai'
    """
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:g}"
    plain = _plain(value)
    return plain if isinstance(plain, str) else orjson.dumps(plain).decode()


def _plain(value: Any) -> Any:
    """The value as JSON has it, masked wherever a secret may be."""
    if isinstance(value, SecretStr):
        return MASK
    if isinstance(value, BaseModel):
        return {name: _plain(each) for name, each in value if each is not None}
    if isinstance(value, Mapping):
        return {str(name): _plain(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    return without_login(value) if isinstance(value, str) else value


def without_login(text: str) -> str:
    """A text in which the password of an address, and parameters that look like one, are masked."""
    text = _LOGIN.sub(lambda match: f"://{match['user'] + ':' if match['user'] else ''}{MASK}@", text)
    return _PARAMETER.sub(rf"\g<1>{MASK}", text)
