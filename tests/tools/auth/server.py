"""A real authorisation server on the loopback: Authlib's own, behind aiohttp. It can be told to be slow or broken."""

from __future__ import annotations

import asyncio
import secrets
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson
from aiohttp import web
from authlib.oauth2 import OAuth2Request  # type: ignore[import-untyped,unused-ignore]
from authlib.oauth2.rfc6749 import (  # type: ignore[import-untyped,unused-ignore]
    AuthorizationServer,
    ClientCredentialsGrant,
    ClientMixin,
    RefreshTokenGrant,
    TokenMixin,
)
from authlib.oauth2.rfc6749.requests import BasicOAuth2Payload  # type: ignore[import-untyped,unused-ignore]
from authlib.oauth2.rfc6750 import BearerTokenGenerator  # type: ignore[import-untyped,unused-ignore]


@dataclass
class Client(ClientMixin):  # type: ignore[misc,unused-ignore]
    id: str
    secret: str
    auth_method: str
    grants: tuple[str, ...] = ("client_credentials", "refresh_token")
    scopes: tuple[str, ...] = ("read", "write")

    def get_client_id(self) -> str:
        return self.id

    def get_allowed_scope(self, scope: str | None) -> str | None:
        return " ".join(each for each in (scope or "read").split() if each in self.scopes) or None

    def check_client_secret(self, client_secret: str) -> bool:
        return secrets.compare_digest(client_secret.encode(), self.secret.encode())

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        return method == self.auth_method

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type in self.grants


@dataclass
class RefreshToken(TokenMixin):  # type: ignore[misc,unused-ignore]
    value: str
    client: Client
    revoked: bool = False

    def check_client(self, client: Client) -> bool:
        return client is self.client

    def get_scope(self) -> str:
        return "read write"


class _Request(OAuth2Request):  # type: ignore[misc,unused-ignore]
    def __init__(self, method: str, uri: str, headers: Mapping[str, str], form: dict[str, str]) -> None:
        super().__init__(method, uri, headers=headers)
        self.payload = BasicOAuth2Payload(form)
        self._form = form

    @property
    def form(self) -> dict[str, str]:
        return self._form


class _Authlib(AuthorizationServer):  # type: ignore[misc,unused-ignore]
    def __init__(self, owner: Server) -> None:
        super().__init__(scopes_supported=["read", "write"])
        self._owner = owner
        generate = BearerTokenGenerator(owner.new_token, owner.new_refresh_token, lambda *_: owner.lifetime)
        self.register_token_generator("default", generate)
        self.register_grant(_ClientCredentials)
        self.register_grant(_Refresh)

    @property
    def owner(self) -> Server:
        return self._owner

    def query_client(self, client_id: str) -> Client | None:
        return self._owner.clients.get(client_id)

    def save_token(self, token: dict[str, Any], request: Any) -> None:
        self._owner.good.add(token["access_token"])
        if "refresh_token" in token:
            self._owner.refresh_tokens[token["refresh_token"]] = RefreshToken(token["refresh_token"], request.client)

    def create_oauth2_request(self, request: _Request) -> _Request:
        return request

    def handle_response(self, status: int, body: Any, headers: Any) -> web.Response:
        return web.Response(status=status, body=orjson.dumps(body), headers=dict(headers))

    def send_signal(self, name: str, *args: Any, **kwargs: Any) -> None:
        pass


class _ClientCredentials(ClientCredentialsGrant):  # type: ignore[misc,unused-ignore]
    TOKEN_ENDPOINT_AUTH_METHODS = ("client_secret_basic", "client_secret_post")


