"""HTTP tools: the request is rendered, authorised and sent, redirects are followed, and the response is read within
bounds."""

from __future__ import annotations

import hashlib
import ssl
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from types import SimpleNamespace
from typing import Final
from urllib.parse import urlsplit

import aiohttp
from yarl import URL

from app.tools.auth.applying import with_header
from app.tools.auth.authoriser import Authorised, Authoriser
from app.tools.auth.certificates import ClientCertificates
from app.tools.auth.definition import Secrets, secret_names
from app.tools.auth.refreshing import RefreshTokens
from app.tools.auth.tokens import TokenKeeper
from app.tools.auth.transport import HttpTransport
from app.tools.backend import Response, ToolCall
from app.tools.definition import RequestSpec, ToolDefinition
from app.tools.errors import ToolResponseTooLarge, ToolUnreachable
from app.tools.exchange import ExchangeObserver
from app.tools.guard.rules import ToolRefused
from app.tools.redirects import MAX_REDIRECTS, REDIRECTS, redirected, same_server
from app.tools.render import RenderedRequest, RequestTemplate
from app.tools.results import Decompressor
from app.tools.secrets import SHORTEST_FOR_PEOPLE, SecretMask, secrets_in

# Phone turns come minutes apart; the client's default of 15 s would pay a new TCP and TLS handshake for most of them.
_KEEPALIVE_SECONDS: Final = 120.0
_MAX_CONNECTIONS_PER_HOST: Final = 50
_MAX_COMPILED: Final = 512


def _user_agent() -> str:
    try:
        return f"asterisk-ai/{version('asterisk-ai')}"
    except PackageNotFoundError:  # run from a folder that was never installed
        return "asterisk-ai"


_HEADERS: Final = {
    "Accept": "application/json, text/*;q=0.8, */*;q=0.5",
    "Accept-Encoding": "gzip, deflate",
    "User-Agent": _user_agent(),
}
_READ_BYTES: Final = 65_536
# So long before the call's end we stop to wait for a token, so that the failure names who was slow.
_LAST_WORDS_SECONDS: Final = 0.02


@dataclass(frozen=True, slots=True)
class _Journey:
    """What came of one request and its redirects.

    Attributes:
        at_home: The response comes from the tool's own server, so what it says of the login is about ours.
    """

    response: Response
    at_home: bool


