"""One stay of a channel in our application: from StasisStart until it is back in the dialplan."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import structlog

from app.ari.events import StasisStart
from app.ari.handles import Channel
from app.calls.arguments import CallArguments, parse_arguments
from app.calls.outcome import Outcome


@dataclass(eq=False, slots=True)
class Call:
    """A dialplan turn in progress. A channel that comes back for its second turn is a second ``Call``.

    Attributes:
        started: Loop time of the StasisStart; the deadline counts from it.
        variables: For the prompt's template and the tools: what is known of the channel, and the dialplan's own keys.
        log: Bound to the channel's id and the conversation.
        answering: The task that makes the answer; cancelled at hang-up and at release. None until it runs.
        gone: The caller hung up, or something else took the channel out of our application.
        released: The service is stopping, and the channel goes back without its answer.
    """

    channel: Channel
    arguments: CallArguments
    started: float
    variables: Mapping[str, str]
    log: Any
    turn_id: str = field(default_factory=lambda: secrets.token_hex(8))
    answering: asyncio.Task[Outcome] | None = None
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
        )

    def hang_up(self) -> None:
        """The caller is gone: stop working for nobody."""
        self.gone = True
        self._stop()

    def release(self) -> None:
        """Give the channel back now, without its answer."""
        self.released = True
        self._stop()

    def _stop(self) -> None:
        if self.answering is not None:
            self.answering.cancel()


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
