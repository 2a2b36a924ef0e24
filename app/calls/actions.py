"""Doing over ARI what a turn asked for, when it has ended well and before the channel goes back to the dialplan.

Each action is tried once, in order, until the turn's deadline, the caller's hang-up or the service's stop; one that
fails is said and passed over, and never keeps the caller. Three facts of Asterisk 22.10 and 16.28 shape this: while it
sends digits, Asterisk holds up every other request about the channel (and, over the event socket, of all channels
behind it), so the digits' time is waited here; a ``continue`` waits for the end of a playback, so one is stopped in
time; and a ``continue`` to an extension that does not exist hangs the caller up, so it is asked for first.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from app.agent.events import ActionRequested
from app.ari.errors import AriConflict, AriError, AriNotFound, AriRequestFailed
from app.ari.handles import Channel
from app.calls.errors import ActionFailed, ActionLate, NoSuchExtension, SoundFailed
from app.calls.speakable import cut, harmless
from app.core.errors import GatewayError
from app.core.metrics import ACTIONS, UNEXPECTED
from app.prompts.prompt import LEAVING

# Seconds, as Asterisk sends digits when it is told nothing else: 100 ms each, 100 ms between, and a first pause.
DIGIT_SECONDS: Final = 0.2
DIGITS_BEGIN: Final = 0.15
# Seconds before the deadline at which a sound is stopped, for the requests that follow.
STOP_BEFORE: Final = 0.15
# Seconds that a turn may be over its deadline, by the loop's own delay, for its actions to begin still.
LATE: Final = 0.1
# Seconds after the deadline at which the last of them is given up: what is left of the promise is for the way back.
END: Final = 0.15


@dataclass(frozen=True, slots=True)
class Place:
    """Where a channel goes on in the dialplan. ``context`` None: the one that it came from."""

    context: str | None
    extension: str
    priority: int = 1


@dataclass(frozen=True, slots=True)
class Acted:
    """What became of one action.

    Attributes:
        error: The failure's code; empty: it was done.
        detail: What went wrong, or how it ended, as a sentence for the operator.
        start, end: Loop times.
    """

    action: ActionRequested
    error: str
    detail: str
    start: float
    end: float

    @property
    def ok(self) -> bool:
        """Whether it was done."""
        return not self.error


class Acting:
    """The actions of one turn that are done over ARI.

    Args:
        context: The dialplan's context that the channel came from.
        deadline: The turn's, in loop time.
        gone: Whether the caller has left; then nothing more is done.

    Attributes:
        results: What became of the actions so far.
    """

    def __init__(
        self,
        channel: Channel,
        actions: Sequence[ActionRequested],
        *,
        context: str,
        deadline: float,
        gone: Callable[[], bool],
        log: Any,
    ) -> None:
        self._channel = channel
        self._actions = [each for each in actions if each.via == "ari"]
        self._context = context
        self._deadline = deadline
        self._gone = gone
        self._log = log
        self._begun = False
        self._broken_off = False
        self._limit: asyncio.Timeout | None = None  # of the action that is under way
        self.results: list[Acted] = []
        # The one that ends our part of the call, once it was found possible.
        self._leaving: ActionRequested | None = None
        self._place: Place | None = None

    @property
    def variables(self) -> dict[str, str]:
        """What the dialplan is told of them; empty where there were none."""
        if not self.results:
            return {}
        failed = next((each for each in self.results if not each.ok), None)
        return {
            "AI_ACTION_DONE": "&".join(dict.fromkeys(each.action.action for each in self.results if each.ok)),
            "AI_ACTION_FAILED": failed.action.action if failed else "",
            "AI_ACTION_ERROR": failed.error if failed else "",
        }

    async def perform(self) -> None:
        """Do all but the leaving one, of which it is only seen whether it can be done. The second time nothing happens.

        Raises:
            AriNotFound, AriConflict: the channel is gone.
        """
        if self._begun:
            return
        self._begun = True
        for action in self._actions:
            if self._gone():
                return
            if action.action in LEAVING:
                await self._try(action, self._prepare)
            else:
                await self._try(action, self._do)

    def break_off(self) -> None:
        """Nobody waits for them any more, or the service stops: end the one that is under way, and begin no other."""
        self._broken_off = True
        if self._limit is not None and not self._limit.expired():
            self._limit.reschedule(asyncio.get_running_loop().time())

    async def leave(self) -> None:
        """Give the channel back to the dialplan: where the leaving action says, at the next priority without one, or to
        nobody, by hanging up.

        Raises:
            AriError: as the channel's requests do.
        """
        action = self._leaving
        if action is None:
            await self._channel.continue_in_dialplan()
            return
        try:
            if self._place is None:
                await self._channel.hangup()
            else:
                place = self._place
                await self._channel.continue_in_dialplan(place.context, place.extension, place.priority)
        except (AriNotFound, AriConflict):
            raise
        except AriError as error:
            if error.retryable:
                raise
            self._undone(action, error)
            await self._channel.set_variables(self.variables)
            await self._channel.continue_in_dialplan()

    def _undone(self, action: ActionRequested, error: GatewayError) -> None:
        now = asyncio.get_running_loop().time()
        self._leaving = None
        self.results = [each for each in self.results if each.action is not action]
        self._note(action, error.code, str(error), now)

    async def _try(self, action: ActionRequested, do: Callable[[ActionRequested], Any]) -> None:
        start = asyncio.get_running_loop().time()
        error, detail = "", ""
        try:
            self._may_begin(start)
            async with asyncio.timeout_at(self._deadline + END) as self._limit:
                detail = await do(action) or ""
        except (AriNotFound, AriConflict) as gone:
            self._note(action, gone.code, str(gone), start)
            raise
        except TimeoutError:
            late = "Asterisk had not answered when the turn's deadline came"
            error, detail = ActionLate.code, "broken off in its middle" if self._broken_off else late
        except GatewayError as failure:
            error, detail = failure.code, str(failure)
        except Exception:  # noqa: BLE001 - a fault of ours in an action must not keep the caller, who has an answer
            UNEXPECTED.labels("action").inc()
            self._log.exception("action.crashed", action=action.action)
            error, detail = ActionFailed.code, "it failed for a reason that nobody foresaw; the log has the trace"
        finally:
            self._limit = None
        self._note(action, error, detail, start)

    def _may_begin(self, now: float) -> None:
        if self._broken_off:
            raise ActionLate("the service is stopping, or the caller left")
        if now > self._deadline + LATE:
            raise ActionLate("the turn's deadline had passed before the action could begin")

    def _note(self, action: ActionRequested, error: str, detail: str, start: float) -> None:
        acted = Acted(action, error, detail, start, asyncio.get_running_loop().time())
        self.results.append(acted)
        ACTIONS.labels(action=action.action, outcome="ok" if acted.ok else "failed").inc()
        fields = {"action": action.action, "tool_arguments": {"data": action.data}, "detail": detail}
        if acted.ok:
            self._log.info("action.done", **fields)
        else:
            self._log.warning("action.failed", error=error, **fields)

    # -- what each does; a sentence says how it ended where that is worth one

    async def _prepare(self, action: ActionRequested) -> None:
        if action.action != "hangup":
            self._place = place_of(action.data)
            await self._must_exist(self._place)
        self._leaving = action

    async def _must_exist(self, place: Place) -> None:
        context = place.context or self._context
        try:
            there = await self._channel.has_extension(context, place.extension, place.priority)
        except AriRequestFailed as error:
            if error.status != 500:
                raise
            raise ActionFailed(
                "Asterisk cannot say whether the extension exists: is the module func_dialplan.so loaded?"
            ) from error
        if not there:
            raise NoSuchExtension(f"the dialplan has no {context},{place.extension},{place.priority}")

    async def _do(self, action: ActionRequested) -> str:
        match action.action:
            case "dtmf":
                return await self._dtmf(action.data)
            case "play":
                return await self._play(action.data)
            case "hold":
                await (self._channel.unhold() if action.data == "off" else self._channel.hold())
            case "set_variable":
                name, _, value = action.data.partition("=")
                await self._channel.set_variables({name: cut(harmless(value))})
            case "originate":
                return await self._originate(action)
            case _:
                raise ActionFailed(f"the service knows no action {action.action}; let the dialplan do it")
        return ""

    async def _dtmf(self, digits: str) -> str:
        needed = DIGITS_BEGIN + DIGIT_SECONDS * len(digits)
        left = self._left()
        if needed > left:
            raise ActionLate(f"{len(digits)} digits take {needed:.1f} seconds, and {max(0, left):.1f} were left")
        await self._channel.dtmf(digits)
        await asyncio.sleep(needed)
        return ""

    async def _play(self, sound: str) -> str:
        left = self._left() - STOP_BEFORE
        if left <= 0:
            raise ActionLate("no time was left to play it")
        playback = await self._channel.play(f"sound:{sound}")
        ended = False
        try:
            heard = await playback.finished(left)
            ended = True
        except TimeoutError:
            return f"stopped at the turn's deadline, after {left:.1f} seconds"
        finally:
            if not ended:
                # A channel goes on in the dialplan only when nothing is played to it; so also where its end is unknown.
                with contextlib.suppress(AriError):
                    await playback.stop()
                playback.abandon()
        if not heard and not self._gone():
            raise SoundFailed(f"Asterisk could not play {sound}: is there such a file in the channel's language?")
        return ""

    async def _originate(self, action: ActionRequested) -> str:
        place = place_of(action.place)
        await self._must_exist(place)
        channel_id = await self._channel.originate(
            action.data,
            context=place.context or self._context,
            extension=place.extension,
            priority=place.priority,
            caller_id=action.caller_id,
        )
        return f"channel {channel_id}"

    def _left(self) -> float:
        return self._deadline - asyncio.get_running_loop().time()


def place_of(text: str) -> Place:
    """``200``, ``200@context`` or ``context,200,1``: as an allow-list has it, so it is not checked again."""
    context, comma, rest = text.partition(",")
    if comma:
        extension, _, priority = rest.partition(",")
        return Place(context, extension, int(priority or 1))
    extension, _, context = text.partition("@")
    return Place(context or None, extension)


def dialplan_data(action: ActionRequested, context: str) -> str:
    """``AI_ACTION_DATA``: as the application that carries it out takes it. A place without a context gets the call's,
    since whoever reads the variable may stand in another one."""
    if action.action != "leave":
        return action.data
    place = place_of(action.data)
    there = place.context or context
    return ",".join([*([there] if there else []), place.extension, str(place.priority)])
