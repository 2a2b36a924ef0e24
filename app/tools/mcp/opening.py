"""The sessions with MCP servers as the service runs them: behind the guard, with the logins."""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from importlib.util import find_spec

import aiohttp

from app.tools.auth.authoriser import Authoriser
from app.tools.auth.certificates import ClientCertificates
from app.tools.auth.definition import Secrets
from app.tools.auth.refreshing import RefreshTokens
from app.tools.auth.tokens import TokenKeeper
from app.tools.auth.transport import HttpTransport
from app.tools.guard.connector import OwnService, guarded_connector
from app.tools.guard.rules import Policy
from app.tools.mcp.connection import Connection, connected
from app.tools.mcp.definition import McpServer
from app.tools.mcp.errors import McpUnavailable
from app.tools.mcp.http_transport import client_session
from app.tools.mcp.sessions import Find, McpSessions


def is_installed() -> bool:
    """Whether the optional packages are there; nothing is imported."""
    return find_spec("mcp") is not None


def open_sessions(
    stack: AsyncExitStack,
    find: Find,
    policy: Policy,
    *,
    own_ports: Collection[int] = (),
    secrets: Callable[[], Secrets] = dict,
    refresh_tokens: RefreshTokens | None = None,
    commands: Collection[str] = (),
) -> McpSessions:
    """The sessions of a running service; within the running loop.

    Args:
        stack: Closes what they need, after they are closed themselves.
        find: The server of an id, as it is now.
        policy, own_ports: As of :func:`app.tools.opening.open_executor`.
        commands: The programs that may be run: ``MCP_STDIO_COMMANDS``.
    """

    def connector() -> aiohttp.BaseConnector:
        return guarded_connector(policy, own=OwnService(own_ports))

    clients: list[aiohttp.ClientSession] = []

    def token_client() -> aiohttp.ClientSession:
        if not clients:
            clients.append(client_session(connector))
            stack.push_async_callback(clients[0].close)
        return clients[0]

    tokens = TokenKeeper(HttpTransport(token_client), refresh_tokens)
    stack.push_async_callback(tokens.aclose)
    authoriser = Authoriser(tokens, ClientCertificates())

    def dial(server: McpServer) -> AbstractAsyncContextManager[Connection]:
        if server.transport == "stdio" and server.command not in commands:
            raise McpUnavailable(
                f"The program of the MCP server {server.name} may not be run: MCP_STDIO_COMMANDS does not name it.",
                retryable=False,
            )
        return connected(server, connector=connector, authoriser=authoriser, secrets=secrets)

    return McpSessions(find, dial)
