"""Asterisk over ARI: reached, let in, able, and free to be served. Opens no event socket, so no call changes hands."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final
from urllib.parse import quote, urlsplit

import aiohttp

from app.ari.config import AriConfig
from app.ari.counters import AriCounters
from app.ari.detection import short_version, surely_without_rest_over_websocket
from app.ari.errors import AriError, AriNotFound, AriProtocolError, AriUnauthorized, AriUnavailable
from app.ari.http import AriHttp
from app.ari.requests import Request
from app.core.settings import Settings
from app.doctor.check import Subject
from app.doctor.finding import Finding, fail, ok, skip, warn
from app.doctor.web import Answering, who_answers

# Seconds for one answer.
TIMEOUT: Final = 5.0

# What the service cannot do without, and what the printed dialplan uses.
SERVICE_MODULES: Final = (
    "res_ari",
    "res_ari_applications",
    "res_ari_asterisk",
    "res_ari_channels",
    "res_ari_events",
    "res_stasis",
    "app_stasis",
    "res_http_websocket",
)
DIALPLAN_MODULES: Final = (
    "pbx_config",
    "app_read",
    "app_stack",
    "app_verbose",
    "app_sendtext",
    "func_callerid",
    "func_dialplan",
    "func_strings",
    "func_timeout",
    "func_uri",
)
# The oldest that the service is tried with.
OLDEST: Final = 16


async def check_asterisk(subject: Subject) -> Sequence[Finding]:
    """Reachability first; what comes after it is asked only where it makes sense."""
    settings = subject.settings
    if not settings.asterisk_ari_url:
        return [
            warn(
                "Asterisk",
                "ASTERISK_ARI_URL is not set, so no calls are served",
                "Set ASTERISK_ARI_URL=http://127.0.0.1:8088, ASTERISK_ARI_USERNAME and ASTERISK_ARI_PASSWORD in .env.",
            )
        ]
    async with ari_of(settings) as ari:
        try:
            info = await ask(ari, Request("GET", "asterisk/info"))
        except AriError as error:
            return [await _unreachable(ari, settings, error)]
        return [
            _version(settings, info),
            await _writes(ari, settings),
            await _features(ari, info),
            *_modules(await ask(ari, Request("GET", "asterisk/modules"))),
            await _application(ari, settings),
        ]


@asynccontextmanager
async def ari_of(settings: Settings) -> AsyncIterator[AriHttp]:
    """ARI over HTTP alone; closed at the end of the block. ``ASTERISK_ARI_URL`` must be set."""
    assert settings.asterisk_ari_url
    assert settings.asterisk_ari_username
    assert settings.asterisk_ari_password
    config = AriConfig(
        url=settings.asterisk_ari_url,
        username=settings.asterisk_ari_username,
        password=settings.asterisk_ari_password.get_secret_value(),
        app=settings.asterisk_app_name,
        connect_timeout=TIMEOUT,
    )
    ari = AriHttp(config, AriCounters())
    try:
        yield ari
    finally:
        await ari.aclose()


async def ask(ari: AriHttp, request: Request) -> Any:
    """One request within :data:`TIMEOUT`.

    Raises:
        AriError: as :meth:`app.ari.http.AriHttp.request`; no answer in time is ``AriProtocolError``: something listens
            that is not Asterisk, or Asterisk stands still. An address that is none is ``AriUnavailable``, caused by
            a ``ValueError``: some show only when they are looked up, such as the name ``a..b``.
    """
    try:
        async with asyncio.timeout(TIMEOUT):
            return await ari.request(request)
    except TimeoutError:
        raise AriProtocolError(f"no answer within {TIMEOUT:g} s") from None
    except ValueError as error:
        raise AriUnavailable("ASTERISK_ARI_URL is no address") from error


async def _unreachable(ari: AriHttp, settings: Settings, error: AriError) -> Finding:
    url, user = settings.asterisk_ari_url, settings.asterisk_ari_username
    if isinstance(error, AriUnauthorized):
        return fail(
            "ARI user",
            f"Asterisk at {url} does not accept the user {user!r} with this password (status {error.status})",
            f"In ari.conf: [{user}] with type=user and password=..., the same as ASTERISK_ARI_PASSWORD; "
            "then: asterisk -rx 'module reload res_ari.so'",
        )
    if isinstance(error, AriNotFound):
        try:
            await ask(ari, Request("GET", "applications"))
        except AriError:
            return fail(
                "Asterisk",
                f"{url} answers, but has no ARI",
                "Set enabled=yes in ari.conf and load res_ari (asterisk -rx 'ari show status'); "
                "ASTERISK_ARI_URL is the address before /ari, with the prefix of http.conf if it has one.",
            )
        return fail(
            "Asterisk modules",
            "res_ari_asterisk is not loaded",
            "asterisk -rx 'module load res_ari_asterisk.so', and keep it in modules.conf",
        )
    if isinstance(error, AriProtocolError):
        return fail(
            "Asterisk",
            f"what answers at {url} is not Asterisk: {error}",
            "Compare ASTERISK_ARI_URL with bindaddr and bindport in http.conf (asterisk -rx 'http show status').",
        )
    if isinstance(error.__cause__, ValueError):
        return fail(
            "Asterisk",
            f"ASTERISK_ARI_URL={url} is no address",
            "Write http:// or https://, a name or an IP address, and a port: ASTERISK_ARI_URL=http://127.0.0.1:8088",
        )
    if _is_unknown_name(error):
        host = urlsplit(url or "").hostname
        return fail(
            "Asterisk",
            f"the name {host} cannot be resolved",
            f"Correct it in ASTERISK_ARI_URL, or write the IP address there; try: getent hosts {host}",
        )
    return fail(
        "Asterisk",
        f"{url} cannot be reached: {_reason(error)}",
        "Is Asterisk running? In http.conf: enabled=yes, bindaddr and bindport as in ASTERISK_ARI_URL; "
        "then: asterisk -rx 'http show status'",
    )


def _is_unknown_name(error: AriError) -> bool:
    cause = error.__cause__
    return isinstance(cause, aiohttp.ClientConnectorError) and isinstance(cause.os_error, socket.gaierror)


def _reason(error: AriError) -> str:
    """The system's words for it, such as "Connection refused", where there are any."""
    cause = error.__cause__
    if isinstance(cause, aiohttp.ClientConnectorError) and cause.os_error.errno:
        return os.strerror(cause.os_error.errno)
    return str(cause or error)


