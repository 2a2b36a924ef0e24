"""Handles: a channel or a playback, with the operations that the product needs.

A handle is an id and the way to Asterisk; making one costs nothing and asks nothing. Every operation is one request
(see :meth:`app.ari.client.AriClient.request` for time limits, cancellation and errors) and raises ``AriNotFound`` when
the channel is gone and ``AriConflict`` when it has left the application.
"""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from typing import Any, Protocol
from urllib.parse import quote

import msgspec

from app.ari.config import AsteriskInfo
from app.ari.errors import AriNotFound, AriUnavailable
from app.ari.events import ChannelDestroyed, Event, PlaybackFinished, StasisEnd
from app.ari.requests import QueryValue

_VARIABLES_BYTES = 30_000
"""JSON bytes of variables in one request. Quoted a second time for the event socket they at most double, and stay below
its 65,535 bytes; over HTTP 40,960 are allowed."""

_LANES = 4
"""Requests of one channel that are under way at once where variables go one by one. More would let a few hundred calls
that end together exceed what the client admits."""


class Ari(Protocol):
    """What a handle needs of the client."""

    @property
    def asterisk(self) -> AsteriskInfo | None:
        """The server at the last connect."""

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, QueryValue] | None = None,
        body: Any = None,
        timeout: float | None = None,
    ) -> Any:
        """Send one request."""

    def listen(self, channel_id: str, callback: Callable[[Event], None]) -> Callable[[], None]:
        """Events of one channel."""

    def until_lost(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Called once when the event socket breaks."""

    async def subscribe(self, channel_id: str) -> None:
        """Have the channel's events until it is gone."""


class Channel:
    """One channel, by its id (``UNIQUEID`` in the dialplan)."""

    __slots__ = ("_ari", "_path", "id")

    def __init__(self, ari: Ari, channel_id: str) -> None:
        self.id = channel_id
        self._ari = ari
        self._path = f"channels/{quote(channel_id, safe='')}"

    def __repr__(self) -> str:
        return f"Channel({self.id!r})"

    async def get_variable(self, name: str) -> str | None:
        """The value of a channel variable or a function such as ``CALLERID(num)``; None where it was never set.

        Asterisk 16 answers 204 to a write before the channel has carried it out (up to 200 ms before, on a channel
        without audio), so that reading it back at once may find the old value. Writes keep their order among each
        other, and come before a ``continue`` that follows.

        Raises:
            AriRequestFailed: with status 500 for an unknown function, or one that ``live_dangerously`` forbids.
        """
        try:
            answer = await self._ari.request("GET", f"{self._path}/variable", query={"variable": name})
        except AriNotFound as error:
            # Both are 404: "Provided variable was not found", "Provided channel was not found" (16.28 and 22.10).
            if "variable was not found" in str(error):
                return None
            raise
        value = answer.get("value") if isinstance(answer, dict) else None
        return value if isinstance(value, str) else None

    async def set_variables(self, variables: Mapping[str, str]) -> None:
        """Set channel variables: in one request where the server has it (20.20, 22.10, 23.4), else in one each,
        several at a time. All are set when this returns, and before a ``continue`` that follows.

        What does not fit one request goes in several. Asterisk says nothing about a function that it refuses to write.
        If this fails, some of the variables may be set.

        Raises:
            AriTooLarge: a single value is longer than any way to Asterisk carries (about 40,000 bytes).
        """
        asterisk = self._ari.asterisk
        if asterisk is not None and asterisk.bulk_variables:
            path = f"{self._path}/variables"
            await together([self._ari.request("POST", path, body={"variables": part}) for part in _parts(variables)])
            return
        items = list(variables.items())
        await together([self._set_each(items[lane::_LANES]) for lane in range(min(_LANES, len(items)))])

    async def _set_each(self, items: Sequence[tuple[str, str]]) -> None:
        for name, value in items:
            # In the body: a query is limited to 4 kB, and would be in a proxy's log.
            body = {"variable": name, "value": value}
            await self._ari.request("POST", f"{self._path}/variable", body=body)

    async def continue_in_dialplan(
        self,
        context: str | None = None,
        extension: str | None = None,
        priority: int | None = None,
        label: str | None = None,
    ) -> None:
        """Leave the application, and go on in the dialplan: at the next priority unless told otherwise.

        When the connection breaks before the answer, it is repeated over HTTP, and a channel that is no longer there
        then counts as continued (see :mod:`app.ari.loss`).

        Raises:
            AriConflict: the channel is not in the application (any more). In the first moments after it left, Asterisk
                may answer a second ``continue`` as if it worked; nothing comes of it.
        """
        places = {"context": context, "extension": extension, "priority": priority, "label": label}
        query = {name: place for name, place in places.items() if place is not None}
        await self._ari.request("POST", f"{self._path}/continue", query=query)

    async def answer(self) -> None:
        """Answer the call. A channel that is up stays up."""
        await self._ari.request("POST", f"{self._path}/answer")

    async def ring(self) -> None:
        """Indicate ringing to the caller."""
        await self._ari.request("POST", f"{self._path}/ring")

    async def hangup(self, reason: str | None = None) -> None:
        """Hang up. ``reason`` is one of ARI's words: ``normal``, ``busy``, ``congestion``, ``no_answer``, ..."""
        await self._ari.request("DELETE", self._path, query={"reason": reason} if reason else None)

    async def hold(self) -> None:
        """Put the peer on hold: music, where Asterisk has a class of music on hold. It goes on in the dialplan, too."""
        await self._ari.request("POST", f"{self._path}/hold")

    async def unhold(self) -> None:
        """Take the peer back. One that is not on hold is left alone."""
        await self._ari.request("DELETE", f"{self._path}/hold")

    async def has_extension(self, context: str, extension: str, priority: int = 1) -> bool:
        """Whether the dialplan has that place, patterns included: a ``continue`` to one that it has not hangs up.

        Raises:
            AriRequestFailed: with status 500 where ``func_dialplan.so`` is not loaded.
        """
        return await self.get_variable(f"DIALPLAN_EXISTS({context},{extension},{priority})") == "1"

    async def originate(
        self,
        endpoint: str,
        *,
        context: str,
        extension: str,
        priority: int = 1,
        caller_id: str = "",
        timeout: int = 30,
    ) -> str:
        """Have Asterisk call ``endpoint``, and send it to that place of the dialplan when it answers. It is a call of
        its own: neither this channel nor our application has a part in it.

        Returns when Asterisk has begun to dial. An extension that does not exist is no error here: the call then ends
        when it is answered.

        Args:
            timeout: Seconds that it may ring.

        Returns:
            The new channel's id.

        Raises:
            AriRequestFailed: with status 500 ("Allocation failed") for an endpoint that Asterisk does not know.
        """
        body: dict[str, Any] = {
            "endpoint": endpoint,
            "context": context,
            "extension": extension,
            "priority": priority,
            "timeout": timeout,
        }
        if caller_id:
            body["callerId"] = caller_id
        answer = await self._ari.request("POST", "channels", body=body)
        return str(answer.get("id", "")) if isinstance(answer, dict) else ""

    async def dtmf(
        self, digits: str, *, before: int | None = None, between: int | None = None, duration: int | None = None
    ) -> None:
        """Send DTMF to the peer. Times are milliseconds: before the first, between, and of each digit.

        Returns when Asterisk has accepted it, not when the last digit was sent: 200 ms each, and 100 ms. Until then
        Asterisk 22.10 lets other requests about the channel wait, and those behind them on the event socket; it carries
        out a ``continue`` after the last digit.
        """
        given = {"before": before, "between": between, "duration": duration}
        times = {name: time for name, time in given.items() if time is not None}
        await self._ari.request("POST", f"{self._path}/dtmf", query={"dtmf": digits, **times})

    async def play(self, media: str | Sequence[str], playback_id: str | None = None) -> Playback:
        """Play ``sound:``, ``recording:``, ``number:``, ``digits:``, ``characters:`` or ``tone:`` media, in turn.

        Returns when Asterisk has queued it. The id is ours, and we listen before we ask, so that not even an immediate
        end is missed.
        """
        playback = Playback(self._ari, self.id, playback_id or uuid.uuid4().hex)
        try:
            await self._ari.request(
                "POST",
                f"{self._path}/play/{quote(playback.id, safe='')}",
                body={"media": [media] if isinstance(media, str) else list(media)},
            )
        except BaseException:
            playback.abandon()
            raise
        return playback

    async def subscribe(self) -> None:
        """Have this channel's events until it is gone, after it left the application too, and after reconnects.

        Without it, Asterisk tells the end of an inbound call (``ChannelDestroyed``) to nobody.
        """
        await self._ari.subscribe(self.id)


class Playback:
    """One playback on a channel. It is followed until it ends, the channel leaves, or the event socket breaks."""

    def __init__(self, ari: Ari, channel_id: str, playback_id: str) -> None:
        self.id = playback_id
        self._ari = ari
        # "done", "failed", or "lost" when the end cannot be known.
        self._end: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._stops = (ari.listen(channel_id, self._on_event), ari.until_lost(self._on_lost))

    async def finished(self, timeout: float) -> bool:
        """Wait until it was heard or stopped. Needs ``PlaybackFinished`` among the events (``AriConfig.events``).

        Cancelling only ends the waiting.

        Returns:
            False when it failed: the caller hung up, or a file is missing.

        Raises:
            TimeoutError: it still plays after ``timeout`` seconds.
            AriUnavailable: the event socket broke, so nobody will tell.
        """
        async with asyncio.timeout(timeout):
            end = await asyncio.shield(self._end)
        if end == "lost":
            raise AriUnavailable(f"The event socket broke while playback {self.id} was heard; its end is unknown.")
        return end == "done"

    @property
    def ended(self) -> bool:
        """Whether it is known how it ended, or that nobody will tell."""
        return self._end.done()

    async def stop(self) -> None:
        """Stop it; one that has ended is left alone."""
        with contextlib.suppress(AriNotFound):
            await self._ari.request("DELETE", f"playbacks/{quote(self.id, safe='')}")

    def abandon(self) -> None:
        """Follow it no longer."""
        self._ended("lost")

    def _on_event(self, event: Event) -> None:
        if isinstance(event, PlaybackFinished):
            if event.playback.id == self.id:
                self._ended(event.playback.state)
        elif isinstance(event, StasisEnd | ChannelDestroyed):
            self._ended("failed")

    def _on_lost(self) -> None:
        self._ended("lost")

    def _ended(self, how: str) -> None:
        for stop in self._stops:
            stop()
        if not self._end.done():
            self._end.set_result(how)


async def together(requests: Sequence[Coroutine[Any, Any, Any]]) -> None:
    """Await requests at the same time. At the first failure the others are cancelled, and it is raised as it is.

    Not a TaskGroup: that of Python 3.11 can lose a cancellation that comes together with a failure, and a call whose
    caller hung up would go on.
    """
    if len(requests) == 1:
        await requests[0]
        return
    tasks = [asyncio.ensure_future(request) for request in requests]
    try:
        await asyncio.gather(*tasks)
    except BaseException:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise


def _parts(variables: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """Cut into dicts whose JSON stays within ``_VARIABLES_BYTES``, as long as each value does."""
    part: dict[str, str] = {}
    size = 0
    for name, value in variables.items():
        # Quoting makes text longer, so count what will be sent; most answers are far below the limit.
        length = len(name) + len(value)
        length = length * 6 if length * 6 < 1_000 else len(msgspec.json.encode((name, value)))
        if part and size + length > _VARIABLES_BYTES:
            yield part
            part, size = {}, 0
        part[name] = value
        size += length + 8
    if part:
        yield part
