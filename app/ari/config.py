"""How to reach an Asterisk, and what is known of it once it is reached."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class AriConfig:
    """Address and manners of a connection. Durations are seconds.

    Attributes:
        url: Base URL of Asterisk's HTTP server, without ``/ari``.
        app: Name of the Stasis application.
        events: Event types to receive, beside those that the client itself needs. None: all of them.
        rest_over_websocket: None: where the server has it. False: always HTTP, which is what older servers get.
        request_timeout: How long an answer may take.
        ping_interval: Asterisk sends no pings of its own, so a dead peer shows itself only by ours.
        ping_timeout: How long a pong may take before the connection counts as dead.
        backoff_initial, backoff_max: Bounds of the jittered wait between connection attempts.
        http_pool: Connections kept for REST over HTTP.
    """

    url: str
    username: str
    password: str = field(repr=False)
    app: str
    events: frozenset[str] | None = None
    rest_over_websocket: bool | None = None
    connect_timeout: float = 5.0
    request_timeout: float = 5.0
    ping_interval: float = 10.0
    ping_timeout: float = 5.0
    backoff_initial: float = 0.1
    backoff_max: float = 5.0
    http_pool: int = 20


class AriState(enum.StrEnum):
    """Where the connection is in its life."""

    CONNECTING = "connecting"
    CONNECTED = "connected"
    WAITING = "waiting"  # for the next attempt
    REPLACED = "replaced"  # another client took over; final
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class AsteriskInfo:
    """What the server said of itself at the last connect.

    Attributes:
        version: Such as ``22.10.1``.
        entity_id: The server's EID, unique among Asterisks; prefixes conversations.
        rest_over_websocket: Requests go over the event socket.
        bulk_variables: ``POST /channels/{id}/variables`` exists: one request sets all variables.
    """

    version: str
    entity_id: str
    system_name: str
    rest_over_websocket: bool
    bulk_variables: bool


@dataclass(frozen=True, slots=True)
class AriStatus:
    """For the status page, ``doctor`` and readiness.

    Attributes:
        since: When the present state began.
        connects: Successful connections since the start; reconnects are one fewer.
        last_error: Why the last attempt or connection ended, as a sentence for the operator.
    """

    state: AriState
    since: datetime
    connects: int
    asterisk: AsteriskInfo | None
    last_error: str | None
    requests_in_flight: int
