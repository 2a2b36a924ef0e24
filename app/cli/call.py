"""``asterisk-ai call``: has Asterisk call somebody, puts words into their mouth, and shows what happens.

It listens under an application name of its own, so the running service keeps its calls.
"""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote

from rich.console import Console
from rich.text import Text

from app.ari.client import AriClient
from app.ari.config import AriConfig, AsteriskInfo
from app.ari.errors import AriConflict, AriNotFound, AriRequestFailed
from app.ari.events import (
    ChannelDestroyed,
    ChannelHangupRequest,
    ChannelStateChange,
    ChannelVarset,
    Event,
    StasisStart,
)
from app.core.errors import GatewayError, SettingsError
from app.core.settings import Settings

# Seconds.
CONNECT_TIMEOUT: Final = 5.0
HANGUP_TIMEOUT: Final = 3.0

EVENTS: Final = frozenset(
    {"StasisStart", "ChannelStateChange", "ChannelVarset", "ChannelHangupRequest", "ChannelDestroyed"}
)
# Parts repeat AI_RESPONSE, and names of the printed dialplan's own are no answer.
_SHOWN: Final = re.compile(
    r"AI_(STATUS|RESPONSE|ACTION|ACTION_(?:DATA|COUNT|DONE|FAILED|ERROR|\d+|\d+_DATA)|ERROR|MODEL_USED|PROMPT_VERSION|TURN|LATENCY_MS|OUT_\w+)"
)
_STATES: Final = {"Ringing": "rings", "Ring": "is dialled", "Up": "answered"}


class CallFailed(GatewayError):
    """Asterisk did not make the call."""

    code = "call_failed"


@dataclass(frozen=True, slots=True)
class CallPlan:
    """What to do.

    Attributes:
        endpoint: Whom to call: ``PJSIP/100``, ``PJSIP/number@trunk``, ``Local/100@context``.
        context, extension: Where the call goes in the dialplan when it is answered.
        direct: Straight into the service instead, without a dialplan.
        say: The caller's first words; None: none.
        variables: Further channel variables.
        ring: Seconds until nobody answers.
        longest: Seconds until we hang up.
        once: Hang up after the first answer.
    """

    endpoint: str
    context: str
    extension: str
    direct: bool = False
    say: str | None = None
    variables: dict[str, str] = field(default_factory=dict)
    ring: int = 30
    longest: float = 300.0
    once: bool = False


@dataclass(slots=True)
class Watch:
    """The ARI listener that follows one channel and prints what happens to it.

    Attributes:
        answered: The endpoint took the call.
        in_dialplan: It was handed to the dialplan.
        hung_up: Somebody asked for its end. A dialplan that ends a call does not ask (tried on 16.28 and 22.10.1).
        statuses: Every ``AI_STATUS`` so far.
        entered, first_status, ended: Set when they happen: answered and ours, an answer of the AI, hung up.
    """

    channel_id: str
    console: Console
    began: float
    answered: bool = False
    in_dialplan: bool = False
    hung_up: bool = False
    statuses: list[str] = field(default_factory=list)
    entered: asyncio.Event = field(default_factory=asyncio.Event)
    first_status: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    # Variables of the turn that is being given back; AI_STATUS comes last and ends it.
    _turn: dict[str, str] = field(default_factory=dict)

    def on_connected(self, asterisk: AsteriskInfo) -> None:
        """Nothing to do: the call is not made yet."""

    def on_disconnected(self, reason: str) -> None:
        """Without events nobody would tell of the end."""
        if self.ended.is_set():
            return
        self.tell(f"lost sight of it: {reason}")
        self.ended.set()

    def on_event(self, event: Event) -> None:
        """Show it, if it is about our channel."""
        if self.channel_id not in event.channel_ids():
            return
        match event:
            case ChannelStateChange():
                self._state(event.channel.state)
            case StasisStart():
                self._state(event.channel.state)
                self.entered.set()
            case ChannelVarset():
                self._variable(event.variable, event.value)
            case ChannelHangupRequest():
                self.hung_up = True
            case ChannelDestroyed():
                self.tell(self._end(event))
                self.ended.set()

    def _state(self, state: str) -> None:
        if state == "Up":
            if self.answered:
                return
            self.answered = True
        if state in _STATES:
            self.tell(_STATES[state])

    def _variable(self, name: str, value: str) -> None:
        if name == "STASISSTATUS" and value == "FAILED":
            self.tell("STASISSTATUS = FAILED: the service is not connected; type: asterisk-ai doctor")
        if not value or not _SHOWN.fullmatch(name):
            return
        self._turn[name] = value
        if name == "AI_STATUS":
            turn, self._turn = self._turn, {}
            self.statuses.append(value)
            self.tell(f"AI_STATUS = {value}")
            for other, text in turn.items():
                if other != "AI_STATUS":
                    self.console.print(Text(f"          {other} = {text}"))
            self.first_status.set()

    def _end(self, event: ChannelDestroyed) -> str:
        at = event.channel.dialplan
        place = f"{at.exten}@{at.context}, priority {at.priority}"
        by_dialplan = self.in_dialplan and not self.hung_up
        if by_dialplan and not event.cause:
            # Without Hangup(): it ran out, or what stands there cannot be run.
            return (
                f"ended by the dialplan, which has nothing that can run at {place}. Look at it with: "
                f"asterisk -rx 'dialplan show {at.exten}@{at.context}'"
            )
        if by_dialplan:
            return f"ended by the dialplan at {place}: {event.cause_txt} ({event.cause})"
        unknown = "hung up" if self.answered else "not answered"
        return f"ended: {event.cause_txt if event.cause else unknown} ({event.cause})"

    def tell(self, what: str) -> None:
        """One line, with the seconds since the beginning."""
        elapsed = asyncio.get_running_loop().time() - self.began
        self.console.print(Text.assemble((f"{elapsed:7.2f} s ", "dim"), what))


