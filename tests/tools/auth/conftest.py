"""A keeper of tokens before a real authorisation server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from typing import Any

import aiohttp
import pytest

from app.core.errors import GatewayError
from app.tools.auth.definition import Authorisation, OAuthLogin, Secret, Secrets
from app.tools.auth.tokens import AccessToken, TokenKeeper
from app.tools.auth.transport import HttpTransport
from tests.tools.auth.server import Server, authorisation_server


@dataclass
class Clock:
    """Time as the test says; only the age of tokens is told by it."""

    now: float = 1_000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Store:
    """Refresh tokens as a table would keep them."""

    secrets: dict[str, Secret] = field(default_factory=dict)
    rotations: list[tuple[str, str]] = field(default_factory=list)
    failures: int = 0
    stored: asyncio.Event = field(default_factory=asyncio.Event)
    goes_on: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.goes_on.set()

    async def rotated(self, name: str, value: str, *, replaces: Secret) -> Secret | None:
        await asyncio.sleep(0)
        if self.failures:
            self.failures -= 1
            raise GatewayError("the database is away")
        known = self.secrets[name]
        if (known.revision, known.rotation) != (replaces.revision, replaces.rotation):
            return None
        self.secrets[name] = replace(known, value=value, rotation=known.rotation + 1)
        self.rotations.append((name, value))
        self.stored.set()
        kept = self.secrets[name]
        await self.goes_on.wait()
        return kept

    async def latest(self, name: str) -> Secret | None:
        await asyncio.sleep(0)
        return self.secrets.get(name)


SECRETS = {
    "gateway-secret": "s3cret-of-gateway",
    "poster-secret": "s3cret-of-poster",
    "odd-secret": "a:b+c d%20/ü€",
    "wrong-secret": "s3cret-of-nobody",
    "refresh": "refresh-of-gateway",
    "public-refresh": "refresh-of-public",
}


@dataclass
class Desk:
    """What the tests of tokens work with."""

    server: Server
    keeper: TokenKeeper
    clock: Clock
    store: Store

    def login(self, **changes: Any) -> Authorisation:
        fields: dict[str, Any] = {
            "grant": "client_credentials",
            "token_url": f"{self.server.url}/token",
            "client_id": "gateway",
            "client_secret": "gateway-secret",
        }
        return Authorisation(OAuthLogin(**{**fields, **changes}))

    def refreshing(self, **changes: Any) -> Authorisation:
        return self.login(**{"grant": "refresh_token", "refresh_token": "refresh", **changes})

    @property
    def secrets(self) -> Secrets:
        """As they are stored now."""
        return dict(self.store.secrets)

    async def token(
        self, authorisation: Authorisation | None = None, secrets: Secrets | None = None, *, seconds: float = 5.0
    ) -> AccessToken:
        return await self.keeper.token(
            authorisation or self.login(),
            self.secrets if secrets is None else secrets,
            tool="look_up",
            deadline=asyncio.get_running_loop().time() + seconds,
        )


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(auto_decompress=False, cookie_jar=aiohttp.DummyCookieJar()) as made:
        yield made


@pytest.fixture
async def desk(session: aiohttp.ClientSession) -> AsyncIterator[Desk]:
    clock = Clock()
    store = Store({name: Secret(value, 1) for name, value in SECRETS.items()})
    async with authorisation_server() as server:
        keeper = TokenKeeper(HttpTransport(lambda: session), store, clock=clock, max_logins=8)
        yield Desk(server, keeper, clock, store)
        await keeper.aclose()
