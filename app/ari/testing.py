"""A fake Asterisk behind the real client interface, for the tests of whatever uses the client.

:class:`FakeAri` is an :class:`AriClient` whose requests are answered in this process, as Asterisk 22.10 answers them; a
test that runs against both holds the two together (``tests/ari/test_fake.py``). Handles, listeners, time limits and
counters are the real ones.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

import msgspec

from app.ari.client import AriClient
from app.ari.config import AriConfig, AriState, AsteriskInfo
from app.ari.dispatch import AriListener
from app.ari.errors import AriReplaced, AriUnavailable
from app.ari.events import (
    CallerId,
    ChannelDestroyed,
    ChannelHangupRequest,
    ChannelSnapshot,
    DialplanPosition,
    Event,
    PlaybackFinished,
    PlaybackSnapshot,
    PlaybackStarted,
    StasisEnd,
    StasisStart,
)
from app.ari.requests import Request, failure_of

FAKE_ASTERISK = AsteriskInfo(
    version="22.10.1", entity_id="02:00:00:00:00:01", system_name="", rest_over_websocket=True, bulk_variables=True
)


@dataclass(slots=True)
class FakeChannel:
    """A channel of the fake, for a test to look at.

    Attributes:
        in_app: In Stasis; false after ``continue``.
        continued: The query of the ``continue`` that ended it, empty for "at the next priority".
    """

    id: str
    caller: CallerId = field(default_factory=CallerId)
    variables: dict[str, str] = field(default_factory=dict)
    state: str = "Up"
    in_app: bool = True
    subscribed: bool = False
    continued: dict[str, Any] | None = None

    def snapshot(self) -> ChannelSnapshot:
        """As events show it."""
        return ChannelSnapshot(
            id=self.id,
            name=f"PJSIP/caller-{self.id}",
            state=self.state,
            caller=self.caller,
            dialplan=DialplanPosition(context="default", exten="100", priority=2, app_name="Stasis"),
        )


@dataclass(slots=True)
class _Fault:
    error: BaseException
    method: str
    ending: str
    times: int


class FakeAri(AriClient):
    """Scripted events in, recorded requests out.

    :meth:`run` connects at once, and stays until it is cancelled or :meth:`replace` is called. Without a running
    ``run()``, :meth:`connect` does the same.

    Attributes:
        requests: Everything that was asked, in order.
        dialplan: Places that exist, as ``context,extension,priority``.
        originated: Endpoints that were called, in order.
        channels: Channels that were not hung up, by id.
        hung_up: Ids of those that were, in order.
        answer_delay: Seconds that every answer takes.
    """

    def __init__(
        self, listener: AriListener, *, config: AriConfig | None = None, asterisk: AsteriskInfo = FAKE_ASTERISK
    ) -> None:
        super().__init__(config or AriConfig("http://127.0.0.1:8088", "fake", "fake", "ai_ari_app"), listener)
        self.requests: list[Request] = []
        self.channels: dict[str, FakeChannel] = {}
        self.hung_up: list[str] = []
        self.dialplan: set[str] = set()
        self.originated: list[str] = []
        self.answer_delay = 0.0
        self._fake_info = asterisk
        self._reachable = True
        self._faults: list[_Fault] = []
        self._replaced = asyncio.Event()
        # Cleared by hold(): answers wait for it.
        self._answers_flow = asyncio.Event()
        self._answers_flow.set()

    # -- the connection

    async def run(self) -> None:
        """As :meth:`AriClient.run`."""
        self.connect()
        try:
            await self._replaced.wait()
        finally:
            if not self._replaced.is_set():
                self._ended(AriState.CLOSED, "The ARI client was stopped.")
        raise AriReplaced(self._last_error or "")

    def connect(self) -> None:
        """The connection stands (again)."""
        self._reachable = True
        self._asterisk = self._fake_info
        self._connects += 1
        self._last_error = None
        self._enter(AriState.CONNECTED)
        self._dispatcher.connected(self._fake_info)

    def disconnect(self, reason: str = "The event socket to Asterisk broke.", *, reachable: bool = True) -> None:
        """The event socket breaks.

        Args:
            reachable: HTTP still works, so requests do. False: they raise ``AriUnavailable``.
        """
        self._reachable = reachable
        self._last_error = reason
        self._ended(AriState.WAITING, reason)

    def replace(self, reason: str = "Another client connected as this application.") -> None:
        """Another client takes over."""
        self._last_error = reason
        self._ended(AriState.REPLACED, reason)
        self._replaced.set()

    # -- the script

    def emit(self, event: Event) -> None:
        """Hand out an event, as the reader would."""
        self.counters.events += 1
        self._on_event(event)

    def enter(
        self,
        channel_id: str,
        *args: str,
        variables: dict[str, str] | None = None,
        caller: CallerId = CallerId(),  # noqa: B008 - immutable
        silently: bool = False,
    ) -> FakeChannel:
        """A channel comes from the dialplan with ``Stasis(app,*args)``, for the first time or again.

        Args:
            silently: Its StasisStart is lost, as it is while the socket is down.
        """
        channel = self.channels.setdefault(channel_id, FakeChannel(channel_id))
        channel.caller = caller
        channel.in_app, channel.continued = True, None
        channel.variables.update(variables or {})
        if not silently:
            self.emit(StasisStart(channel=channel.snapshot(), args=args, application=self.config.app))
        return channel

    def hang_up(self, channel_id: str, *, silently: bool = False) -> None:
        """The caller hangs up. Nothing happens to a channel that is gone."""
        channel = self.channels.pop(channel_id, None)
        if channel is None:
            return
        self.hung_up.append(channel_id)
        if silently:
            return
        snapshot = channel.snapshot()
        if channel.in_app:
            self.emit(ChannelHangupRequest(channel=snapshot, cause=16))
            self.emit(StasisEnd(channel=snapshot))
        if channel.subscribed:
            self.emit(ChannelDestroyed(channel=snapshot, cause=16, cause_txt="Normal Clearing"))

    def fail(self, error: BaseException, *, method: str = "", ending: str = "", times: int = 1) -> None:
        """The next requests of this method whose path ends so raise ``error`` (empty: any)."""
        self._faults.append(_Fault(error, method, ending, times))

    def hold(self) -> Callable[[], None]:
        """Answer nothing until the returned function is called."""
        self._answers_flow.clear()
        return self._answers_flow.set

    def asked(self, method: str, ending: str = "") -> list[Request]:
        """The recorded requests of one method whose path ends so."""
        return [each for each in self.requests if each.method == method and each.path.endswith(ending)]

    # -- Asterisk's part

    async def _carry(self, request: Request) -> Any:
        self.requests.append(request)
        if self._state is AriState.REPLACED:
            raise AriReplaced(self._last_error or "")
        if self.answer_delay:
            await asyncio.sleep(self.answer_delay)
        await self._answers_flow.wait()
        for fault in self._faults:
            if fault.times > 0 and fault.method in ("", request.method) and request.path.endswith(fault.ending):
                fault.times -= 1
                raise fault.error
        if not self._reachable or self._state is AriState.CLOSED:
            raise AriUnavailable("Cannot reach Asterisk (fake).")
        given = {**(request.query or {}), **(request.body if isinstance(request.body, dict) else {})}
        match request.path.split("/"):
            case ["asterisk", "ping"]:
                return {"ping": "pong"}
            case ["applications", _]:
                return self._inventory()
            case ["applications", _, "subscription"]:
                return self._subscribe(request, str(given.get("eventSource", "")).removeprefix("channel:"))
            case ["channels", channel_id, *rest]:
                return self._channel(request, unquote(channel_id), rest, given)
            case ["channels"] if request.method == "POST":
                return self._originate(request, str(given["endpoint"]))
            case ["playbacks", _] if request.method == "DELETE":
                raise _refusal(request, 404, "Playback not found")
            case _:
                raise _refusal(request, 404, "Resource not found")

    def _inventory(self) -> dict[str, Any]:
        ours = [each.id for each in self.channels.values() if each.in_app or each.subscribed]
        return {"name": self.config.app, "channel_ids": ours, "bridge_ids": []}

    def _subscribe(self, request: Request, channel_id: str) -> dict[str, Any]:
        channel = self.channels.get(channel_id)
        if channel is None:
            raise _refusal(request, 422, "Event source does not exist")
        channel.subscribed = request.method == "POST"
        return self._inventory()

    def _channel(self, request: Request, channel_id: str, rest: list[str], given: dict[str, Any]) -> Any:
        channel = self.channels.get(channel_id)
        if channel is None:
            said = (
                "Provided channel was not found" if rest[:1] in (["variable"], ["variables"]) else "Channel not found"
            )
            raise _refusal(request, 404, said)
        if not rest:
            if request.method == "DELETE":
                self._soon(lambda: self.hang_up(channel_id))
                return None
            return msgspec.to_builtins(channel.snapshot())
        if not channel.in_app and request.method != "GET":
            raise _refusal(request, 409, "Channel not in Stasis application")
        match request.method, rest:
            case "GET", ["variable"]:
                if (place := str(given["variable"])).startswith("DIALPLAN_EXISTS("):
                    return {"value": "1" if place[16:-1] in self.dialplan else "0"}
                if given["variable"] not in channel.variables:
                    raise _refusal(request, 404, "Provided variable was not found")
                return {"value": channel.variables[given["variable"]]}
            case "POST", ["variable"]:
                channel.variables[given["variable"]] = given.get("value", "")
            case "POST", ["variables"]:
                channel.variables.update(given["variables"])
            case "POST", ["continue"]:
                channel.in_app, channel.continued = False, dict(request.query or {})
                self._soon(lambda: self.emit(StasisEnd(channel=channel.snapshot())))
            case "POST", ["answer" | "ring" | "dtmf" | "hold"]:
                pass
            case "DELETE", ["hold"]:
                pass
            case "POST", ["play", playback_id]:
                return self._play(channel, unquote(playback_id), given["media"][0])
            case _:
                raise _refusal(request, 404, "Resource not found")
        return None

    def _originate(self, request: Request, endpoint: str) -> dict[str, Any]:
        if endpoint.partition("/")[0] not in ("PJSIP", "Local"):
            raise _refusal(request, 500, "Allocation failed")
        self.originated.append(endpoint)
        return {"id": f"originated-{len(self.originated)}"}

    def _play(self, channel: FakeChannel, playback_id: str, media: str) -> dict[str, Any]:
        playback = PlaybackSnapshot(id=playback_id, media_uri=media, target_uri=f"channel:{channel.id}", state="queued")
        self._soon(lambda: self.emit(PlaybackStarted(playback=playback)))
        done = msgspec.structs.replace(playback, state="done")
        self._soon(lambda: self.emit(PlaybackFinished(playback=done)))
        answer: dict[str, Any] = msgspec.to_builtins(playback)
        return answer

    def _soon(self, action: Callable[[], None]) -> None:
        """After the answer, as Asterisk does it: events are sent by other threads."""
        asyncio.get_running_loop().call_soon(action)


def _refusal(request: Request, status: int, said: str) -> Exception:
    return failure_of(request, status, said, msgspec.json.encode({"message": said}))
