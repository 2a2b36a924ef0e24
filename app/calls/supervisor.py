"""The owner of all calls: takes channels from ARI's events, serves each in a task of its own, gives every one back."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog

from app.ari.client import AriClient
from app.ari.config import AsteriskInfo
from app.ari.errors import AriError, AriReplaced
from app.ari.events import ChannelDestroyed, ChannelHangupRequest, Event, StasisEnd, StasisStart
from app.calls.actions import Acting
from app.calls.answer import Answers, Prompts, RunsTurns
from app.calls.call import GRACE, Call
from app.calls.delivery import deliver
from app.calls.errors import TooManyCalls
from app.calls.orphans import LOST, Orphans, release
from app.calls.outcome import Outcome, Status
from app.calls.report import Reports
from app.calls.trace import Journal, record_of_action
from app.core.metrics import ARI_CONNECTED, ARI_CONNECTS, TURNS_ACTIVE, UNEXPECTED
from app.core.settings import Settings
from app.history.record import ToolCallRecord
from app.prompts.prompt import ARI

# The events that a dialplan turn lives by, the last for sounds that the AI plays; Asterisk is asked to send no others.
EVENTS = frozenset({"StasisStart", "StasisEnd", "ChannelHangupRequest", "ChannelDestroyed", "PlaybackFinished"})

# Seconds that a turn which does not end within GRACE gets after it was cancelled a second time.
LAST_MOMENT = 0.02

# Seconds that the first turn of all may wait for the Asterisk's identity: events begin a moment before it is known.
IDENTITY_WITHIN = 1.0

# Seconds that releasing may take at the stop, after the drain. It is two requests for each channel.
RELEASE_WITHIN = 2.0

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

    def __init__(self, settings: Settings, agent: RunsTurns, prompts: Prompts, journal: Journal | None = None) -> None:
        self._settings = settings
        self._answers = Answers(settings, agent, prompts, journal)
        self._reports = Reports(journal)
        self._ari: AriClient | None = None
        self._group: asyncio.TaskGroup | None = None
        # By channel id, for events: the latest turn of each channel that is with us.
        self._calls: dict[str, Call] = {}
        # Turns being answered: what AI_MAX_CALLS limits.
        self._active = 0
        # Everything that is to be waited for at the stop: turns, refusals and releases that are under way.
        self._under_way: set[Call | str] = set()  # orphans by their channel ids
        self._served = 0
        self._draining = False
        # Set while nothing is under way.
        self._idle = asyncio.Event()
        self._idle.set()
        self._orphans = Orphans(self._served_channels, self._release)
        self._pbx = settings.asterisk_system_name or ""
        # Set at the first connect: the Asterisk's identity is known.
        self._identified = asyncio.Event()

    @property
    def status(self) -> CallsStatus:
        """The state now."""
        return CallsStatus(self._active, self._settings.ai_max_calls, self._served, self._draining)

    async def run(self, ari: AriClient) -> None:
        """Serve calls until cancelled.

        Raises:
            AriReplaced: another client took over the application's name.
        """
        self._ari = ari
        replaced: AriReplaced | None = None
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                taking_stock = group.create_task(self._orphans.run(ari), name="calls.stock")
                try:
                    await ari.run()
                except AriReplaced as error:
                    # Kept from the group, which would wrap it. The other client releases the channels.
                    replaced = error
                    self._group = None
                    taking_stock.cancel()
                    for call in tuple(self._calls.values()):
                        call.hang_up()
        finally:
            self._group = None
        if replaced is not None:
            raise replaced

    async def drain(self, timeout: float) -> None:
        """Take no new turns, let those in progress end within ``timeout`` seconds, then release the rest."""
        self._draining = True
        if await self._idle_within(timeout):
            return
        logger.warning("calls.released_at_stop", calls=len(self._under_way))
        for call in tuple(self._calls.values()):
            call.release()
        if not await self._idle_within(RELEASE_WITHIN):
            logger.error(
                "calls.left_behind",
                calls=len(self._under_way),
                detail="Asterisk did not take these channels back; the next start releases them",
            )

    async def _idle_within(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                await self._idle.wait()
        except TimeoutError:
            return False
        return True

    # -- AriListener: called by the reader, must return at once

    def on_connected(self, asterisk: AsteriskInfo) -> None:
        """A connection is up and its event filter set."""
        ARI_CONNECTED.set(1)
        ARI_CONNECTS.inc()
        self._pbx = self._settings.asterisk_system_name or asterisk.system_name or asterisk.entity_id
        self._identified.set()
        self._orphans.connected()

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
        call = Call.begin(event, self._ari.channel(event.channel.id), asyncio.get_running_loop().time())
        previous = self._calls.get(call.channel.id)
        if previous is not None:
            previous.hang_up()  # it left without a word to us: nobody waits for the answer to its last turn
        refusal = self._refusal()
        self._calls[call.channel.id] = call
        self._begin(call)
        if refusal is None:
            self._count_active(+1)
        self._group.create_task(self._serve(self._group, call, refusal), name=f"call {call.channel.id}")

    def _refusal(self) -> Outcome | None:
        """Why a call that comes now is not served; None when it is."""
        if self._draining:
            return self._released("service_stopping")
        if self._active >= self._settings.ai_max_calls:
            return self._busy()
        return None

    async def _serve(self, group: asyncio.TaskGroup, call: Call, refusal: Outcome | None) -> None:
        """One turn from beginning to end. Nothing that happens in it reaches another."""
        # Whatever room writes a line while it works for this call, the line names the call.
        structlog.contextvars.bind_contextvars(call=call.channel.id, conversation=call.conversation)
        try:
            outcome = refusal or await self._outcome(group, call)
            if outcome is not None:
                await self._give_back(call, outcome)
        except Exception as error:
            # One turn must not take the others with it through the group. The channel is released as an orphan.
            UNEXPECTED.labels("call").inc()
            call.log.error("call.unexpected_error", exc_info=error)
            self._reports.lost(call, self._pbx, f"unexpected {type(error).__name__}")
        except asyncio.CancelledError:
            self._reports.lost(call, self._pbx, "the service stopped before the channel was back in the dialplan")
            raise
        finally:
            self._served += 1
            if self._calls.get(call.channel.id) is call:
                del self._calls[call.channel.id]
            if refusal is None:
                self._count_active(-1)
            self._end(call)

    async def _outcome(self, group: asyncio.TaskGroup, call: Call) -> Outcome | None:
        """The answer; None when the caller hung up before it."""
        loop = asyncio.get_running_loop()
        deadline = call.started + self._answers.seconds(call)
        answering = call.answering = group.create_task(self._answer(call), name=f"answer {call.channel.id}")
        call.enough = loop.create_future()
        answering.add_done_callback(lambda _task: call.no_more())
        if call.gone or call.released:  # it ended between the event and the first run of this task
            call.stop()
        latest = loop.call_at(deadline + GRACE, call.no_more)
        try:
            await call.enough
        finally:
            latest.cancel()
        if not answering.done():
            # Once more: whatever it waits for in its own cleaning up is cut short. And a loop that was late for the
            # deadline was late for this as well, so give it a moment of its own.
            answering.cancel()
            await asyncio.wait([answering], timeout=LAST_MOMENT)
        if answering.done() and not answering.cancelled():
            return answering.result()
        if not answering.done():
            UNEXPECTED.labels("cancel").inc()
            call.log.error("turn.does_not_end", elapsed_ms=call.elapsed_ms(), turn=call.turn_id)
        if call.gone:
            self._reports.abandoned(call, self._pbx)
            return None
        return self._released("service_stopping") if call.released else self._answers.overdue(call)

    async def _answer(self, call: Call) -> Outcome:
        if not self._pbx and not self._identified.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(IDENTITY_WITHIN):
                    await self._identified.wait()
        return await self._answers.answer(call, self._pbx)

    async def _give_back(self, call: Call, outcome: Outcome) -> None:
        start = call.exact_ms()
        acting = call.acting = self._acting(call, outcome)
        if acting is not None and (call.gone or call.released):
            acting.break_off()
        try:
            delivery = await deliver(
                call.channel, outcome, fallback=self._answers.fallback(), gone=lambda: call.gone, acting=acting
            )
        except AriError as error:
            call.trace.delivered(start, call.exact_ms(), self._acted(call, acting))
            self._reports.not_delivered(call, self._pbx, outcome, error)
            return
        call.trace.delivered(start, call.exact_ms(), self._acted(call, acting))
        if delivery.given_back:
            self._reports.finished(call, self._pbx, delivery)
        else:
            self._reports.abandoned(call, self._pbx, outcome)

    def _acting(self, call: Call, outcome: Outcome) -> Acting | None:
        """What is to be done over ARI. Nothing for a turn that was discarded: its outcome has no actions."""
        if outcome.status is not Status.OK or not any(each.via == ARI for each in outcome.actions):
            return None
        return Acting(
            call.channel,
            outcome.actions,
            context=call.context,
            deadline=call.deadline,
            gone=lambda: call.gone,
            log=call.log.bind(turn=call.turn_id),
        )

    def _acted(self, call: Call, acting: Acting | None) -> list[ToolCallRecord]:
        """The actions for the history, beside the tools: what the model asked for, and what became of it."""
        return [record_of_action(each, call.started) for each in acting.results] if acting is not None else []

    def _count_active(self, change: int) -> None:
        self._active += change
        TURNS_ACTIVE.set(self._active)

    def _begin(self, what: Call | str) -> None:
        self._under_way.add(what)
        self._idle.clear()

    def _end(self, what: Call | str) -> None:
        self._under_way.discard(what)
        if not self._under_way:
            self._idle.set()

    def _busy(self) -> Outcome:
        error = TooManyCalls(f"{self._settings.ai_max_calls} calls are being served (AI_MAX_CALLS)")
        return Outcome(status=Status.BUSY, text=self._answers.fallback(), error=error.code, detail=str(error))

    def _released(self, error: str, detail: str = "") -> Outcome:
        return Outcome(status=Status.RELEASED, text=self._answers.fallback(), error=error, detail=detail)

    # -- channels without a turn

    def _served_channels(self) -> set[str]:
        return self._calls.keys() | {each for each in self._under_way if isinstance(each, str)}

    def _release(self, channel_id: str) -> None:
        if self._group is not None and self._ari is not None:
            self._begin(channel_id)
            # Each in a task of its own: one that Asterisk is slow to take back holds up no other.
            self._group.create_task(self._release_orphan(self._ari, channel_id), name=f"release {channel_id}")

    async def _release_orphan(self, ari: AriClient, channel_id: str) -> None:
        try:
            found, outcome = datetime.now(UTC), self._released("turn_lost", LOST)
            delivery = await release(ari.channel(channel_id), outcome, gone=lambda: channel_id in self._calls)
            if delivery is not None:
                self._reports.released(channel_id, self._pbx, delivery, found)
        finally:
            self._end(channel_id)
