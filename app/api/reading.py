"""Reads the state of every part: for ``/api/status``, the status page and readiness."""

from __future__ import annotations

import math
from datetime import UTC, datetime, time, timedelta
from typing import Final
from urllib.parse import urlsplit

from app.api.parts import Parts
from app.ari.config import AriState, AriStatus
from app.db.errors import DatabaseError
from app.history.records import Statistics
from app.llm.registry import ProviderStatus
from app.schemas.calls import BucketBody, StatisticsBody
from app.schemas.status import (
    AriBody,
    AsteriskBody,
    CallsBody,
    DatabaseBody,
    HistoryBody,
    Level,
    MemoryBody,
    ModelBody,
    ProviderBody,
    ServiceBody,
    StatusBody,
    ToolStateBody,
)
from app.tools.behaviour.governor import ToolState

_NOT_CONFIGURED: Final = (
    "Not configured, so no calls come in. Set ASTERISK_ARI_URL (such as http://127.0.0.1:8088), ASTERISK_ARI_USERNAME "
    "and ASTERISK_ARI_PASSWORD, as in Asterisk's ari.conf, and restart the service."
)
_REPLACED: Final = (
    "Another program connected to Asterisk with the same application name and takes the calls now. Stop it, and this "
    "service takes them again within seconds; or give one of them another ASTERISK_APP_NAME and restart it."
)


async def read_status(parts: Parts) -> StatusBody:
    """Everything, now. Asks the database (for at most two seconds), and nothing else over the network. What is counted
    of today may be some seconds old."""
    return StatusBody(
        service=_service(parts),
        ari=read_ari(parts),
        calls=_calls(parts),
        database=await _database(parts),
        memory=_memory(parts),
        history=_history(parts),
        today=await parts.samples.today.get(lambda: _today(parts)),
        model=ModelBody(
            default=str(parts.models.default),
            reason=parts.models.default_reason,
            fallback=str(parts.models.fallback) if parts.models.fallback else None,
        ),
        providers=[_provider(parts, status) for status in parts.models.statuses()],
        tools=[_tool(state) for state in parts.executor.states()],
    )


def obstacles_of(parts: Parts) -> list[str]:
    """Why calls cannot be served now; empty when they can.

    That the tables are migrated and the catalogs loaded needs no line: before, there are no parts to read. A database
    that goes away later is none either: calls go on with what is loaded.
    """
    obstacles = []
    ari = read_ari(parts)
    if ari.state not in ("connected", "not_configured"):
        obstacles.append(f"Asterisk: {ari.detail}")
    if parts.calls is not None and parts.calls.status.draining:
        obstacles.append("Calls: the service is stopping and takes no new ones.")
    return obstacles


def read_ari(parts: Parts) -> AriBody:
    """The connection to Asterisk, and what to do when there is none."""
    settings = parts.settings
    url = _without_login(settings.asterisk_ari_url)
    if parts.ari is None:
        return AriBody(
            level="off",
            state="not_configured",
            detail=_NOT_CONFIGURED,
            app=settings.asterisk_app_name,
            url=url,
            since=None,
            reconnects=0,
            asterisk=None,
            last_error=None,
        )
    status = parts.ari.status
    asterisk = None
    if status.asterisk is not None:
        asterisk = AsteriskBody(
            version=status.asterisk.version,
            entity_id=status.asterisk.entity_id,
            system_name=status.asterisk.system_name,
            rest_over_websocket=status.asterisk.rest_over_websocket,
        )
    return AriBody(
        level=_ARI_LEVELS[status.state],
        state=status.state.value,
        detail=_ari_detail(status, url),
        app=settings.asterisk_app_name,
        url=url,
        since=status.since,
        reconnects=max(0, status.connects - 1),
        asterisk=asterisk,
        last_error=status.last_error,
    )


_ARI_LEVELS: Final[dict[AriState, Level]] = {
    AriState.CONNECTED: "ok",
    AriState.CONNECTING: "warning",
    AriState.WAITING: "error",
    AriState.REPLACED: "error",
    AriState.CLOSED: "error",
}


def _ari_detail(status: AriStatus, url: str | None) -> str:
    if status.state is AriState.CONNECTED:
        version = f" {status.asterisk.version}" if status.asterisk else ""
        return f"Connected to Asterisk{version} at {url}."
    if status.state is AriState.REPLACED:
        return _REPLACED
    if status.state is AriState.CLOSED:
        return "The connection is closed; the service is stopping."
    reason = status.last_error or f"Not connected to {url}."
    if not reason.endswith((".", "?")):
        reason += "."
    return f"{reason} It is tried again by itself; the command asterisk-ai doctor finds out what is wrong."


def _without_login(url: str | None) -> str | None:
    """Readiness says the address to everybody, and some people write the password into it."""
    return url and urlsplit(url)._replace(netloc=urlsplit(url).netloc.rpartition("@")[2]).geturl()