def _version(settings: Settings, info: Any) -> Finding:
    text = _text(info, "system", "version")
    version = short_version(text)
    major = version.partition(".")[0]
    if major.isdigit() and int(major) < OLDEST:
        return warn(
            "Asterisk",
            f"Asterisk {version} at {settings.asterisk_ari_url} is older than what the service is tried with",
            f"Use Asterisk {OLDEST} or newer; 22 is best.",
        )
    return ok("Asterisk", f"Asterisk {version} at {settings.asterisk_ari_url}")


async def _writes(ari: AriHttp, settings: Settings) -> Finding:
    """A user with ``read_only`` gets 403 for everything but GET, before Asterisk looks whether the channel exists
    (tried on 16.28 and 22.10.1). So asking to hang up a channel that is not there tells, and does nothing."""
    user = settings.asterisk_ari_username
    try:
        await ask(ari, Request("DELETE", "channels/asterisk-ai-doctor-no-such-channel"))
    except AriNotFound:
        return ok("ARI user", f"{user!r} may read and write")
    except AriUnauthorized:
        return fail(
            "ARI user",
            f"{user!r} may only read, so no call could be given back to the dialplan",
            f"In ari.conf, section [{user}]: read_only=no; then: asterisk -rx 'module reload res_ari.so'",
        )
    return skip("ARI user", f"whether {user!r} may write could not be found out")


async def _features(ari: AriHttp, info: Any) -> Finding:
    version = short_version(_text(info, "system", "version"))
    socket = not surely_without_rest_over_websocket(version)
    try:
        await ask(ari, Request("OPTIONS", "channels/-/variables"))
        bulk = True
    except AriError:
        bulk = False
    found = [
        "REST over the WebSocket" if socket else "REST over HTTP (over the WebSocket since 20.14, 21.9 and 22.4)",
        "all variables in one request" if bulk else "one request for each variable (all in one since 22.10)",
    ]
    return ok("ARI features", "; ".join(found))


def _modules(answer: Any) -> list[Finding]:
    running = {
        str(module.get("name", "")).removesuffix(".so")
        for module in (answer if isinstance(answer, list) else [])
        if isinstance(module, dict) and module.get("status") == "Running"
    }
    found = []
    if missing := [name for name in SERVICE_MODULES if name not in running]:
        found.append(fail("Asterisk modules", f"not loaded: {', '.join(missing)}", _load(missing)))
    if absent := [name for name in DIALPLAN_MODULES if name not in running]:
        found.append(
            warn(
                "Dialplan modules",
                f"not loaded, and used by 'asterisk-ai dialplan': {', '.join(absent)}",
                _load(absent),
            )
        )
    return found or [ok("Asterisk modules", f"all {len(SERVICE_MODULES) + len(DIALPLAN_MODULES)} are loaded")]


def _load(names: Sequence[str]) -> str:
    typed = " && ".join(f"asterisk -rx 'module load {name}.so'" for name in names)
    return f"{typed} ; and in modules.conf, with autoload=no, a line load={names[0]}.so for each"


async def _application(ari: AriHttp, settings: Settings) -> Finding:
    """Whether somebody is connected under our name. The newer of two takes the calls over, so it must not be tried."""
    app = settings.asterisk_app_name
    try:
        await ask(ari, Request("GET", f"applications/{quote(app, safe='')}"))
        taken = True
    except AriNotFound:
        taken = False
    answering = await who_answers(settings)
    title = "ARI application"
    if answering is Answering.US and not taken:
        return fail(
            title,
            f"the service that runs on port {settings.web_port} is not connected to this Asterisk as {app!r}",
            "Look at its log and at the dashboard; restart it if the settings were changed since it was started.",
        )
    if taken and answering is not Answering.US:
        return warn(
            title,
            f"somebody is connected as {app!r}, and it is not a service on port {settings.web_port} of this machine",
            "A start here would take the calls over. Stop the other one, or set another ASTERISK_APP_NAME.",
        )
    return ok(title, f"{app!r} is {'served by the running service' if taken else 'free'}")


def _text(info: Any, *path: str) -> str:
    for name in path:
        info = info.get(name) if isinstance(info, dict) else None
    return info if isinstance(info, str) else ""
