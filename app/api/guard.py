"""Who may come in: ASGI middleware that stands before every route, and before a byte of a body is read.

Closed is the default: a new route needs a login unless it is named among the open ones here.
"""

from __future__ import annotations

import base64
import binascii
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Final

import structlog
from fastapi import Request, Security
from fastapi.security import HTTPAuthorizationCredentials
from fastapi.security.http import HTTPBase
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from app.api.parts import get_parts
from app.api.problems import ProblemError, respond_to
from app.api.throttle import LoginThrottle

log = structlog.get_logger(__name__)

# Probes have no password. The example orders are what the first tool calls, and are the same in every installation.
OPEN_PATHS: Final = frozenset({"/healthz", "/readyz"})
OPEN_PREFIXES: Final = ("/static/", "/api/example/")

_SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_CHALLENGE: Final = {"WWW-Authenticate": 'Basic realm="asterisk-ai", charset="UTF-8"'}


@dataclass(frozen=True, slots=True)
class User:
    """Who is signed in."""

    name: str


class Guard:
    """Lets a request through when its login is right and, if it changes something, no other site had it sent.

    Browsers send a Basic login by themselves, also with requests that another site's page makes. So a changing
    request must come from our own pages, by ``Sec-Fetch-Site`` (https://www.w3.org/TR/fetch-metadata/) or ``Origin``,
    one of which every browser sends with it; programs send neither.
    """

    def __init__(
        self,
        app: ASGIApp,
        throttle: LoginThrottle | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._app = app
        self._throttle = throttle or LoginThrottle()
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with a problem, or pass on with ``scope["user"]`` set."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008, "reason": "No WebSocket is served here."})
            return
        request = Request(scope)
        try:
            if not _is_open(scope["path"]):
                scope["user"] = self._sign_in(request)
            refuse_other_sites(scope["method"], request.headers)
        except ProblemError as error:
            await respond_to(request, error.problem, error.headers)(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _sign_in(self, request: Request) -> User:
        address = request.client.host if request.client else "unknown"
        now = self._clock()
        if wait := self._throttle.wait(address, now):
            raise ProblemError(
                429,
                "too_many_wrong_passwords",
                f"Too many wrong passwords came from this address. Try again in {wait} s.",
                retry_after=wait,
            )
        credentials = get_parts(request).credentials
        given = _basic(request.headers.get("authorization"))
        if given is None:
            raise ProblemError(401, "login_required", "Sign in with user name and password.", headers=_CHALLENGE)
        if credentials.match(*given):
            self._throttle.right(address)
            return User(credentials.username)
        self._throttle.wrong(address, *given, now)
        log.warning("login.wrong", address=address)
        raise ProblemError(
            401,
            "login_wrong",
            "User name or password is wrong. Without WEB_UI_PASSWORD each start makes a new password and prints it.",
            headers=_CHALLENGE,
        )


def _is_open(path: str) -> bool:
    return path in OPEN_PATHS or path.startswith(OPEN_PREFIXES)


def _basic(header: str | None) -> tuple[str, str] | None:
    """Name and password out of ``Authorization: Basic ...``; None when there is nothing of the kind."""
    scheme, _, encoded = (header or "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        text = base64.b64decode(encoded.strip(), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None
    username, colon, password = text.partition(":")
    return (username, password) if colon else None


def refuse_other_sites(method: str, headers: Headers) -> None:
    """Raise ProblemError (403) for a changing request that another site's page sent, and 415 for a form's body."""
    if method in _SAFE_METHODS:
        return
    site = headers.get("sec-fetch-site")
    origin = headers.get("origin")
    if site is not None:
        foreign = site not in ("same-origin", "none")
    else:
        # The scheme is left out: behind a proxy that ends TLS we do not know the outer one.
        foreign = origin is not None and origin.partition("://")[2].lower() != headers.get("host", "").lower()
    if foreign:
        log.warning("request.from_other_site", origin=(origin or "")[:200], site=(site or "")[:20])
        raise ProblemError(
            403,
            "other_site",
            "This request was sent by a page of another site. Use the service's own pages, or a program that sends no "
            "Origin. Behind a proxy: have it pass the Host header on unchanged.",
        )
    has_body = headers.get("content-length", "0") != "0" or "transfer-encoding" in headers
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if has_body and kind != "application/json":
        raise ProblemError(415, "json_required", "Send the body as JSON, with Content-Type: application/json.")


# Not HTTPBasic: that one takes ASCII only, and refuses the rest by itself.
_SCHEME: Final = HTTPBase(scheme="basic", scheme_name="Basic", auto_error=False)


def signed_in(
    request: Request, _documented: Annotated[HTTPAuthorizationCredentials | None, Security(_SCHEME)] = None
) -> User:
    """Dependency: who is signed in. It also puts the login into the OpenAPI document, and holds if the guard is
    missing."""
    user = request.scope.get("user")
    if not isinstance(user, User):
        raise ProblemError(401, "login_required", "Sign in with user name and password.", headers=_CHALLENGE)
    return user


UserDep = Annotated[User, Security(signed_in)]
