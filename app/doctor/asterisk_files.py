"""Asterisk's http.conf and ari.conf, where Asterisk runs on this machine and they may be read: limits that show only
under load."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from app.doctor.check import Subject
from app.doctor.finding import Finding, ok, skip, warn

# Connections. The service keeps one event socket and up to 20 for REST, and others use the same server.
FEWEST_SESSIONS: Final = 50
# Milliseconds. The service lets go of an idle connection after 10 s, and must be the first to do so.
SHORTEST_KEEP_ALIVE: Final = 11_000
# Milliseconds. Asterisk closes an event socket that cannot be written to for so long.
SHORTEST_WRITE_TIMEOUT: Final = 100

_SECTION = re.compile(r"\[([^\]]+)\]")
_LOOPBACK = ("127.0.0.1", "localhost", "::1")

Sections = Mapping[str, Mapping[str, str]]


async def check_asterisk_files(subject: Subject) -> Sequence[Finding]:
    """Reads two files. What FreePBX includes from other files is not followed."""
    host = urlsplit(subject.settings.asterisk_ari_url or "").hostname
    if host not in _LOOPBACK:
        return []
    found = []
    for name, judge in (("http.conf", _http), ("ari.conf", _ari)):
        path = subject.asterisk_config / name
        try:
            text = path.read_text(encoding="utf-8", errors="replace")
        except OSError as error:
            found.append(skip(name, f"{path} cannot be read: {error.strerror}"))
            continue
        found += judge(path, sections(text), subject.settings.asterisk_ari_username or "")
    return found


def sections(text: str) -> Sections:
    """A file of Asterisk's: comments, ``[name](template)``, ``key = value`` and ``key => value``."""
    found: dict[str, dict[str, str]] = {}
    current: dict[str, str] = {}
    for raw in text.splitlines():
        line = re.split(r"(?<!\\);", raw, maxsplit=1)[0].strip()
        if match := _SECTION.match(line):
            current = found.setdefault(match[1].strip(), {})
        elif "=" in line and not line.startswith("#"):
            key, _, value = line.partition("=")
            current[key.strip().lower()] = value.removeprefix(">").strip()
    return found


def _http(path: Path, found: Sections, _user: str) -> list[Finding]:
    general = found.get("general", {})
    findings = []
    if (limit := _number(general, "sessionlimit", 100)) < FEWEST_SESSIONS:
        findings.append(
            warn(
                "http.conf",
                f"sessionlimit = {limit}: the service alone may use 21 connections",
                f"In {path}: sessionlimit = 1000; then: asterisk -rx 'module reload http'",
            )
        )
    if (keep := _number(general, "session_keep_alive", 15_000)) < SHORTEST_KEEP_ALIVE:
        findings.append(
            warn(
                "http.conf",
                f"session_keep_alive = {keep} ms: Asterisk closes connections before the service does",
                f"In {path}: session_keep_alive = 60000; then: asterisk -rx 'module reload http'",
            )
        )
    return findings or [ok("http.conf", f"sessionlimit {limit}, session_keep_alive {keep} ms")]


def _ari(path: Path, found: Sections, user: str) -> list[Finding]:
    findings = []
    wait = _number(found.get("general", {}), "websocket_write_timeout", 100)
    if wait < SHORTEST_WRITE_TIMEOUT:
        findings.append(
            warn(
                "ari.conf",
                f"websocket_write_timeout = {wait} ms: a moment's delay closes the connection",
                f"In {path}, [general]: websocket_write_timeout = 1000; then: asterisk -rx 'module reload res_ari.so'",
            )
        )
    section = found.get(user, {})
    if section.get("password_format", "plain").lower() == "crypt" and section.get("password", "").startswith("$2"):
        findings.append(
            warn(
                "ari.conf",
                f"the password of [{user}] is hashed with bcrypt, which costs Asterisk 50 ms for each request",
                f"In {path}: password_format = plain on loopback or TLS, or a hash by 'mkpasswd -m sha-512'",
            )
        )
    return findings or [ok("ari.conf", f"websocket_write_timeout {wait} ms")]


def _number(section: Mapping[str, str], name: str, default: int) -> int:
    text = section.get(name, "")
    return int(text) if text.isdigit() else default
