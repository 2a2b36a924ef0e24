"""The MCP servers in memory: a call of a tool pays no round trip for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from app.db.catalog import Catalog
from app.db.snapshot import INTERVAL, Loaded
from app.tools.mcp.definition import McpServer
from app.tools.mcp.store import McpServerStore


@dataclass(frozen=True, slots=True)
class _Servers:
    by_id: Mapping[int, McpServer]


class McpServerCatalog(Catalog[_Servers]):
    """Servers by id. What this process saves is in force when the save returns; what another one saves, a second
    later."""

    def __init__(self, store: McpServerStore, *, interval: float = INTERVAL) -> None:
        super().__init__("mcp_servers", store, interval=interval)
        self._store = store

    def find(self, server_id: int) -> McpServer | None:
        """The server of that id, enabled or not; None: there is none."""
        return self._snapshot.value.by_id.get(server_id)

    def all(self) -> tuple[McpServer, ...]:
        """All of them, by name."""
        return tuple(self._snapshot.value.by_id.values())

    async def _load(self, earlier: _Servers | None) -> Loaded[_Servers]:
        current = await self._store.current()
        return Loaded(current.revision, _Servers({server.id: server for server in current.servers}))