class HttpBackend:
    """One pool of kept connections, no cookies, no proxy from the environment.

    Args:
        connector: Decides where connections may go, those for tokens too; None: a plain TCP connector. It is closed by
            :meth:`aclose`.
        secrets: What is stored at the moment; asked at each call.
        refresh_tokens: Keeps refresh tokens that a server replaces; None: they live as long as the process.
        clock: Tells the age of tokens; None: the loop's.
    """

    def __init__(
        self,
        connector: aiohttp.BaseConnector | None = None,
        *,
        secrets: Callable[[], Secrets] = dict,
        refresh_tokens: RefreshTokens | None = None,
        clock: Callable[[], float] | None = None,
    ) -> None:
        self._connector = connector
        self._secrets = secrets
        self._tokens = TokenKeeper(HttpTransport(self._client), refresh_tokens, clock=clock)
        self._authoriser = Authoriser(self._tokens, ClientCertificates())
        self._session: aiohttp.ClientSession | None = None  # made at the first request, inside the running loop
        self._templates: OrderedDict[tuple[int, int], tuple[ToolDefinition, RequestTemplate]] = OrderedDict()

    async def call(self, call: ToolCall, observer: ExchangeObserver | None) -> Response:
        """See :class:`app.tools.backend.Backend`.

        A login that the server refuses (401) is renewed once, where it can be. aiohttp sends an idempotent request
        again when a kept connection turns out to be closed.

        Raises:
            ToolRefused: the guard does not let it go where it leads.
            AuthorisationFailed: its login cannot be had.
        """
        secrets = self._secrets()
        request = self._template(call.tool).render(call.arguments, call.context.variables, secrets)
        if name := call.tool.behaviour.idempotency_header:
            request = with_header(request, name, call.key)
        sent = await self._authorised(call, request, secrets, observer)
        journey = await self._journey(call.tool, sent, observer)
        if journey.response.status == 401 and journey.at_home and self._authoriser.try_again(sent):
            before = sent.hidden
            sent = await self._authorised(call, request, secrets, observer)
            journey = await self._journey(call.tool, sent, observer)
            return replace(journey.response, hidden=(*before, *_hidden(sent)))
        return replace(journey.response, hidden=_hidden(sent))

    def identity(self, call: ToolCall) -> bytes | None:
        """See :class:`app.tools.backend.Recognises`. A login is the same as long as nobody changes its secrets."""
        secrets, authorisation = self._secrets(), call.tool.authorisation
        revisions = [(name, secrets[name].revision) for name in secret_names(authorisation) if name in secrets]
        request = self._template(call.tool).render(call.arguments, call.context.variables, secrets)
        said = (request.method, request.url, sorted(request.headers.items()), request.body, authorisation, revisions)
        return hashlib.blake2b(repr(said).encode(errors="surrogatepass")).digest()

    async def aclose(self) -> None:
        """End what is under way for tokens, and close the kept connections. Calls in flight fail."""
        await self._tokens.aclose()
        session, self._session = self._session, None
        if session is not None:
            await session.close()
        elif self._connector is not None:
            await self._connector.close()

    def _template(self, tool: ToolDefinition) -> RequestTemplate:
        found = self._templates.get(tool.key)
        # A draft that an operator tries has no version yet: the same key with another content is another tool.
        if found is None or (found[0] is not tool and found[0] != tool):
            found = self._templates[tool.key] = (tool, RequestTemplate(tool))
        self._templates.move_to_end(tool.key)
        if len(self._templates) > _MAX_COMPILED:
            self._templates.popitem(last=False)
        return found[1]

    async def _authorised(
        self, call: ToolCall, request: RenderedRequest, secrets: Secrets, observer: ExchangeObserver | None
    ) -> Authorised:
        sent = await self._authoriser.apply(
            call.tool.authorisation,
            request,
            secrets,
            tool=call.tool.name,
            deadline=call.ends - _LAST_WORDS_SECONDS,
        )
        if observer is not None:
            observer.hides(_hidden(sent))
        return sent

    async def _journey(self, tool: ToolDefinition, sent: Authorised, observer: ExchangeObserver | None) -> _Journey:
        try:
            return await self._follow(tool, sent, observer)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            # ValueError: the server broke the protocol (an encoding that was not asked for, an impossible redirect).
            mask = SecretMask(_all_secrets(tool, sent), shortest=SHORTEST_FOR_PEOPLE)
            raise ToolUnreachable(
                f"{tool.name}: {origin(sent.request.url)}: {mask.text(_reason(error))}",
                for_model=f"{tool.name} cannot be reached at the moment. Go on without it, and tell the caller so.",
            ) from error

    async def _follow(self, tool: ToolDefinition, sent: Authorised, observer: ExchangeObserver | None) -> _Journey:
        request, tls, at_home = sent.request, sent.tls, True
        for hop in range(MAX_REDIRECTS + 1):
            try:
                response, location = await self._exchange(tool, request, tls, observer)
            except ToolRefused as error:
                if hop == 0:
                    raise
                words = f"{origin(sent.request.url)} redirects elsewhere: {error}"
                raise ToolRefused(words, for_model=error.for_model) from error
            if location is None:
                break
            following = redirected(request, location, secrets=_all_secrets(tool, sent))
            if isinstance(following, str) or hop == MAX_REDIRECTS:
                why = following if isinstance(following, str) else f"it is the {MAX_REDIRECTS + 1}th in a row"
                response = replace(response, note=f"; its redirect was not followed: {why}")
                break
            at_home = at_home and same_server(URL(request.url, encoded=True), URL(following.url, encoded=True))
            request, tls = following, tls if at_home else None
        if not at_home:
            note = f"; it redirected to {origin(request.url)}, where the tool's headers and login do not go"
            response = replace(response, note=note + response.note)
        return _Journey(response, at_home)

    async def _exchange(
        self,
        tool: ToolDefinition,
        request: RenderedRequest,
        tls: ssl.SSLContext | None,
        observer: ExchangeObserver | None,
    ) -> tuple[Response, str | None]:
        def sent() -> None:
            if observer is not None:
                observer.sent(request.method, request.url, _as_sent(request.headers), request.body)

        async with self._client().request(
            request.method,
            URL(request.url, encoded=True),  # the template encoded it; a second normalisation would undo that
            headers=dict(request.headers),
            data=request.body,
            allow_redirects=False,
            ssl=True if tls is None else tls,
            trace_request_ctx=sent,
        ) as response:
            location = response.headers.get("Location") if response.status in REDIRECTS else None
            if observer is not None:
                observer.answered(response.status, response.headers.items(), response.charset)
            body = await _read(tool, response, observer)
            said = Response(
                response.status,
                response.headers.get("Content-Type", ""),
                response.charset,
                body,
                retry_after=response.headers.get("Retry-After", ""),
                cache_control=response.headers.get("Cache-Control", ""),
            )
            return said, location

    def _client(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = self._connector or aiohttp.TCPConnector(
                limit=0, limit_per_host=_MAX_CONNECTIONS_PER_HOST, keepalive_timeout=_KEEPALIVE_SECONDS
            )
            tracing = aiohttp.TraceConfig()
            tracing.on_request_headers_sent.append(_tell_sent)
            self._session = aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None),  # one timeout holds, around everything
                headers=_HEADERS,
                trust_env=False,
                auto_decompress=False,
                trace_configs=[tracing],
            )
        return self._session


