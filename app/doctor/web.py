"""The web interface: its port, who answers there, and what protects it."""

from __future__ import annotations

import asyncio
import enum
import ipaddress
import os
import socket
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import aiohttp

from app.core.security import secret_key_file
from app.core.settings import Settings
from app.doctor.check import Subject
from app.doctor.finding import Finding, fail, ok, warn

# Seconds that a service on this machine gets to say who it is.
TIMEOUT: Final = 3.0
# Bytes of a key made by the service; one of the operator's own should not be much shorter.
KEY_BYTES: Final = 32


class Answering(enum.Enum):
    """Who listens on the port of the web interface."""

    NOBODY = enum.auto()
    US = enum.auto()
    ANOTHER = enum.auto()


async def check_web(subject: Subject) -> Sequence[Finding]:
    """The port, the login, and the key."""
    settings = subject.settings
    return [await _port(settings), _login(settings), _exposure(settings), _key(settings)]


async def who_answers(settings: Settings) -> Answering:
    """Ask the port without logging in: our own refusal names us."""
    if settings.web_port == 0:
        return Answering.NOBODY
    host = _reachable(settings.web_host)
    url = f"http://{f'[{host}]' if ':' in host else host}:{settings.web_port}/api/status"
    try:
        async with (
            asyncio.timeout(TIMEOUT),
            aiohttp.ClientSession() as session,
            session.get(url, allow_redirects=False) as response,
        ):
            return (
                Answering.US
                if 'realm="asterisk-ai"' in response.headers.get("WWW-Authenticate", "")
                else Answering.ANOTHER
            )
    except aiohttp.ClientConnectorError:
        return Answering.NOBODY
    except (TimeoutError, aiohttp.ClientError):
        return Answering.ANOTHER


async def _port(settings: Settings) -> Finding:
    host, port = settings.web_host, settings.web_port
    title = "Web port"
    match await who_answers(settings):
        case Answering.US:
            return ok(title, f"the service answers on {host}:{port}")
        case Answering.ANOTHER:
            return fail(
                title,
                f"another program listens on {host}:{port}",
                f"Set another WEB_PORT in .env, or stop it (ss -ltnp 'sport = :{port}' names it).",
            )
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
    except (OSError, OverflowError) as error:
        return fail(
            title, f"{host}:{port} cannot be used: {error}", "Set WEB_HOST and WEB_PORT in .env to a free address."
        )
    return ok(title, f"{host}:{port} is free")


def _login(settings: Settings) -> Finding:
    if settings.web_ui_password is None:
        return warn(
            "Web login",
            "WEB_UI_PASSWORD is not set: a new password is made and printed at every start",
            "Set WEB_UI_PASSWORD in .env.",
        )
    return ok("Web login", f"user {settings.web_ui_username!r} with the password of WEB_UI_PASSWORD")


def _exposure(settings: Settings) -> Finding:
    title, host = "Web exposure", settings.web_host
    try:
        local = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        local = False
    if local:
        return ok(title, f"{host}: this machine only")
    return warn(
        title,
        f"WEB_HOST={host}: passwords travel unencrypted over the network",
        "Set WEB_HOST=127.0.0.1 and put a proxy with TLS in front, or keep the network to yourselves.",
    )


def _key(settings: Settings) -> Finding:
    title = "Secret key"
    if settings.secret_key is not None:
        if len(settings.secret_key.get_secret_value()) < KEY_BYTES:
            return warn(title, f"SECRET_KEY is shorter than {KEY_BYTES} characters", "Use: openssl rand -base64 32")
        return ok(title, "from SECRET_KEY")
    path = secret_key_file(settings.database_url)
    if not path.exists():
        folder = _nearest(path.parent)
        if not os.access(folder, os.W_OK):
            return fail(
                title,
                f"{path} cannot be made: this user may not write to {folder.resolve()}",
                "chown the folder to the user that runs the service, or set SECRET_KEY (openssl rand -base64 32).",
            )
        return ok(title, f"will be made at the first start, in {path}")
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        return fail(title, f"{path} can be read by other users (mode {mode:04o})", f"chmod 600 {path}")
    if not os.access(path, os.R_OK):
        return fail(
            title,
            f"{path} cannot be read by this user",
            f"chown it to the user that runs the service: chown USER {path}",
        )
    return ok(title, f"in {path}, mode {mode:04o}")


def _nearest(folder: Path) -> Path:
    """The folder, or the first one above it that exists."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return folder


def _reachable(host: str) -> str:
    """Where to reach a server that listens on ``host``: all addresses include this machine's own."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - looked up, not listened on
