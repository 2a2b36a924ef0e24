"""The owner of all calls: takes channels from ARI's events, serves each in a task of its own, gives every one back."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import structlog

from app.ari.client import AriClient
from app.ari.config import AriState, AsteriskInfo
from app.ari.errors import AriError
from app.ari.events import ChannelDestroyed, ChannelHangupRequest, Event, StasisEnd, StasisStart
from app.calls.answer import Answers, Prompts, RunsTurns, elapsed_ms
from app.calls.call import Call
from app.calls.delivery import deliver
from app.calls.errors import TooManyCalls
from app.calls.outcome import Outcome, Status
from app.calls.stock import Stock
from app.core.metrics import (
    ARI_CONNECTED,
    ARI_CONNECTS,
    CHANNELS_RELEASED,
    TURN_SECONDS,
    TURNS,
    TURNS_ABANDONED,
    TURNS_ACTIVE,
    UNEXPECTED,
)
from app.core.settings import Settings

# The events that a dialplan turn lives by; Asterisk is asked to send no others.
EVENTS = frozenset({"StasisStart", "StasisEnd", "ChannelHangupRequest", "ChannelDestroyed"})

# Seconds between inventories. Two in a row make an orphan, so a channel whose StasisStart never came is back in the
# dialplan within two of these, well before a caller gives up.
STOCK_EVERY = 1.0
STOCK_AFTER_CONNECT = 0.25

logger = structlog.get_logger("app.calls")


@dataclass(frozen=True, slots=True)
class CallsStatus:
    """For the status page.

    Attributes:
        active: Turns in progress.
        limit: ``AI_MAX_CALLS``.
        served: Turns that ended since the start, in whatever way.
        draining: The service is stopping and takes no new turns.
    """

    active: int
    limit: int
    served: int
    draining: bool


class CallSupervisor:
    """Serves the channels of one Asterisk. It is the ARI client's listener.

    Every channel that comes is given back: with its answer, with the fallback sentence, as ``BUSY`` over the limit, or
    as ``RELEASED`` when the service stops or finds it without a turn.
    """

    def __init__(self, settings: Settings, agent: RunsTurns, prompts: Prompts) -> None:
        self._settings = settings
        self._answers = Answers(settings, agent, prompts)
        self._ari: AriClient | None = None
        self._group: asyncio.TaskGroup | None = None
        # Turns in progress by channel id. A channel's next turn replaces its last.
        self._calls: dict[str, Call] = {}
        self._served = 0
        self._draining = False
        # Set while no turn is in progress, for the drain.
        self._idle = asyncio.Event()
        self._idle.set()
        # Set at every connect: whoever was left behind by the last connection is to be released soon.
        self._take_stock = asyncio.Event()
        self._pbx = settings.asterisk_system_name or ""

    @property
    def status(self) -> CallsStatus:
        """The state now."""
        return CallsStatus(len(self._calls), self._settings.ai_max_calls, self._served, self._draining)

    async def run(self, ari: AriClient) -> None:
        """Serve calls until cancelled.

        Raises:
            AriReplaced: another client took over the application's name.
        """
        self._ari = ari
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                group.create_task(self._keep_stock(ari), name="calls.stock")
                await ari.run()
        finally:
            self._group = None

    async def drain(self, timeout: float) -> None:
        """Take no new turns, let those in progress end within ``timeout`` seconds, then release the rest."""
        self._draining = True
        try:
            async with asyncio.timeout(timeout):
                await self._idle.wait()
        except TimeoutError:
            logger.warning("calls.released_at_stop", calls=len(self._calls))
            for call in tuple(self._calls.values()):
                call.release()
            # Releasing is two requests; a channel that cannot be released now is found by the next start.
            async with asyncio.timeout(2.0):
                await self._idle.wait()

    # -- AriListener: called by the reader, must return at once

    def on_connected(self, asterisk: AsteriskInfo) -> None:
        """A connection is up and its event filter set."""
        ARI_CONNECTED.set(1)
        ARI_CONNECTS.inc()
        self._pbx = self._settings.asterisk_system_name or asterisk.system_name or asterisk.entity_id
        self._take_stock.set()

    def on_disconnected(self, reason: str) -> None:
        """The connection is gone; turns in progress go on, and are delivered over HTTP or at the next connection."""
        ARI_CONNECTED.set(0)

    def on_event(self, event: Event) -> None:
        """A channel came, or left."""
        match event:
            case StasisStart():
                self._accept(event)
            case StasisEnd() | ChannelDestroyed() | ChannelHangupRequest():
                call = self._calls.get(event.channel.id)
                if call is not None:
                    call.hang_up()

    # -- a turn

    def _accept(self, event: StasisStart) -> None:
        if self._group is None or self._ari is None:
            return  # stopping; the channel is released by the next start
        channel = self._ari.channel(event.channel.id)
        call = Call.begin(event, channel, asyncio.get_running_loop().time())
        if self._draining:
            outcome: Outcome | None = self._released("service_stopping")
        elif len(self._calls) >= self._settings.ai_max_calls:
            outcome = self._busy()
        else:
            outcome = None
        if outcome is None:
            self._calls[channel.id] = call
            self._idle.clear()
            TURNS_ACTIVE.set(len(self._calls))
        self._group.create_task(self._serve(self._ari, call, outcome), name=f"call {channel.id}")

    async def _serve(self, ari: AriClient, call: Call, outcome: Outcome | None) -> None:
        """One turn from beginning to end. Nothing that happens in it reaches another."""
        # Whatever room writes a line while it works for this call, the line names the call.
        structlog.contextvars.bind_contextvars(call=call.channel.id, conversation=call.conversation)
        try:
            if outcome is None:
                outcome = await self._outcome(call)
            if outcome is not None:
                await self._give_back(ari, call, outcome)
        except Exception as error:
            # One turn must not take the others with it through the group.
            UNEXPECTED.labels("call").inc()
            call.log.error("call.unexpected_error", exc_info=error)
        finally:
            self._served += 1
            if self._calls.get(call.channel.id) is call:
                del self._calls[call.channel.id]
                TURNS_ACTIVE.set(len(self._calls))
                if not self._calls:
                    self._idle.set()

    async def _outcome(self, call: Call) -> Outcome | None:
        """The answer; None when the caller hung up before it."""
        call.answering = asyncio.ensure_future(self._answers.answer(call, self._pbx))
        if call.gone or call.released:  # it ended between the event and the first run of this task
            call.answering.cancel()
        try:
            return await call.answering
        except asyncio.CancelledError:
            if call.gone and call.answering.cancelled():
                TURNS_ABANDONED.inc()
                call.log.info("turn.abandoned", elapsed_ms=elapsed_ms(call), turn=call.turn_id)
                return None
            if call.released and call.answering.cancelled():
                return self._released("service_stopping")
            raise

    async def _give_back(self, ari: AriClient, call: Call, outcome: Outcome) -> None:
        try:
            given_back = await deliver(ari, call.channel, outcome)
        except AriError as error:
            call.log.error("turn.not_delivered", status=outcome.status.value, error=error.code, detail=str(error))
            return
        if not given_back:
            TURNS_ABANDONED.inc()
            call.log.info("turn.abandoned", elapsed_ms=elapsed_ms(call), turn=call.turn_id)
            return
        TURNS.labels(outcome.status.value).inc()
        TURN_SECONDS.observe(elapsed_ms(call) / 1000)
        _log_end(call, outcome)

    def _busy(self) -> Outcome:
        error = TooManyCalls(f"{self._settings.ai_max_calls} calls are being served (AI_MAX_CALLS)")
        return Outcome(status=Status.BUSY, text=self._answers.fallback(), error=error.code, detail=str(error))

    def _released(self, error: str, detail: str = "") -> Outcome:
        return Outcome(status=Status.RELEASED, text=self._answers.fallback(), error=error, detail=detail)

    # -- channels without a turn

    async def _keep_stock(self, ari: AriClient) -> None:
        """Release orphans: soon after every connect, and from then on regularly."""
        stock = Stock()
        pause = STOCK_EVERY
        while True:
            try:
                async with asyncio.timeout(pause):
                    await self._take_stock.wait()
                    connected = True
            except TimeoutError:
                connected = False
            self._take_stock.clear()
            if connected:
                stock, pause = Stock(), STOCK_AFTER_CONNECT
            elif pause == STOCK_AFTER_CONNECT:
                pause = STOCK_EVERY
            if ari.status.state is not AriState.CONNECTED:
                continue
            try:
                inventory = await ari.app_inventory()
            except AriError as error:
                logger.debug("stock.not_taken", error=error.code, detail=str(error))
                continue
            for channel_id in stock.orphans(inventory.channel_ids, self._calls.keys()):
                await self._release_orphan(ari, channel_id)

    async def _release_orphan(self, ari: AriClient, channel_id: str) -> None:
        log = logger.bind(call=channel_id)
        outcome = self._released(
            "turn_lost",
            "the channel was in the application without a turn: the service was restarted, the connection was lost, or "
            "an argument of Stasis() is not valid UTF-8",
        )
        try:
            if await deliver(ari, ari.channel(channel_id), outcome):
                CHANNELS_RELEASED.inc()
                log.warning("channel.released", detail=outcome.detail)
        except AriError as error:
            log.error("channel.not_released", error=error.code, detail=str(error))


def _log_end(call: Call, outcome: Outcome) -> None:
    """The one line that says how a turn ended."""
    fields: dict[str, Any] = {
        "status": outcome.status.value,
        "answer_text": outcome.text,
        "model": outcome.model,
        "turn": call.turn_id,
        "latency_ms": outcome.latency_ms,
        "elapsed_ms": elapsed_ms(call),
    }
    if outcome.action:
        fields |= {"action": outcome.action, "action_data": outcome.action_data}
    if outcome.status is Status.OK:
        call.log.info("turn.finished", **fields)
    else:
        call.log.warning("turn.failed", error=outcome.error, detail=outcome.detail, **fields)
