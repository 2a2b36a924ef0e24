"""Refresh tokens that a server replaces at each use: none is used twice, and none is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import structlog

from app.core.errors import GatewayError
from app.core.metrics import UNEXPECTED
from app.tools.auth.definition import Secret, SecretName

_log = structlog.get_logger(__name__)

_STORE_TIMEOUT_SECONDS: Final = 5.0
# Between attempts to store one; the last holds for all that follow.
_STORE_PAUSE_SECONDS: Final = (1.0, 2.0, 5.0, 15.0, 60.0)


class RefreshTokens(Protocol):
    """Where refresh tokens are kept, under the names of secrets."""

    async def rotated(self, name: SecretName, value: str, *, replaces: Secret) -> Secret | None:
        """Keep the new refresh token in place of ``replaces``, if revision and rotation are still those.

        Returns:
            As it is stored now: of the same revision, and the next rotation; None: another one was stored in the
            meantime, and stays.
        """
        ...

    async def latest(self, name: SecretName) -> Secret | None:
        """As it is stored now: another instance may have renewed it."""
        ...


@dataclass(slots=True, eq=False, weakref_slot=True)
class RefreshLine:
    """The refresh tokens that follow one another under one name. Logins that differ in scope may share them.

    Attributes:
        value: The one to be used next.
        stored: What is kept outside, as far as it is known here.
        store: None: they live as long as the line.
        lock: Held while one is used: a second use of it may make the server revoke all of them.
        saving: Stores ``value``, for as long as that takes.
    """

    name: SecretName
    stored: Secret
    value: str = field(repr=False)
    store: RefreshTokens | None = field(repr=False)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock, repr=False)
    saving: asyncio.Task[None] | None = None

    def adopt(self, given: Secret) -> bool:
        """Go on with ``given``, if somebody else stored it since: another instance, or an operator."""
        newer = (given.revision, given.rotation) > (self.stored.revision, self.stored.rotation)
        # While one is being stored, what seems newer may be an older one of our own.
        if self.saving is not None or not newer:
            return False
        self.stored, self.value = given, given.value.strip()
        return True

    async def was_replaced(self) -> bool:
        """Whether another one is stored than the one that was refused; it is the next to be used."""
        if self.store is None or self.saving is not None:
            return False
        try:
            async with asyncio.timeout(_STORE_TIMEOUT_SECONDS):
                latest = await self.store.latest(self.name)
        except (GatewayError, OSError) as error:
            _log.warning("tool_token.refresh_token_not_read", secret=self.name, detail=str(error))
            return False
        return latest is not None and self.adopt(latest)

    def go_on_with(self, value: str, spawn: Callable[[Coroutine[Any, Any, None], str], asyncio.Task[None]]) -> None:
        """The server gave this one for the last.

        Args:
            spawn: Starts the task that stores it, and owns it.
        """
        self.value = value
        if self.store is not None and self.saving is None:
            self.saving = spawn(self._save(self.store), f"refresh token {self.name}")

    async def _save(self, store: RefreshTokens) -> None:
        """Store the newest, for as long as that takes: without it the login is lost at the next start."""
        failures = 0
        try:
            while self.value != self.stored.value:  # it may be replaced once more while it is stored
                try:
                    async with asyncio.timeout(_STORE_TIMEOUT_SECONDS):
                        stored = await store.rotated(self.name, self.value, replaces=self.stored)
                except Exception as error:  # noqa: BLE001 - whatever it is, giving up would lose the login
                    UNEXPECTED.labels(where="refresh_token").inc()
                    _log.error("tool_token.refresh_token_not_stored", secret=self.name, error=type(error).__name__)
                    await asyncio.sleep(_STORE_PAUSE_SECONDS[min(failures, len(_STORE_PAUSE_SECONDS) - 1)])
                    failures += 1
                    continue
                if stored is None:
                    _log.warning("tool_token.refresh_token_overtaken", secret=self.name)
                    return
                self.stored = stored
                _log.info("tool_token.refresh_token_stored", secret=self.name)
        finally:
            self.saving = None
