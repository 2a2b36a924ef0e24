"""``/api/settings``: what is in force."""

from __future__ import annotations

import asyncio
import platform
import sqlite3
import sys
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Final

from fastapi import APIRouter

from app.api.access import needs
from app.api.parts import Parts, PartsDep
from app.core.permissions import Permission
from app.core.settings import Settings
from app.doctor.in_force import read_in_force
from app.schemas.settings import SettingBody, SettingsBody, UnknownBody, VersionBody

router = APIRouter(tags=["settings"])

# Of the libraries that something can depend on, in the order in which a call meets them.
_LIBRARIES: Final = (
    ("FastAPI", "fastapi"),
    ("uvicorn", "uvicorn"),
    ("uvloop", "uvloop"),
    ("aiohttp", "aiohttp"),
    ("LangChain", "langchain"),
    ("SQLAlchemy", "sqlalchemy"),
    ("redis-py", "redis"),
)


@router.get("/settings", summary="Read the settings that are in force")
@needs(Permission.MANAGE_SETTINGS)
async def get_settings(parts: PartsDep) -> SettingsBody:
    """Each with its value and where it comes from. Of secrets, and of passwords within addresses, only that they are
    set."""
    return await read_settings(parts)


async def read_settings(parts: Parts) -> SettingsBody:
    """What is in force. Reads the settings' file, in a thread."""
    found = await asyncio.to_thread(read_in_force, parts.settings)
    return SettingsBody(
        file=None if found.file is None else str(found.file),
        file_found=found.file_found,
        folder=str(found.folder),
        settings=[SettingBody.model_validate(setting) for setting in found.settings],
        unknown=[UnknownBody(name=name, meant=meant) for name, meant in found.unknown.items()],
        trouble=found.trouble,
        log=where_the_log_goes(parts.settings),
        versions=_versions(parts),
    )


def where_the_log_goes(settings: Settings) -> str:
    """A sentence for the operator."""
    console = settings.log_format == "console" or (settings.log_format == "auto" and sys.stderr.isatty())
    form = "lines for a console" if console else "JSON, one object a line"
    level = "debug" if settings.debug_mode else settings.log_level
    speech = "" if settings.log_speech else " What is said in calls is left out."
    return (
        f"Standard error, as {form}, from level {level} on. Under systemd: journalctl -u UNIT; "
        f"in Docker: docker logs CONTAINER.{speech}"
    )


def _versions(parts: Parts) -> list[VersionBody]:
    known = [
        ("asterisk-ai", parts.version),
        ("Python", platform.python_version()),
        ("System", platform.platform(terse=True)),
        ("SQLite", sqlite3.sqlite_version),
        ("Database in use", parts.database.describe()),
    ]
    return [VersionBody(name=name, version=text) for name, text in [*known, *_libraries()]]


@cache
def _libraries() -> list[tuple[str, str]]:
    found = []
    for name, package in _LIBRARIES:
        try:
            found.append((name, version(package)))
        except PackageNotFoundError:  # uvloop is not for every system
            continue
    return found
