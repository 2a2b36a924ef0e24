"""The secrets in memory, opened: a call of a tool pays no round trip for them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Final

import structlog

from app.core.sealing import SealError
from app.db.catalog import Catalog
from app.db.snapshot import INTERVAL, Loaded
from app.tools.auth.definition import Secret, SecretName
from app.tools.vault.records import SealedSecret, opened, problem_words
from app.tools.vault.store import SecretStore

_log = structlog.get_logger(__name__)

# Names in one log line.
_TOLD: Final = 20


@dataclass(frozen=True, slots=True)
class _Secrets:
    by_name: Mapping[SecretName, Secret] = field(repr=False)
    sealed: Mapping[SecretName, SealedSecret] = field(repr=False)

    def unreadable(self) -> dict[SecretName, str]:
        return {name: secret.problem for name, secret in self.by_name.items() if secret.problem}


class SecretCatalog(Catalog[_Secrets]):
    """Secrets by name. What this process saves is in force when the save returns; what another one saves, a second
    later.

    A secret that cannot be opened is in it, with ``problem`` and without a value: the tools that need it say so, and
    all others go on.
    """

    def __init__(self, store: SecretStore, *, interval: float = INTERVAL) -> None:
        super().__init__("secrets", store, interval=interval)
        self._store = store
        # Which could not be read when the log last said so.
        self._told: frozenset[SecretName] = frozenset()

    def current(self) -> Mapping[SecretName, Secret]:
        """All of them, as they are now. A snapshot: it does not change under who holds it."""
        return self._snapshot.value.by_name

    def unreadable(self) -> Mapping[SecretName, str]:
        """Those that cannot be read, and why, as the end of a sentence that begins with the name."""
        return self._snapshot.value.unreadable()

    async def _load(self, earlier: _Secrets | None) -> Loaded[_Secrets]:
        current = await self._store.current()
        # A thousand certificates take a tenth of a second to open, and calls are served meanwhile.
        loaded = await asyncio.to_thread(self._opened, current.secrets, earlier)
        self._tell(loaded)
        return Loaded(current.revision, loaded)

    def _opened(self, sealed: Sequence[SealedSecret], earlier: _Secrets | None) -> _Secrets:
        by_name = {each.name: self._open(each, earlier) for each in sealed}
        return _Secrets(MappingProxyType(by_name), {each.name: each for each in sealed})

    def _open(self, sealed: SealedSecret, earlier: _Secrets | None) -> Secret:
        known = None if earlier is None else earlier.by_name.get(sealed.name)
        if known is not None and earlier is not None and earlier.sealed[sealed.name] == sealed:
            return known
        try:
            return opened(sealed, self._store.sealer)
        except SealError as error:
            if known is not None and (known.revision, known.rotation) == (sealed.revision, sealed.rotation):
                # The same secret, sealed by somebody with another key: while this process runs, it knows the value.
                return replace(known, servers=sealed.servers)
            return Secret("", sealed.revision, sealed.servers, sealed.rotation, problem_words(error))

    def _tell(self, loaded: _Secrets) -> None:
        """Log what cannot be read: at the start, and when others come to it."""
        unreadable = loaded.unreadable()
        if unreadable.keys() - self._told:
            _log.error(
                "secrets.unreadable",
                secrets=sorted(unreadable)[:_TOLD],
                count=len(unreadable),
                hint="set SECRET_KEY, or SECRET_KEY_PREVIOUS, to the key they were stored with, or type them again; "
                "tools that need them cannot be called until then",
            )
        elif self._told and not unreadable:
            _log.info("secrets.readable_again")
        self._told = frozenset(unreadable)
