"""The ARI client: keeps one event socket to one Asterisk for ever, and carries requests by whichever way is open."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import msgspec
import structlog

from app.ari.backoff import Backoff
from app.ari.config import AriConfig, AriState, AriStatus, AsteriskInfo
from app.ari.counters import AriCounters
from app.ari.dispatch import AriListener, Dispatcher
from app.ari.errors import AriNotFound, AriReplaced, AriRequestFailed, AriTimeout, AriTooLarge, AriUnavailable
from app.ari.events import ApplicationReplaced, ChannelDestroyed, Event
from app.ari.failures import Verdict, judge
from app.ari.handles import Channel, together
from app.ari.http import AriHttp
from app.ari.inventory import AppInventory
from app.ari.loss import AfterLoss, after_loss
from app.ari.requests import QueryValue, Request
from app.ari.session import AriSession

__all__ = ["MAX_IN_FLIGHT", "AriClient", "AriListener"]

logger = structlog.get_logger(__name__)

MAX_IN_FLIGHT = 1_000
"""Requests under way at once, over both ways. At 0.3 ms each that is more than Asterisk answers within a deadline; what
comes on top is refused at once with ``AriUnavailable``, rather than queued without end."""

# Subscriptions that are restored after a reconnect: more than the calls of any one instance.
_MAX_SUBSCRIPTIONS = 5_000

_STOPPED = "The ARI client is not running."


class AriClient:
    """A connection to one Asterisk, for one Stasis application.

    Nothing happens before :meth:`run`. Requests may be made from any task of the loop that runs it.

    Attributes:
        counters: What happened since the client was made.
    """

    def __init__(self, config: AriConfig, listener: AriListener) -> None:
        self.config = config
        self.counters = AriCounters()
        self._dispatcher = Dispatcher(listener, self.counters)
        # What Asterisk said of itself at the last connect; kept while it is away.
        self._asterisk: AsteriskInfo | None = None
        self._state = AriState.CLOSED
        self._since = datetime.now(UTC)
        self._connects = 0
        self._last_error: str | None = None
        self._in_flight = 0
        # Set while connected, and when replaced, so that whoever waits for a connection looks again.
        self._settled = asyncio.Event()
        # Lives as long as run().
        self._http: AriHttp | None = None
        # The present connection, from its attempt to its end.
        self._session: AriSession | None = None
        # Channels to subscribe to again after a reconnect, oldest first (a dict used as an ordered set).
        self._subscribed: dict[str, None] = {}

    # -- what it is

    @property
    def status(self) -> AriStatus:
        """A snapshot for people and for readiness."""
        return AriStatus(
            state=self._state,
            since=self._since,
            connects=self._connects,
            asterisk=self._asterisk,
            last_error=self._last_error,
            requests_in_flight=self._in_flight,
        )

    @property
    def asterisk(self) -> AsteriskInfo | None:
        """The server at the last connect; None before the first."""
        return self._asterisk

    async def wait_connected(self, timeout: float) -> AsteriskInfo:
        """Wait until the connection stands and is set up.

        Raises:
            AriUnavailable: not within ``timeout`` seconds; the message says why the last attempt failed.
            AriReplaced: another client has taken over.
        """
        try:
            async with asyncio.timeout(timeout):
                await self._settled.wait()
        except TimeoutError:
            why = self._last_error or _STOPPED
            raise AriUnavailable(f"No connection to Asterisk within {timeout:g} s. {why}") from None
        if self._asterisk is None or self._state is AriState.REPLACED:
            raise AriReplaced(self._last_error or "Another client took over.")
        return self._asterisk

    # -- requests

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, QueryValue] | None = None,
        body: Any = None,
        timeout: float | None = None,
    ) -> Any:
        """Send one ARI request, over the event socket where that is open and the server has it, else over HTTP.

        When the socket breaks before the answer, the request is repeated over HTTP if doing it twice does no harm
        (:func:`app.ari.loss.after_loss`), and fails with ``AriUnavailable`` at once if it could.

        Cancelled, it stops waiting; Asterisk may carry it out all the same, and its answer is dropped.

        Args:
            path: Below ``/ari/``; ids in it percent-encoded, such as ``channels/1234.5/moh``.
            body: Anything that msgspec can write as JSON.
            timeout: Seconds, in place of ``AriConfig.request_timeout``.

        Returns:
            The decoded JSON of the answer; None where it has no body; bytes for a file.

        Raises:
            AriUnavailable: Asterisk is out of reach, or too many requests are under way.
            AriTimeout: no answer in time.
            AriTooLarge: longer than Asterisk takes; nothing was sent.
            AriRequestFailed: Asterisk refused; ``AriNotFound``, ``AriConflict`` and ``AriUnauthorized`` are its kinds.
            AriReplaced: another client has taken over, and with it the channels.
        """
        if self._in_flight >= MAX_IN_FLIGHT:
            self.counters.refused += 1
            raise AriUnavailable(f"{MAX_IN_FLIGHT} requests to Asterisk are under way; it does not keep up.")
        request = Request(method, path.lstrip("/"), query, body)
        seconds = self.config.request_timeout if timeout is None else timeout
        self._in_flight += 1
        try:
            async with asyncio.timeout(seconds):
                return await self._carry(request)
        except TimeoutError:
            if self._session is not None:
                self._session.doubt()
            raise AriTimeout(f"Asterisk did not answer {request.method} {request.path} in {seconds:g} s.") from None
        finally:
            self._in_flight -= 1

    async def _carry(self, request: Request) -> Any:
        """Send a request by the best way that is open. :meth:`request` bounds its time."""
        session = self._session
        if session is None or not session.takes_requests or request.needs_http:
            return await self._over_http(request)
        try:
            return await session.request(request)
        except AriTooLarge:
            return await self._over_http(request)  # it has other limits, and says so if they are exceeded too
        except AriUnavailable:
            verdict = after_loss(request.method, request.path)
            if verdict is AfterLoss.FAIL:
                raise
        self.counters.retried += 1
        try:
            return await self._over_http(request)
        except AriRequestFailed as error:
            if verdict is AfterLoss.REPEAT_GONE_IS_DONE and error.status in (404, 409):
                return None
            raise

    async def _over_http(self, request: Request) -> Any:
        if self._state is AriState.REPLACED:
            raise AriReplaced(self._last_error or "Another client took over.")
        if self._http is None:
            raise AriUnavailable(_STOPPED)
        return await self._http.request(request)

    def channel(self, channel_id: str) -> Channel:
        """A handle; asks nothing of Asterisk."""
        return Channel(self, channel_id)

    async def app_inventory(self) -> AppInventory:
        """The channels and bridges of our application, as Asterisk sees it."""
        answer = await self.request("GET", f"applications/{quote(self.config.app, safe='')}")
        return msgspec.convert(answer, AppInventory)

    # -- events

    def listen(self, channel_id: str, callback: Callable[[Event], None]) -> Callable[[], None]:
        """Have ``callback`` called with the events of one channel, from the reader: it must return at once.

        Returns:
            "Stop listening". Forgetting it leaks the callback.
        """
        return self._dispatcher.listen(channel_id, callback)

    def until_lost(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Have ``callback`` called once, when the event socket breaks.

        Returns:
            "Never mind".
        """
        return self._dispatcher.until_lost(callback)

    async def subscribe(self, channel_id: str) -> None:
        """Have the events of a channel until it is gone, in Stasis or not; renewed after each reconnect.

        Raises:
            AriConflict: there is no such channel (Asterisk answers 422).
        """
        await self._subscription("POST", channel_id)
        while len(self._subscribed) >= _MAX_SUBSCRIPTIONS:
            del self._subscribed[next(iter(self._subscribed))]
        self._subscribed[channel_id] = None

    async def unsubscribe(self, channel_id: str) -> None:
        """The contrary. A channel that is gone is no error."""
        self._subscribed.pop(channel_id, None)
        try:
            await self._subscription("DELETE", channel_id)
        except AriRequestFailed as error:
            if error.status not in (404, 409, 422):
                raise

    async def _subscription(self, method: str, channel_id: str) -> None:
        path = f"applications/{quote(self.config.app, safe='')}/subscription"
        await self.request(method, path, query={"eventSource": f"channel:{channel_id}"})

    async def _subscribe_again(self, channel_id: str) -> None:
        try:
            await self._subscription("POST", channel_id)
        except AriRequestFailed:
            self._subscribed.pop(channel_id, None)  # it was hung up meanwhile

    # -- the connection

    async def run(self) -> None:
        """Connect, and stay connected for ever, with jittered waits in between.

        Cancel it to stop: requests under way fail with ``AriUnavailable``, and the sockets are closed.

        Raises:
            AriReplaced: another client registered our application. It gets the events, and it takes stock of the
                channels; requests from here raise ``AriReplaced`` too.
        """
        if self._http is not None:
            raise RuntimeError("run() is running")
        loop = asyncio.get_running_loop()
        backoff = Backoff(self.config.backoff_initial, self.config.backoff_max)
        http = self._http = AriHttp(self.config, self.counters)
        try:
            while True:
                began = loop.time()
                verdict = await self._live_once(http)
                if verdict.final:
                    raise AriReplaced(verdict.message)
                if loop.time() - began > self.config.backoff_max:
                    backoff.reset()  # it held; one that breaks at once, again and again, is not asked in a tight loop
                await asyncio.sleep(backoff.next(slow=verdict.slow))
        finally:
            self._http = None
            if self._state is not AriState.REPLACED:
                self._enter(AriState.CLOSED)
            await http.aclose()

    async def wait_until_free(self, every: float = 2.0) -> None:
        """After ``AriReplaced``: wait until nobody serves our application, so that :meth:`run` takes it from nobody.

        Asterisk (22.10 and 16.28 were tried) knows an application while a client is connected for it or a channel is
        in it, and answers 404 afterwards.

        Args:
            every: Seconds between two questions.
        """
        http = AriHttp(self.config, self.counters)
        request = Request("GET", f"applications/{quote(self.config.app, safe='')}")
        try:
            while True:
                await asyncio.sleep(every)
                try:
                    async with asyncio.timeout(self.config.request_timeout):
                        await http.request(request)
                except AriNotFound:
                    return
                except (AriUnavailable, AriRequestFailed, TimeoutError):
                    continue  # Asterisk is away or busy, which says nothing of the application
        finally:
            await http.aclose()

    async def _live_once(self, http: AriHttp) -> Verdict:
        """One connection from its attempt to its end, and why it ended."""
        self._enter(AriState.CONNECTING)
        self._session = AriSession(self.config, http, self.counters, self._on_event)
        try:
            await self._session.run(self._on_ready)
        except Exception as error:  # judged, logged, tried again: the service finds its way back
            verdict = judge(error, self.config)
            if verdict.final or not verdict.expected:
                logger.error("ari.connection_ended", reason=verdict.message, exc_info=not verdict.expected)
            elif verdict.message != self._last_error:
                logger.warning("ari.connection_ended", reason=verdict.message)
            else:
                logger.debug("ari.connection_ended", reason=verdict.message)
            self._last_error = verdict.message
            self._ended(AriState.REPLACED if verdict.final else AriState.WAITING, verdict.message)
            return verdict
        except BaseException:
            self._ended(AriState.CLOSED, "The ARI client was stopped.")
            raise

    async def _on_ready(self, asterisk: AsteriskInfo) -> None:
        """The session is set up: restore what we had, and say so."""
        self._asterisk = asterisk
        if self._subscribed:
            # Those in Stasis are still subscribed; asking twice does no harm.
            await together([self._subscribe_again(channel_id) for channel_id in self._subscribed])
        self._connects += 1
        self._last_error = None
        self._enter(AriState.CONNECTED)
        logger.info(
            "ari.connected",
            url=self.config.url,
            app=self.config.app,
            version=asterisk.version,
            rest_over_websocket=asterisk.rest_over_websocket,
            bulk_variables=asterisk.bulk_variables,
            connects=self._connects,
        )
        self._dispatcher.connected(asterisk)

    def _ended(self, state: AriState, reason: str) -> None:
        was_connected = self._state is AriState.CONNECTED
        self._session = None
        self._enter(state)
        self._dispatcher.lost()
        if was_connected:
            self._dispatcher.disconnected(reason)

    def _enter(self, state: AriState) -> None:
        self._state = state
        self._since = datetime.now(UTC)
        if state in (AriState.CONNECTED, AriState.REPLACED):
            self._settled.set()
        else:
            self._settled.clear()

    def _on_event(self, event: Event) -> None:
        """One event, from the reader."""
        if isinstance(event, ChannelDestroyed):
            self._subscribed.pop(event.channel.id, None)
        self._dispatcher.event(event)
        if isinstance(event, ApplicationReplaced) and event.application == self.config.app:
            raise AriReplaced(
                f"Another client connected to Asterisk as application {self.config.app!r}, and gets its calls now. "
                "This one stops, because two that reconnect would take them from each other for ever, and goes on when "
                "the other one is gone. Stop the other one, or give each instance its own ASTERISK_APP_NAME."
            )