async def _tell_sent(
    _session: aiohttp.ClientSession, context: SimpleNamespace, _request: aiohttp.TraceRequestHeadersSentParams
) -> None:
    """Only now is there a connection: nothing goes out of what the guard refuses, or what cannot be reached."""
    if context.trace_request_ctx is not None:
        context.trace_request_ctx()


async def _read(tool: ToolDefinition, response: aiohttp.ClientResponse, observer: ExchangeObserver | None) -> bytes:
    limit = tool.request.max_response_bytes
    decompressor = Decompressor(response.headers.get("Content-Encoding", ""))
    pieces: list[bytes] = []
    size = taken = 0
    async for data in response.content.iter_chunked(_READ_BYTES):
        taken += len(data)
        piece = decompressor.feed(data, limit - size)
        if observer is not None:
            observer.received(piece)
        pieces.append(piece)
        size += len(piece)
        # What is compressed may go on for ever and hold nothing.
        if size > limit or taken > limit + _READ_BYTES:
            response.close()  # the rest is not wanted, so the connection cannot be kept
            raise ToolResponseTooLarge(
                f"{tool.name}: the response is longer than {limit:,} bytes",
                for_model=f"{tool.name} answered with more than can be read. Ask for less, or go on without it.",
            )
    decompressor.finish()
    if observer is not None:
        observer.finished()
    return b"".join(pieces)


def _hidden(sent: Authorised) -> tuple[str, ...]:
    return (*sent.request.hidden, *sent.hidden)


def _all_secrets(tool: ToolDefinition, sent: Authorised) -> tuple[str | int, ...]:
    return (*secrets_in(tool.request).values(), *_hidden(sent))


def _as_sent(headers: Mapping[str, str]) -> Mapping[str, str]:
    given = {name.lower() for name in headers}
    return {**{name: value for name, value in _HEADERS.items() if name.lower() not in given}, **headers}


def origin(url: str) -> str:
    """Scheme, host and port: enough for a log, without what a path or a query may hold."""
    parts = urlsplit(url)
    return f"{parts.scheme.lower()}://{parts.netloc.lower()}"


def where(tool: ToolDefinition) -> str:
    """Where a tool's calls go, in a few words for the log."""
    return origin(tool.request.url) if isinstance(tool.request, RequestSpec) else "its server"


def _reason(error: Exception) -> str:
    """What went wrong; aiohttp adds the whole address to some, and with it what the caller said."""
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        if isinstance(error.os_error, PermissionError):  # nobody was asked: the machine does not let us
            return str(error.os_error)
        if "emporary" in str(error):
            return f"the name server gave no answer for {error.host}"
        return f"the name {error.host} is not known to the name server"
    if isinstance(error, aiohttp.ClientResponseError):
        return " ".join((error.message or type(error).__name__).split())
    if isinstance(error, aiohttp.InvalidURL | UnicodeError):
        return type(error).__name__
    return str(error).replace(" ssl:default", "") or type(error).__name__