def _tool(state: ToolState) -> ToolStateBody:
    return ToolStateBody(
        id=state.id,
        name=state.name,
        state={"open": "down", "half_open": "probing"}.get(state.breaker, "failing" if state.failures else "working"),
        failures=state.failures,
        again_in_seconds=math.ceil(state.seconds),
        running=state.running,
        waiting=state.waiting,
    )


def _service(parts: Parts) -> ServiceBody:
    uptime = datetime.now(UTC) - parts.started_at
    return ServiceBody(version=parts.version, started_at=parts.started_at, uptime_seconds=int(uptime.total_seconds()))


def _calls(parts: Parts) -> CallsBody | None:
    if parts.calls is None:
        return None
    status = parts.calls.status
    return CallsBody(active=status.active, limit=status.limit, served=status.served, draining=status.draining)


async def _database(parts: Parts) -> DatabaseBody:
    error = None
    try:
        await parts.database.ping()
    except DatabaseError as failure:
        error = str(failure)
    catalogs = (parts.prompt_catalog, parts.tool_catalog, parts.secret_catalog)
    stale = [each.status.stale_since for each in catalogs if each.status.stale_since]
    unreadable = len(parts.secret_catalog.unreadable())
    return DatabaseBody(
        level="error" if error else "warning" if stale or unreadable else "ok",
        detail=parts.database.describe(),
        error=error,
        prompts=len(parts.prompt_catalog.all()),
        tools=len(parts.tool_catalog.all()),
        secrets=len(parts.secret_catalog.current()),
        secrets_unreadable=unreadable,
        stale_since=min(stale, default=None),
    )


def _memory(parts: Parts) -> MemoryBody:
    status = parts.memory.status()
    return MemoryBody(
        level="ok" if status.connected else "error",
        backend=status.backend,
        detail=status.detail,
        conversations=status.conversations,
        unsaved_turns=status.unsaved_turns,
        last_error=status.last_error,
        last_error_at=status.last_error_at,
    )


# Turns that wait where the database keeps up: what comes while one batch is written.
_KEEPS_UP: Final = 500


def _history(parts: Parts) -> HistoryBody:
    recorder = parts.recorder
    level: Level = "ok"
    detail = "Every turn is written within a second of its end."
    if parts.settings.history_days == 0:
        level, detail = "off", "Nothing is kept of calls, because HISTORY_DAYS is 0."
    elif recorder.waiting > _KEEPS_UP:
        level, detail = "warning", "The database is slow or away; turns wait in memory until it answers."
    elif recorder.dropped:
        level, detail = "warning", "Turns were lost: the database was away for longer than they could wait."
    return HistoryBody(
        level=level, detail=detail, waiting=recorder.waiting, written=recorder.written, dropped=recorder.dropped
    )


async def _today(parts: Parts) -> BucketBody | None:
    """Since midnight by the clock of this machine."""
    now = datetime.now().astimezone()
    midnight = datetime.combine(now.date(), time.min).astimezone()
    try:
        # Offsets from UTC are whole quarters of an hour, so no bucket begins before midnight.
        found = await parts.history.statistics(midnight, now, 15)
    except DatabaseError:
        return None
    return BucketBody.model_validate(found.total)


async def read_statistics(parts: Parts, hours: int) -> StatisticsBody:
    """Turns, errors and latencies of the last hours, which must be among :data:`app.api.samples.RANGES`. Shared, so it
    may be some seconds old.

    Raises:
        DatabaseUnavailable: the database does not answer.
    """

    async def read() -> StatisticsBody:
        now = datetime.now(UTC)
        return statistics_body(await parts.history.statistics(now - timedelta(hours=hours), now, _BUCKETS[hours]))

    return await parts.samples.statistics[hours].get(read)


# Minutes of a bucket, by hours.
_BUCKETS: Final = {1: 1, 24: 15, 168: 60}


def statistics_body(found: Statistics) -> StatisticsBody:
    """As the API has it."""
    return StatisticsBody.model_construct(
        since=found.since,
        until=found.until,
        bucket_minutes=found.bucket_minutes,
        total=BucketBody.model_validate(found.total),
        buckets=[BucketBody.model_validate(each) for each in found.buckets],
    )


def _provider(parts: Parts, status: ProviderStatus) -> ProviderBody:
    return ProviderBody(
        level=_provider_level(parts, status),
        name=status.name,
        default_model=status.default_model,
        configured=status.configured,
        detail=status.detail,
        last_success=status.last_success,
        last_error=status.last_error,
        last_error_at=status.last_error_at,
    )


def _provider_level(parts: Parts, status: ProviderStatus) -> Level:
    if not status.configured:
        # The one that calls are sent to cannot be used: that is an error, and not just something left out.
        return "error" if parts.models.default.provider == status.name else "off"
    failed_last = status.last_error_at is not None and (
        status.last_success is None or status.last_success < status.last_error_at
    )
    return "error" if failed_last else "ok"
