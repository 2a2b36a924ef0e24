"""Keeps the tokens of OAuth logins: fetched once, used by all, renewed before they expire.

One login has one renewal at a time, however many calls wait for it. The renewal is a task of the keeper, so a caller
who hangs up takes nothing away from the others. It always ends: with the server's answer, after the login's timeout,
or at once when the last one who waits is cancelled. Two go on to their answer although nobody waits: one that all have
waited for until their deadlines, so that the next turn finds the token; and one with a refresh token, which the server
may have used up already, and the new one is in the answer.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import OrderedDict
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, Final, Protocol
from weakref import WeakValueDictionary

import structlog

from app.core.errors import GatewayError
from app.core.metrics import UNEXPECTED
from app.tools.auth.definition import Authorisation, OAuthLogin, SecretName, Secrets, secret_names
from app.tools.auth.errors import AuthorisationFailed, TokenServerFailing
from app.tools.auth.protocol import (
    Grant,
    Problem,
    TokenRequest,
    TokenResponse,
    origin,
    read_response,
    token_request,
    too_slow,
    unreachable,
)
from app.tools.auth.refreshing import RefreshLine, RefreshTokens
from app.tools.auth.values import value_of

_log = structlog.get_logger(__name__)

MAX_LOGINS: Final = 256
# A token is renewed this long before it expires, or a tenth of its life where that is shorter: long enough for the
# slowest call that begins with it.
_MARGIN_SECONDS: Final = 60.0
_MARGIN_SHARE: Final = 0.1
# While the old token is still good, a call waits no longer than this for the new one.
_PATIENCE_SECONDS: Final = 1.0
# A server need not say how long a token is good. Who knows no better asks again after an hour, or at the first 401.
_UNKNOWN_LIFE_SECONDS: Final = 3_600.0
# For this long a failure is told to whoever asks, without a new request. A new secret is another login, and is tried
# at once.
_HOLD_REFUSAL_SECONDS: Final = 30.0
_HOLD_FAILURE_SECONDS: Final = 2.0
# A token that replaced a refused one, and is refused itself, is not replaced again before this.
_TRUST_SECONDS: Final = 30.0
_GRACE_SECONDS: Final = 3.0


class TokenTransport(Protocol):
    """Carries a token request: :class:`app.tools.auth.transport.HttpTransport`, or what stands in for it."""

    async def send(self, request: TokenRequest, *, tls: ssl.SSLContext | None) -> TokenResponse:
        """The response, whatever its status; redirects are not followed. The keeper sets the time limit.

        Args:
            tls: With our client certificate; None: the usual.

        Raises:
            OSError: it cannot be had; the words hold no secret.
            GatewayError: it may not be had.
        """
        ...


@dataclass(frozen=True, slots=True, eq=False)
class AccessToken:
    """A token; each is one of its own, also where two have the same value.

    Attributes:
        renew_at, expires_at: By the keeper's clock.
        after_refusal: It replaced one that a tool's server did not accept.
    """

    value: str = field(repr=False)
    made_at: float
    renew_at: float
    expires_at: float
    after_refusal: bool = False


_Outcome = AccessToken | Problem
_Key = tuple[Authorisation, tuple[int, ...]]


@dataclass(slots=True, eq=False)
class _Renewal:
    task: asyncio.Task[_Outcome]
    waiting: int = 0


@dataclass(slots=True, eq=False)
class _Kept:
    """One login with its secrets of one revision.

    Attributes:
        problem: The last failure, told until ``hold_until``.
    """

    login: OAuthLogin
    client_secret: str | None = field(repr=False)
    line: RefreshLine | None
    tls: ssl.SSLContext | None
    token: AccessToken | None = None
    was_refused: bool = False
    problem: Problem | None = None
    hold_until: float = 0.0
    renewal: _Renewal | None = None


class TokenKeeper:
    """Shared by all tools of a process. All of it runs in one event loop.

    Args:
        transport: Sends the requests for tokens.
        store: Keeps refresh tokens that the server replaces; None: they live as long as the process.
        max_logins: The least recently used beyond that are forgotten, and ask anew.
        clock: Seconds; by default that of the running loop. Only the age of tokens is told by it.
    """

    def __init__(
        self,
        transport: TokenTransport,
        store: RefreshTokens | None = None,
        *,
        max_logins: int = MAX_LOGINS,
        clock: Callable[[], float] | None = None,
    ) -> None:
        self._transport = transport
        self._store = store
        self._max = max_logins
        self._clock = clock or _loop_time
        self._kept: OrderedDict[_Key, _Kept] = OrderedDict()
        # As long as a login uses them, or they are being stored.
        self._lines: WeakValueDictionary[tuple[SecretName, int], RefreshLine] = WeakValueDictionary()
        self._tasks: set[asyncio.Task[Any]] = set()  # renewals and savings, until they have ended
        self._urgent: set[asyncio.Task[Any]] = set()  # those of them that a refresh token depends on
        self._closed = False

    async def token(
        self,
        authorisation: Authorisation,
        secrets: Secrets,
        *,
        tool: str,
        deadline: float,
        tls: ssl.SSLContext | None = None,
    ) -> AccessToken:
        """A token that is good at this moment; cancelling takes nothing from others who wait for the same.

        Args:
            authorisation: Its login is an :class:`OAuthLogin`.
            deadline: Loop time; the turn's.
            tls: For a login with a client certificate.

        Raises:
            AuthorisationFailed: there is none; the class says why.
        """
        kept = self._entry(authorisation, secrets, tool, tls)
        token, now = kept.token, self._clock()
        if token is not None and now < token.renew_at:
            return token
        if token is not None and now < token.expires_at:
            return await self._renewed_early(kept, token, deadline)
        if kept.problem is not None and now < kept.hold_until:
            raise kept.problem.raised(tool)
        outcome = await self._renewed(kept, deadline)
        if isinstance(outcome, Problem):
            raise outcome.raised(tool)
        return outcome

    def refused(self, authorisation: Authorisation, secrets: Secrets, token: AccessToken) -> bool:
        """The tool's server answered 401 to this token.

        Returns:
            Whether it is worth to ask for another one and try again.
        """
        kept = self._kept.get(_key(authorisation, secrets))
        if kept is None or kept.token is not token:
            return True  # it was replaced already, perhaps for another call that was refused
        if token.after_refusal and self._clock() < token.made_at + _TRUST_SECONDS:
            return False
        kept.token, kept.was_refused = None, True
        return True

    async def aclose(self) -> None:
        """End all renewals. A refresh token that is on its way or not yet stored gets three seconds."""
        self._closed = True
        for task in self._tasks - self._urgent:
            task.cancel()
        ends = _loop_time() + _GRACE_SECONDS
        while self._urgent and (left := ends - _loop_time()) > 0:  # a renewal may end with a saving
            await asyncio.wait(self._urgent, timeout=left, return_when=asyncio.FIRST_COMPLETED)
        rest = tuple(self._tasks)
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)

    def _entry(self, authorisation: Authorisation, secrets: Secrets, tool: str, tls: ssl.SSLContext | None) -> _Kept:
        login = authorisation.login
        assert isinstance(login, OAuthLogin)
        client_secret = None if login.client_secret is None else value_of(login.client_secret, secrets, tool)
        line = None if login.refresh_token is None else self._line(login.refresh_token, secrets, tool)
        key = _key(authorisation, secrets)
        kept = self._kept.get(key)
        if kept is None:
            kept = self._kept[key] = _Kept(login, client_secret, line, tls)
        self._kept.move_to_end(key)
        if len(self._kept) > self._max:
            self._forget_one(key)
        return kept

    def _line(self, name: SecretName, secrets: Secrets, tool: str) -> RefreshLine:
        value, given = value_of(name, secrets, tool).strip(), secrets[name]
        line = self._lines.get((name, given.revision))
        if line is None:
            line = self._lines[name, given.revision] = RefreshLine(name, given, value, self._store)
        line.adopt(given)
        return line

    def _forget_one(self, but: _Key) -> None:
        idle = (key for key, kept in self._kept.items() if kept.renewal is None and key != but)
        del self._kept[next(idle, next(iter(self._kept)))]

    async def _renewed_early(self, kept: _Kept, token: AccessToken, deadline: float) -> AccessToken:
        if kept.problem is not None and self._clock() < kept.hold_until:
            return token
        outcome = await self._renewed(kept, min(deadline, _loop_time() + _PATIENCE_SECONDS))
        return token if isinstance(outcome, Problem) else outcome

    async def _renewed(self, kept: _Kept, until: float) -> _Outcome:
        began = _loop_time()
        if until <= began:
            return too_slow(kept.login, 0.0)
        renewal = kept.renewal
        if renewal is None:
            if self._closed:
                return Problem(TokenServerFailing, "the service is stopping")
            work = self._spawn(self._renew(kept), f"token {origin(kept.login)}", urgent=kept.line is not None)
            renewal = kept.renewal = _Renewal(work)
        renewal.waiting += 1
        try:
            await asyncio.wait({renewal.task}, timeout=until - began)
        except asyncio.CancelledError:
            if renewal.waiting == 1 and kept.line is None and renewal.task.cancel() and kept.renewal is renewal:
                kept.renewal = None  # who comes next begins anew, and does not wait for one that is ending
            raise
        finally:
            renewal.waiting -= 1
        if not renewal.task.done():
            return too_slow(kept.login, _loop_time() - began)
        if renewal.task.cancelled():
            return Problem(TokenServerFailing, "the service is stopping")
        return renewal.task.result()

    async def _renew(self, kept: _Kept) -> _Outcome:
        me = kept.renewal
        try:
            if kept.line is None:
                return self._settled(kept, self._clock(), await self._ask(kept, None))
            async with kept.line.lock:
                asked_at, value = self._clock(), kept.line.value
                answer = await self._ask(kept, value)
                if isinstance(answer, Problem) and answer.revoked and await kept.line.was_replaced():
                    asked_at, value = self._clock(), kept.line.value
                    answer = await self._ask(kept, value)
                if isinstance(answer, Grant) and answer.refresh_token and answer.refresh_token != value:
                    kept.line.go_on_with(answer.refresh_token, self._spawn_urgent)
                return self._settled(kept, asked_at, answer)
        finally:
            if kept.renewal is me:
                kept.renewal = None

    def _settled(self, kept: _Kept, asked_at: float, answer: Grant | Problem) -> _Outcome:
        if isinstance(answer, Problem):
            hold = _HOLD_FAILURE_SECONDS if answer.passing else _HOLD_REFUSAL_SECONDS
            kept.problem, kept.hold_until = answer, self._clock() + hold
            _log.warning("tool_token.failed", code=answer.kind.code, detail=answer.words)
            return answer
        kept.token, kept.problem = _token(answer, asked_at, after_refusal=kept.was_refused), None
        kept.was_refused = False
        _log.info("tool_token.renewed", server=origin(kept.login), lifetime=answer.lifetime)
        return kept.token

    async def _ask(self, kept: _Kept, refresh_token: str | None) -> Grant | Problem:
        login = kept.login
        request = token_request(login, kept.client_secret, refresh_token)
        try:
            async with asyncio.timeout(login.timeout):
                response = await self._transport.send(request, tls=kept.tls)
        except TimeoutError:
            return too_slow(login, login.timeout)
        except OSError as error:
            return unreachable(login, str(error) or type(error).__name__)
        except GatewayError as error:
            return Problem(AuthorisationFailed, f"the authorisation server {origin(login)}: {error}")
        in_header = request.headers.get("Authorization", "").removeprefix("Basic ")
        hidden = tuple(each for each in (kept.client_secret, refresh_token, in_header) if each)
        return read_response(login, response, hidden=hidden)

    def _spawn_urgent(self, work: Coroutine[Any, Any, Any], name: str) -> asyncio.Task[Any]:
        return self._spawn(work, name, urgent=True)

    def _spawn(self, work: Coroutine[Any, Any, Any], name: str, *, urgent: bool) -> asyncio.Task[Any]:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        if urgent:
            self._urgent.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        self._urgent.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            UNEXPECTED.labels(where="tool_token").inc()
            _log.error("tool_token.bug", exc_info=error)


def _key(authorisation: Authorisation, secrets: Secrets) -> _Key:
    names = secret_names(authorisation)
    return authorisation, tuple(secrets[name].revision for name in names if name in secrets)


def _token(grant: Grant, asked_at: float, *, after_refusal: bool) -> AccessToken:
    lifetime = _UNKNOWN_LIFE_SECONDS if grant.lifetime is None else grant.lifetime
    expires_at = asked_at + lifetime
    renew_at = expires_at - min(_MARGIN_SECONDS, lifetime * _MARGIN_SHARE)
    return AccessToken(grant.token, asked_at, renew_at, expires_at, after_refusal)


def _loop_time() -> float:
    return asyncio.get_running_loop().time()
