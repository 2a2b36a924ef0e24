"""Who may come in, and what they may: ASGI middleware that stands before every route, and before a byte of a body is
read, and a dependency of every route.

Closed is the default: a new route needs a login unless :mod:`app.api.access` names its address as open, and nobody may
use it until it declares a permission.
"""

from __future__ import annotations

import base64
import binascii
import time
from collections.abc import Callable
from typing import Annotated, Final

import structlog
from fastapi import Request, Security
from fastapi.security import HTTPAuthorizationCredentials
from fastapi.security.http import HTTPBase
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from app.accounts.identity import User
from app.accounts.tokens import PREFIX
from app.api.access import is_open, needed_by
from app.api.parts import get_parts
from app.api.problems import ProblemError, problem_of, respond_to
from app.api.throttle import LoginThrottle
from app.core.errors import GatewayError
from app.core.permissions import Permission
from app.db.audit import Actor, acting

log = structlog.get_logger(__name__)

_SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_FORMS: Final = frozenset({"application/x-www-form-urlencoded", "multipart/form-data"})
_CHALLENGE: Final = {"WWW-Authenticate": 'Basic realm="asterisk-ai", charset="UTF-8"'}


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
        actor = Actor("", _address(request))
        try:
            bearer = None
            if not is_open(scope["path"]):
                bearer = _bearer(request.headers.get("authorization"))
                user = await (self._by_password(request) if bearer is None else self._by_token(request, bearer))
                scope["user"] = user
                actor = Actor(user.name, actor.address, user.token)
            if bearer is None:
                refuse_other_sites(scope["method"], request.headers)
            refuse_forms(scope["method"], scope["path"], request.headers)
        except ProblemError as error:
            await respond_to(request, error.problem, error.headers)(scope, receive, send)
            return
        except GatewayError as error:
            problem, headers = problem_of(request, error)
            await respond_to(request, problem, headers)(scope, receive, send)
            return
        with acting(actor):
            await self._app(scope, receive, send)

    async def _by_password(self, request: Request) -> User:
        given = _basic(request.headers.get("authorization"))
        if given is None:
            raise ProblemError(401, "login_required", "Sign in with user name and password.", headers=_CHALLENGE)
        address, now = _address(request), self._clock()
        if wait := self._throttle.wait(address, given[0], now):
            raise ProblemError(
                429,
                "too_many_wrong_passwords",
                f"Too many wrong passwords came from this address. Try again in {wait} s.",
                retry_after=wait,
            )
        parts = get_parts(request)
        user = await parts.accounts.sign_in.by_password(parts.credentials, *given)
        if user is not None:
            self._throttle.right(address, given[0], now)
            return user
        self._throttle.wrong(address, *given, now)
        log.warning("login.wrong", address=address)
        raise ProblemError(
            401,
            "login_wrong",
            "User name or password is wrong. Without WEB_UI_PASSWORD each start makes a new password and prints it.",
            headers=_CHALLENGE,
        )

    async def _by_token(self, request: Request, secret: str) -> User:
        # Not slowed down: 256 random bits are not guessed.
        parts = get_parts(request)
        user = await parts.accounts.sign_in.by_token(parts.credentials, secret)
        if user is not None:
            return user
        log.warning("token.wrong", address=_address(request))
        raise ProblemError(
            401,
            "token_wrong",
            "This token is unknown, has expired or was revoked.",
            headers={"WWW-Authenticate": 'Bearer realm="asterisk-ai", error="invalid_token"'},
        )


def _address(request: Request) -> str:
    return request.client.host if request.client else "unknown"


def _bearer(header: str | None) -> str | None:
    """The token out of ``Authorization: Bearer aai_...``; None when there is nothing of the kind."""
    scheme, _, token = (header or "").partition(" ")
    token = token.strip()
    return token if scheme.lower() == "bearer" and token.startswith(PREFIX) else None


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
    """Raise ProblemError (403) for a changing request that another site's page sent.

    Not asked of who shows a token: no browser sends one by itself.
    """
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


def refuse_forms(method: str, path: str, headers: Headers) -> None:
    """Raise ProblemError for a body that a form could send: 415, or 403 below ``/ui``, whose pages have forms, when it
    does not say that it comes from one of them."""
    if method in _SAFE_METHODS:
        return
    has_body = headers.get("content-length", "0") != "0" or "transfer-encoding" in headers
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if path.startswith("/ui/"):
        # Every browser says where a form comes from; what says nothing is none of ours.
        if "sec-fetch-site" not in headers and "origin" not in headers:
            raise ProblemError(403, "other_site", "The pages take forms from browsers. Programs use /api: see /docs.")
        if has_body and kind not in _FORMS:
            raise ProblemError(415, "form_required", "Send a form, or use /api: see /docs.")
    elif has_body and kind != "application/json":
        raise ProblemError(415, "json_required", "Send the body as JSON, with Content-Type: application/json.")


# Not HTTPBasic: that one takes ASCII only, and refuses the rest by itself.
_BASIC: Final = HTTPBase(scheme="basic", scheme_name="Basic", auto_error=False)
_BEARER: Final = HTTPBase(
    scheme="bearer", scheme_name="Token", auto_error=False, description="An API token, `aai_...`."
)


def signed_in(
    request: Request,
    _basic_login: Annotated[HTTPAuthorizationCredentials | None, Security(_BASIC)] = None,
    _token: Annotated[HTTPAuthorizationCredentials | None, Security(_BEARER)] = None,
) -> User:
    """Dependency: who is signed in. It also puts the login into the OpenAPI document, and holds if the guard is
    missing."""
    user = request.scope.get("user")
    if not isinstance(user, User):
        raise ProblemError(401, "login_required", "Sign in with user name and password.", headers=_CHALLENGE)
    return user


UserDep = Annotated[User, Security(signed_in)]


def permitted(request: Request) -> None:
    """Dependency of every route: whoever is signed in has the permission that the route declares.

    A route that declares none is closed, which the tests find, and the log says.
    """
    if is_open(request.scope["path"]):
        return
    permission = needed_by(request.scope.get("endpoint"))
    if permission is None:
        log.error("route.without_permission", path=request.scope["path"])
        raise ProblemError(403, "forbidden", "Nobody may use this address: it declares no permission.")
    refuse_unless(signed_in(request), permission)


def refuse_unless(user: User, permission: Permission) -> None:
    """Raise ProblemError (403) when the user lacks the permission."""
    if not user.may(permission):
        raise ProblemError(
            403,
            "forbidden",
            f"This needs the permission {permission}, which the role {user.role} does not have. Ask an administrator.",
        )


def refuse_token(user: User) -> None:
    """Raise ProblemError (403) for who came with a token: one that leaked must not make another that lives on."""
    if user.via == "token":
        raise ProblemError(403, "password_required", "This needs your name and password; a token cannot do it.")
