"""One stay of a channel in our application: from StasisStart until it is back in the dialplan."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import structlog

from app.ari.events import StasisStart
from app.ari.handles import Channel
from app.calls.arguments import CallArguments, parse_arguments
from app.calls.outcome import Outcome
from app.calls.trace import Trace

if TYPE_CHECKING:
    from app.calls.actions import Acting

# Seconds that a turn which was cancelled, at its deadline or at hang-up, may take to end. Libraries clean up when they
# are cancelled, and some of them wait for the network in that; a caller does not wait for them.
GRACE = 0.1


@dataclass(eq=False, slots=True)
class Call:
    """A dialplan turn in progress. A channel that comes back for its second turn is a second ``Call``.

    Attributes:
        started: Loop time of the StasisStart; the deadline counts from it.
        variables: For the prompt's template and the tools: what is known of the channel, and the dialplan's own keys.
        context: The dialplan's context that the channel came from.
        deadline: Loop time at which the turn must be over; 0 until its prompt is known.
        log: Bound to the channel's id and the conversation.
        trace: What the history keeps of the turn.
        answering: The task that makes the answer; cancelled at hang-up and at release. None until it runs.
        acting: What is being done over ARI; broken off at hang-up and at release. None until the answer is there.
        enough: Done when nobody waits for ``answering`` any more, whether it ends or not. None until it runs.
        gone: The caller hung up, or something else took the channel out of our application.
        released: The service is stopping, and the channel goes back without its answer.
    """

    channel: Channel
    arguments: CallArguments
    started: float
    variables: Mapping[str, str]
    log: Any
    context: str = ""
    deadline: float = 0.0
    turn_id: str = field(default_factory=lambda: secrets.token_hex(8))
    trace: Trace = field(default_factory=Trace)
    answering: asyncio.Task[Outcome] | None = None
    acting: Acting | None = None
    enough: asyncio.Future[None] | None = None
    gone: bool = False
    released: bool = False

    @property
    def conversation(self) -> str:
        """The dialplan's key of the conversation."""
        return self.arguments.conversation or self.channel.id

    @classmethod
    def begin(cls, event: StasisStart, channel: Channel, now: float) -> Call:
        """Read a StasisStart event."""
        arguments = parse_arguments(event.args)
        log = structlog.get_logger("app.calls").bind(call=channel.id, conversation=arguments.conversation or channel.id)
        for complaint in arguments.ignored:
            log.warning("arguments.ignored", detail=complaint)
        return cls(
            channel=channel,
            arguments=arguments,
            started=now,
            # What Asterisk knows of the channel goes before keys of the same name: words that a caller speaks may look
            # like a key, and must not become the caller's number for a tool.
            variables={**arguments.variables, **channel_facts(event)},
            log=log,
            context=event.channel.dialplan.context,
        )

    def elapsed_ms(self) -> int:
        """Milliseconds since the channel came to us."""
        return round(self.exact_ms())

    def exact_ms(self) -> float:
        """The same, not rounded."""
        return (asyncio.get_running_loop().time() - self.started) * 1000

    def hang_up(self) -> None:
        """The caller is gone: stop working for nobody."""
        self.gone = True
        self.stop()

    def release(self) -> None:
        """Give the channel back now, without its answer."""
        self.released = True
        self.stop()

    def stop(self) -> None:
        """Cancel the answer, and wait only a little for its end. Actions that are under way are broken off."""
        if self.acting is not None:
            self.acting.break_off()
        if self.answering is not None and not self.answering.done():
            self.answering.cancel()
            asyncio.get_running_loop().call_later(GRACE, self.no_more)

    def no_more(self) -> None:
        """Whatever the answer's task is still doing, go on without it."""
        if self.enough is not None and not self.enough.done():
            self.enough.set_result(None)


def channel_facts(event: StasisStart) -> dict[str, str]:
    """What every prompt and tool may use of the channel, by the names that ``docs/dialplan.md`` lists."""
    channel = event.channel
    return {
        "caller_number": channel.caller.number,
        "caller_name": channel.caller.name,
        "called_number": channel.dialplan.exten,
        "channel_id": channel.id,
        "channel_name": channel.name,
        "language": channel.language,
    }
