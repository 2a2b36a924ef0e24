"""The executor as the service runs it: behind the guard, with the logins."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Final

from aiohttp.abc import AbstractResolver

from app.tools.auth.definition import Secrets
from app.tools.auth.refreshing import RefreshTokens
from app.tools.backend import Backend
from app.tools.definition import AnyRequest
from app.tools.execution import ToolExecutor
from app.tools.guard.connector import DNS_SECONDS, OwnService, guarded_connector
from app.tools.guard.rules import Policy
from app.tools.http import HttpBackend

# Of this service, tools reach the example shop and nothing else.
EXAMPLE_PATH: Final = "/api/example/"


def open_executor(
    policy: Policy,
    *,
    own_ports: Collection[int] = (),
    secrets: Callable[[], Secrets] = dict,
    refresh_tokens: RefreshTokens | None = None,
    others: Mapping[type[AnyRequest], Backend] | None = None,
    resolver: AbstractResolver | None = None,
    dns_seconds: int = DNS_SECONDS,
    clock: Callable[[], float] | None = None,
) -> ToolExecutor:
    """The executor of a running service; within the running loop. Who asked for it closes it.

    Args:
        policy: What the operator allows: ``Policy.parse(settings.tools_allowed_hosts)``.
        own_ports: Where the service itself listens; looked at for each connection.
        secrets: What is stored at the moment.
        refresh_tokens: Keeps those that an authorisation server replaces.
        others: The backends of the other kinds of tools.
        resolver: Looks names up; None: the system's. Its owner closes it.
        dns_seconds: How long its answers are used.
        clock: Tells the age of tokens; None: the loop's.
    """
    own = OwnService(own_ports, open_path=EXAMPLE_PATH)
    connector = guarded_connector(policy, own=own, resolver=resolver, dns_seconds=dns_seconds)
    http = HttpBackend(connector, secrets=secrets, refresh_tokens=refresh_tokens, clock=clock)
    return ToolExecutor(http, others=others)
