"""The tools that models are offered, in memory: choosing them costs a turn no round trip."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import structlog

from app.db.catalog import Catalog
from app.db.snapshot import INTERVAL, Loaded
from app.models.names import name_key
from app.tools.definition import ToolDefinition
from app.tools.errors import ToolNotFound
from app.tools.store import ToolStore

log = structlog.get_logger(__name__)

_MAX_TOLD = 1_000


@dataclass(frozen=True, slots=True)
class _Tools:
    by_name: Mapping[str, ToolDefinition]
    by_version: Mapping[tuple[int, int], ToolDefinition]
    # Those that are enabled, by name: what most turns ask for.
    enabled: tuple[ToolDefinition, ...]


class ToolCatalog(Catalog[_Tools]):
    """Tools by name."""

    def __init__(self, store: ToolStore, *, interval: float = INTERVAL) -> None:
        super().__init__("tools", store, interval=interval)
        self._store = store
        # What a prompt names and is not offered, and was told of; forgotten when the tools change.
        self._told: tuple[_Tools | None, set[str]] = (None, set())

    def get(self, name: str) -> ToolDefinition:
        """The tool of that name, in any case, enabled or not. Raises ToolNotFound."""
        tool = self._snapshot.value.by_name.get(name_key(name))
        if tool is None:
            raise ToolNotFound(f"There is no tool named {name[:100]}.")
        return tool

    def all(self) -> tuple[ToolDefinition, ...]:
        """All of them, by name."""
        return tuple(self._snapshot.value.by_name.values())

    def select(self, names: tuple[str, ...] | None) -> tuple[ToolDefinition, ...]:
        """The enabled tools of a prompt, always in the order of their names; None: all that are enabled.

        A name without a tool is passed over: a tool that was deleted must not end the calls of the prompts that name
        it. The fixed order gives equal selections equal keys in caches.
        """
        tools = self._snapshot.value
        if names is None:
            return tools.enabled
        wanted = {name_key(name) for name in names}
        self._tell(tools, names)
        return tuple(tool for tool in tools.enabled if name_key(tool.name) in wanted)

    def _tell(self, tools: _Tools, names: tuple[str, ...]) -> None:
        """Log what is named and not offered: once, not at every turn."""
        if self._told[0] is not tools:
            self._told = (tools, set())
        told = self._told[1]
        for name in names:
            key = name_key(name)
            if key in told or len(told) >= _MAX_TOLD:
                continue
            tool = tools.by_name.get(key)
            if tool is None or not tool.enabled:
                told.add(key)
                log.warning("tools.named_but_not_offered", tool=name, reason="deleted" if tool is None else "disabled")

    async def _load(self, earlier: _Tools | None) -> Loaded[_Tools]:
        current = await self._store.current(earlier.by_version if earlier else None)
        tools = sorted(current.tools, key=lambda tool: name_key(tool.name))
        return Loaded(
            current.revision,
            _Tools(
                by_name={name_key(tool.name): tool for tool in tools},
                by_version={tool.key: tool for tool in tools},
                enabled=tuple(tool for tool in tools if tool.enabled),
            ),
        )
