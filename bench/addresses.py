"""What ``python -m bench pages`` asks for: every page and every list, as people come upon them, and the filters that
cost most. A test compares this with the routes of the application."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import quote

from bench.volume import DAYS, Volume

# The floor: a login, and an answer that needs nothing.
FLOOR: Final = "/api/me"

# The name of the secret that is stored for its pages.
SECRET: Final = "bench-token"

# Routes whose time says nothing, and why.
NOT_ASKED: Final[Mapping[str, str]] = {
    "/": "leads to /ui",
    "/static": "files",
    "/readyz": "is 503 without an Asterisk",
    "/api/calls/live": "server-sent events",
    "/api/status/live": "server-sent events",
    "/ui/start/live": "server-sent events",
    "/ui/status/live": "server-sent events",
    "/ui/mcp/{server_id}/tools": "asks another system",
    "/api/mcp/servers/{server_id}/tools": "asks another system",
    "/api/doctor": "examines the installation, which takes seconds",
    "/ui/settings/doctor": "examines the installation, which takes seconds",
}

# By route: the queries that it is asked with. Braces are filled in, as those of routes are. A route that is in neither
# is asked as it is.
_QUERIES: Final[Mapping[str, tuple[str, ...]]] = {
    "/ui": ("", "hours=1", "hours=168"),
    "/ui/charts": ("hours=168",),
    "/ui/calls": (
        "",
        "page={far_page}",
        "when=7d",
        "sort=-turns",
        "sort=-cost_micros",
        "status=TIMEOUT",
        "status=FAILED",
        "status=OK",
        "prompt=department+03",
        "tool=look_up_7",
        "number=1234",
        "text=broken+chair",
        "text=the",
        "text=nobody+said+this",
        "text=order&status=TIMEOUT&tool=look_up_7",
    ),
    "/ui/prompts/{prompt_id}/publish": ("version=2",),
    "/ui/prompts/{prompt_id}/compare": ("left=1&right=2",),
    "/ui/replay": ("", "conversation={conversation_id}"),
    "/ui/tools/{tool_id}/compare": ("left=1&right=1",),
    "/api/audit": ("", "offset={far_audit}"),
    "/api/calls": ("", "offset={far_offset}", "sort=-turns", "status=FAILED", "text=broken+chair"),
    "/api/calls/turns": ("", "offset={far_turns}", "sort=-latency_ms", "status=FAILED", "text=broken+chair"),
    "/api/calls/stats": ("", "from={week_ago}&bucket=60", "from={first_day}"),
    # All of it would be a download of minutes.
    "/api/calls/export.csv": ("conversation={conversation_id}",),
    "/api/calls/export.json": ("conversation={conversation_id}",),
    "/api/prompts/{prompt_id}/compare": ("left=1&right=2",),
}

_ROUTES: Final = (
    FLOOR,
    "/healthz",
    "/metrics",
    "/docs",
    "/redoc",
    "/openapi.json",
    "/ui",
    "/ui/charts",
    "/ui/start",
    "/ui/calls",
    "/ui/calls/live",
    "/ui/calls/turns/{turn_id}",
    "/ui/calls/{conversation_id}",
    "/ui/prompts",
    "/ui/prompts/new",
    "/ui/prompts/import",
    "/ui/prompts/{prompt_id}",
    "/ui/prompts/{prompt_id}/compare",
    "/ui/prompts/{prompt_id}/delete",
    "/ui/prompts/{prompt_id}/duplicate",
    "/ui/prompts/{prompt_id}/publish",
    "/ui/prompts/{prompt_id}/versions",
    "/ui/prompts/{prompt_id}/versions/{number}",
    "/ui/tools",
    "/ui/tools/new",
    "/ui/tools/import",
    "/ui/tools/python",
    "/ui/tools/{tool_id}",
    "/ui/tools/{tool_id}/compare",
    "/ui/tools/{tool_id}/delete",
    "/ui/tools/{tool_id}/duplicate",
    "/ui/tools/{tool_id}/versions",
    "/ui/tools/{tool_id}/versions/{number}",
    "/ui/playground",
    "/ui/replay",
    "/ui/mcp",
    "/ui/mcp/new",
    "/ui/mcp/{server_id}",
    "/ui/mcp/{server_id}/delete",
    "/ui/secrets",
    "/ui/secrets/new",
    "/ui/secrets/{secret_id}",
    "/ui/secrets/{secret_id}/delete",
    "/ui/secrets/{secret_id}/value",
    "/ui/users",
    "/ui/users/new",
    "/ui/users/tokens",
    "/ui/users/{user_id}",
    "/ui/users/{user_id}/delete",
    "/ui/users/{user_id}/password",
    "/ui/account",
    "/ui/account/password",
    "/ui/account/tokens/new",
    "/ui/account/tokens/{token_id}/revoke",
    "/ui/audit",
    "/ui/audit/{entry_id}",
    "/ui/settings",
    "/api/status",
    "/api/setup",
    "/api/settings",
    "/api/dialplan",
    "/api/dialplan.conf",
    "/api/example/orders/{order_id}",
    "/api/prompts",
    "/api/prompts/export",
    "/api/prompts/{prompt_id}",
    "/api/prompts/{prompt_id}/compare",
    "/api/prompts/{prompt_id}/usage",
    "/api/prompts/{prompt_id}/versions",
    "/api/prompts/{prompt_id}/versions/{number}",
    "/api/tools",
    "/api/tools/python",
    "/api/tools/{tool_id}",
    "/api/tools/{tool_id}/usage",
    "/api/tools/{tool_id}/versions",
    "/api/tools/{tool_id}/versions/{number}",
    "/api/calls",
    "/api/calls/now",
    "/api/calls/turns",
    "/api/calls/turns/{turn_id}",
    "/api/calls/{conversation_id}",
    "/api/calls/{conversation_id}/export.json",
    "/api/calls/export.csv",
    "/api/calls/export.json",
    "/api/calls/stats",
    "/api/audit",
    "/api/audit/{entry_id}",
    "/api/mcp/servers",
    "/api/mcp/servers/{server_id}",
    "/api/secrets",
    "/api/secrets/{name}",
    "/api/users",
    "/api/users/{user_id}",
    "/api/tokens",
)


def addresses(now: datetime, volume: Volume, made: Mapping[str, int]) -> list[str]:
    """What is asked for, in this order.

    Args:
        made: The ids of what is not part of the volume: ``user_id`` and ``token_id``.
    """
    conversations = volume.turns // 3
    known = {
        **{name: str(value) for name, value in made.items()},
        # The first prompt and the first tool are those of every new installation; the second prompt has most versions.
        "prompt_id": "2",
        "tool_id": "2",
        "entry_id": "2",
        # Of a version.
        "number": "1",
        "order_id": "A1042",
        # The only secret; see bench.pages.
        "secret_id": "1",
        # And the only MCP server.
        "server_id": "1",
        "name": SECRET,
        "conversation_id": str(max(1, conversations // 2)),
        "turn_id": f"{volume.turns // 2:016x}",
        "far_page": str(conversations // 50),
        "far_offset": str(conversations - 50),
        "far_turns": str(volume.turns - 50),
        "far_audit": str(volume.versions),
        "first_day": _moment(now - timedelta(days=DAYS)),
        "week_ago": _moment(now - timedelta(days=7)),
    }
    return [address.format_map(known) for address in _templates()]


def asked_routes() -> set[str]:
    """The routes that :func:`addresses` leads to."""
    return {address.partition("?")[0] for address in _templates()}


def _templates() -> Iterator[str]:
    for route in _ROUTES:
        for query in _QUERIES.get(route, ("",)):
            yield f"{route}?{query}" if query else route


def _moment(moment: datetime) -> str:
    return quote(moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))
