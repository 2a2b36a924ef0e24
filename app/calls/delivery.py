"""Giving a channel back to the dialplan with its variables: the last step of every call, and the product's promise."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import structlog

from app.ari.errors import AriConflict, AriError, AriNotFound
from app.ari.handles import Channel
from app.calls.actions import Acting
from app.calls.outcome import Outcome, Status
from app.calls.variables import channel_variables

# How long a finished answer is kept for a channel while Asterisk cannot be reached. Channels of a restarted Asterisk
# are gone, and those of one that is only slow are found by the stock-taking afterwards.
GIVE_UP_AFTER = 60.0
RETRY_EVERY = 0.2

logger = structlog.get_logger("app.calls")


@dataclass(slots=True)
class Delivery:
    """What the channel was given.

    Attributes:
        outcome: The one that was to be delivered, or the failure in its place where Asterisk refused its variables.
        variables: Those that Asterisk took; empty where it took none.
        given_back: False when the channel had left before it could be given back: the caller hung up.
    """

    outcome: Outcome
    variables: Mapping[str, str] = field(default_factory=dict)
    given_back: bool = False


async def deliver(
    channel: Channel, outcome: Outcome, *, fallback: str, gone: Callable[[], bool], acting: Acting | None = None
) -> Delivery:
    """Set the variables and continue the channel in the dialplan at its next priority.

    Tries again while Asterisk does not answer, for up to :data:`GIVE_UP_AFTER` seconds. Setting the same variables
    twice does no harm, and a second ``continue`` finds the channel gone. Variables that Asterisk refuses do not keep
    the channel: it goes on with the ``fallback`` sentence and ``AI_STATUS=ERROR``, or with nothing at all.

    Args:
        gone: Whether the channel left meanwhile, and perhaps came back for another turn. A second try would then throw
            it out of that one.
        acting: What is done over ARI in between: once, and only if Asterisk took the outcome's own variables. The
            channel then goes where the leaving action says, if there is one that can be done.

    Raises:
        AriError: Asterisk could not be reached for so long, or refuses to continue the channel.
    """
    give_up = asyncio.get_running_loop().time() + GIVE_UP_AFTER
    # A "continue" was sent whose answer did not come. If the channel is not there any more, it worked.
    asked = False
    delivery = Delivery(outcome)
    while True:
        asking = False
        try:
            await _set_variables(channel, delivery, fallback)
            with_actions = acting is not None and delivery.outcome is outcome
            if acting is not None and with_actions:
                await _act(channel, delivery, acting)
            asking = True
            if acting is not None and with_actions:
                await acting.leave()
            else:
                await channel.continue_in_dialplan()
        except (AriNotFound, AriConflict):
            delivery.given_back = asked
            return delivery
        except AriError as error:
            if not error.retryable or asyncio.get_running_loop().time() > give_up:
                raise
            asked = asked or asking
        else:
            delivery.given_back = True
            return delivery
        await asyncio.sleep(RETRY_EVERY)
        if gone():
            delivery.given_back = asked
            return delivery


async def _act(channel: Channel, delivery: Delivery, acting: Acting) -> None:
    """Raises AriError: a retryable one, or the channel is gone."""
    await acting.perform()
    results = acting.variables
    if not results or results.items() <= delivery.variables.items():
        return
    delivery.variables = {**delivery.variables, **results}
    try:
        await channel.set_variables(results)
    except AriError as error:
        _raise_unless_refused(error)


async def _set_variables(channel: Channel, delivery: Delivery, fallback: str) -> None:
    """Set all variables, or what the caller needs to go on, and note which.

    Raises:
        AriError: a retryable one, or the channel is gone.
    """
    outcome = delivery.outcome
    variables = delivery.variables or channel_variables(outcome)
    try:
        await channel.set_variables(variables)
    except AriError as error:
        _raise_unless_refused(error)
        logger.error("variables.refused", status=outcome.status.value, error=error.code, detail=str(error))
        # All of them, or the dialplan would speak the answer of the turn before, and do its action again.
        failure = Outcome(Status.ERROR, fallback, error=error.code, detail=str(error), latency_ms=outcome.latency_ms)
        variables = channel_variables(failure)
        delivery.outcome = failure
        try:
            await channel.set_variables(variables)
        except AriError as again:
            _raise_unless_refused(again)
            variables = {}
    delivery.variables = variables


def _raise_unless_refused(error: AriError) -> None:
    if error.retryable or isinstance(error, AriNotFound | AriConflict):
        raise error