class _Refresh(RefreshTokenGrant):  # type: ignore[misc,unused-ignore]
    TOKEN_ENDPOINT_AUTH_METHODS = ("client_secret_basic", "client_secret_post", "none")

    def __init__(self, request: _Request, server: _Authlib) -> None:
        super().__init__(request, server)
        self.INCLUDE_NEW_REFRESH_TOKEN = server.owner.rotates

    def authenticate_refresh_token(self, refresh_token: str) -> RefreshToken | None:
        found = self.server.owner.refresh_tokens.get(refresh_token)
        return found if found is not None and not found.revoked else None

    def authenticate_user(self, refresh_token: RefreshToken) -> str:
        return "operator"

    def revoke_old_credential(self, refresh_token: RefreshToken) -> None:
        refresh_token.revoked = self.server.owner.rotates


@dataclass
class Server:
    """The authorisation server (``/token``) and an API that wants its tokens (``/api``).

    Attributes:
        seen: The forms of the token requests, in their order.
        headers: Of the token requests.
        lifetime: Of new tokens, in seconds; 0: it does not say.
        rotates: Each refresh token is good for one use.
        delay: Seconds before it answers.
        answers: What it says instead, first in first out: status, body, headers.
        gate: While it is not set, token requests wait.
        good: The access tokens that the API takes.
    """

    url: str = ""
    lifetime: int = 3600
    rotates: bool = False
    delay: float = 0.0
    seen: list[dict[str, str]] = field(default_factory=list)
    headers: list[Mapping[str, str]] = field(default_factory=list)
    answers: list[tuple[int, bytes, dict[str, str]]] = field(default_factory=list)
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    clients: dict[str, Client] = field(default_factory=dict)
    refresh_tokens: dict[str, RefreshToken] = field(default_factory=dict)
    good: set[str] = field(default_factory=set)
    api_calls: int = 0
    aborted: int = 0
    certificates: list[Any] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.gate.set()
        self.clients["gateway"] = Client("gateway", "s3cret-of-gateway", "client_secret_basic")
        self.clients["poster"] = Client("poster", "s3cret-of-poster", "client_secret_post")
        self.clients["public"] = Client("public", "", "none", ("refresh_token",))
        self.clients["odd:id"] = Client("odd:id", "a:b+c d%20/ü€", "client_secret_basic")
        for name in ("gateway", "public"):
            self.refresh_tokens[f"refresh-of-{name}"] = RefreshToken(f"refresh-of-{name}", self.clients[name])
        self._authlib = _Authlib(self)

    def new_token(self, **_: Any) -> str:
        return f"token-{len(self.seen)}-{secrets.token_hex(4)}"

    def new_refresh_token(self, **_: Any) -> str:
        return f"refresh-{len(self.seen)}-{secrets.token_hex(4)}"

    async def token(self, request: web.Request) -> web.StreamResponse:
        form = {name: str(value) for name, value in (await request.post()).items()}
        self.seen.append(form)
        self.headers.append(request.headers)
        self.certificates.append(_shown(request))
        self.arrived.set()
        try:
            await asyncio.sleep(self.delay)
            await self.gate.wait()
        except asyncio.CancelledError:
            self.aborted += 1
            raise
        if self.answers:
            status, body, headers = self.answers.pop(0)
            return web.Response(status=status, body=body, headers=headers)
        asked = _Request(request.method, str(request.url), request.headers, form)
        answer = self._authlib.create_token_response(asked)
        assert isinstance(answer, web.Response)
        return answer

    async def api(self, request: web.Request) -> web.Response:
        self.api_calls += 1
        self.certificates.append(_shown(request))
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        return web.json_response({"ok": True}) if token in self.good else web.json_response({}, status=401)


def _shown(request: web.Request) -> Any:
    connection = request.transport
    return None if connection is None else connection.get_extra_info("peercert")


@asynccontextmanager
async def authorisation_server(tls: ssl.SSLContext | None = None) -> AsyncIterator[Server]:
    server = Server()
    app = web.Application()
    app.router.add_post("/token", server.token)
    app.router.add_get("/api", server.api)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    port = runner.addresses[0][1]
    server.url = f"{'https' if tls else 'http'}://127.0.0.1:{port}"
    try:
        yield server
    finally:
        server.gate.set()
        await runner.cleanup()