async def run(settings: Settings, plan: CallPlan, console: Console) -> bool:
    """Make the call and follow it to its end. Cancelled, it hangs up.

    Returns:
        Whether it was answered and every turn in it, at least one, ended with ``AI_STATUS=OK``.

    Raises:
        SettingsError: Asterisk is not configured.
        AriError: Asterisk cannot be reached.
        CallFailed: Asterisk refused to make the call, or the service is away that it should go to directly.
    """
    watch = Watch(f"asterisk-ai-{secrets.token_hex(6)}", console, asyncio.get_running_loop().time())
    async with _connected(settings, watch) as ari:
        if plan.direct:
            await _is_served(ari, settings.asterisk_app_name)
        await _originate(ari, settings, plan, watch)
        try:
            await _follow(ari, settings, plan, watch)
        finally:
            await _hang_up(ari, watch)
    return watch.answered and bool(watch.statuses) and set(watch.statuses) == {"OK"}


@asynccontextmanager
async def _connected(settings: Settings, watch: Watch) -> AsyncIterator[AriClient]:
    ari = AriClient(_config(settings), watch)
    running = asyncio.create_task(ari.run(), name="ari")
    try:
        await ari.wait_connected(CONNECT_TIMEOUT)
        yield ari
    finally:
        watch.ended.set()  # from here on nobody wants to hear of it
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def _is_served(ari: AriClient, app: str) -> None:
    """Asterisk accepts to move a channel to an application that is not there, and leaves it in between (22.10.1)."""
    try:
        await ari.request("GET", f"applications/{quote(app, safe='')}")
    except AriNotFound:
        raise CallFailed(
            f"nobody is connected to Asterisk as {app}: the service is not running, or cannot connect. "
            "Type: asterisk-ai doctor"
        ) from None


async def _originate(ari: AriClient, settings: Settings, plan: CallPlan, watch: Watch) -> None:
    """Have the endpoint called on behalf of our own application, which is then told of everything from the first
    moment on; an originate into the dialplan could be over before it can be watched."""
    variables = dict(plan.variables)
    if plan.say is not None:
        variables["USER_INPUT"] = plan.say
    body = {
        "endpoint": plan.endpoint,
        "app": ari.config.app,
        "channelId": watch.channel_id,
        "callerId": "asterisk-ai",
        "timeout": plan.ring,
        "variables": variables,
    }
    watch.tell(f"calling {plan.endpoint}; then {_target(settings, plan)}")
    try:
        await ari.request("POST", "channels", body=body)
    except AriRequestFailed as error:
        raise CallFailed(
            f"Asterisk does not call {plan.endpoint}: {error} Look at it with: asterisk -rx 'pjsip show endpoints'; "
            "write it as in Dial(), such as PJSIP/100 or PJSIP/0123456@trunk."
        ) from error


async def _follow(ari: AriClient, settings: Settings, plan: CallPlan, watch: Watch) -> None:
    """Until the call ends, or has lasted long enough."""
    try:
        async with asyncio.timeout(plan.longest):
            await _first(watch.entered, watch.ended)
            if watch.ended.is_set():
                return
            await _hand_over(ari, settings, plan, watch)
            # The service ends its turn by giving the call back to a dialplan, which a direct one has not.
            await _first(watch.ended, *([watch.first_status] if plan.once or plan.direct else []))
    except TimeoutError:
        watch.tell(f"has lasted {plan.longest:g} s")


async def _hand_over(ari: AriClient, settings: Settings, plan: CallPlan, watch: Watch) -> None:
    """It was answered and is in our application: let it go where it was called for, and go on watching."""
    channel = ari.channel(watch.channel_id)
    try:
        await channel.subscribe()
        if plan.direct:
            path = f"channels/{quote(watch.channel_id, safe='')}/move"
            await ari.request("POST", path, query={"app": settings.asterisk_app_name})
        else:
            watch.in_dialplan = True
            await channel.continue_in_dialplan(plan.context, plan.extension, 1)
    except (AriConflict, AriNotFound):
        watch.tell("hung up at once")


async def _first(*events: asyncio.Event) -> None:
    """Wait for the first of them."""
    waits = [asyncio.create_task(event.wait()) for event in events]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
        await asyncio.gather(*waits, return_exceptions=True)


async def _hang_up(ari: AriClient, watch: Watch) -> None:
    if watch.ended.is_set():
        return
    try:
        await ari.channel(watch.channel_id).hangup()
        async with asyncio.timeout(HANGUP_TIMEOUT):
            await watch.ended.wait()
    except AriNotFound:
        pass  # it hung up in the same moment
    except TimeoutError:
        watch.tell("is being hung up")


def _target(settings: Settings, plan: CallPlan) -> str:
    return f"the application {settings.asterisk_app_name}" if plan.direct else f"{plan.extension}@{plan.context}"


def _config(settings: Settings) -> AriConfig:
    if not (settings.asterisk_ari_url and settings.asterisk_ari_username and settings.asterisk_ari_password):
        raise SettingsError("ASTERISK_ARI_URL, ASTERISK_ARI_USERNAME and ASTERISK_ARI_PASSWORD are needed to call")
    return AriConfig(
        url=settings.asterisk_ari_url,
        username=settings.asterisk_ari_username,
        password=settings.asterisk_ari_password.get_secret_value(),
        app=f"asterisk-ai-call-{secrets.token_hex(4)}",
        events=EVENTS,
    )
