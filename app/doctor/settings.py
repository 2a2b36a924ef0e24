"""The settings' file: found, closed to others, and without names that nobody reads."""

from __future__ import annotations

import difflib
import re
import stat
from collections.abc import Sequence
from pathlib import Path

from app.core.errors import SettingsError
from app.core.settings import Settings
from app.doctor.check import Subject
from app.doctor.finding import Finding, fail, ok, warn

_NAME = re.compile(r"^[ \t]*(?:export[ \t]+)?([A-Za-z_][A-Za-z0-9_]*)[ \t]*=", re.MULTILINE)
# Where one complaint of load_settings() ends and the next begins.
_NEXT = re.compile(r"; (?=[A-Z][A-Z0-9_.]+: |ASTERISK_ARI_URL is set)")


async def check_settings(subject: Subject) -> Sequence[Finding]:
    """That they could be read at all was seen before."""
    path = subject.env_file
    if path is not None and path.is_fifo():
        return [ok("Settings", f"read from {path} and the environment")]
    if path is None or not path.is_file():
        where = f"there is no {path}; " if path is not None and not path.exists() else ""
        return [ok("Settings", f"{where}read from the environment alone")]
    return [*_unknown(path), _mode(path, subject.settings)]


def unreadable(error: SettingsError, env_file: Path | None) -> list[Finding]:
    """What is wrong with settings that could not be read: one finding for each."""
    where = f"Edit {env_file} (the environment goes before it)" if env_file else "Change the environment"
    remedy = f"{where}; .env.example describes every setting."
    return [fail("Settings", line, remedy) for line in _NEXT.split(str(error))]


def unknown_names(path: Path) -> dict[str, str | None]:
    """The names in a settings' file that nobody reads, each with the setting that was probably meant.

    Raises:
        OSError: the file cannot be read.
    """
    known = [name.upper() for name in Settings.model_fields]
    found: dict[str, str | None] = {}
    for name in _NAME.findall(path.read_text(encoding="utf-8", errors="replace")):
        if name.upper() not in known:
            close = difflib.get_close_matches(name.upper(), known, n=1, cutoff=0.8)
            found[name] = close[0] if close else None
    return found


def _unknown(path: Path) -> list[Finding]:
    found = []
    for name, meant in unknown_names(path).items():
        hint = f"Did you mean {meant}?" if meant else "Take it out, or look its name up in .env.example."
        found.append(warn("Setting names", f"{path} sets {name}, which is no setting", hint))
    return found or [ok("Setting names", f"every name in {path} is a setting")]


def _mode(path: Path, settings: Settings) -> Finding:
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o007 and settings.secrets():
        return warn(
            "Settings file", f"{path} holds secrets and is open to all users (mode {mode:04o})", f"chmod o= {path}"
        )
    return ok("Settings file", f"{path}, mode {mode:04o}")
