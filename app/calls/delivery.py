"""Giving a channel back to the dialplan with its variables: the last step of every call, and the product's promise."""

from __future__ import annotations

import asyncio

from app.ari.client import AriClient
from app.ari.errors import AriConflict, AriError, AriNotFound
from app.ari.handles import Channel
from app.calls.outcome import Outcome
from app.calls.variables import channel_variables

# How long a finished answer is kept for a channel while Asterisk cannot be reached. Channels of a restarted Asterisk
# are gone, and those of one that is only slow are found by the stock-taking afterwards.
GIVE_UP_AFTER = 60.0
RETRY_EVERY = 0.2


async def deliver(ari: AriClient, channel: Channel, outcome: Outcome) -> bool:
    """Set the variables and continue the channel in the dialplan at its next priority.

    Tries again while Asterisk does not answer, for up to :data:`GIVE_UP_AFTER` seconds. Setting the same variables
    twice does no harm, and a second ``continue`` finds the channel gone.

    Returns:
        False when the channel had left before it could be given back: the caller hung up.

    Raises:
        AriError: Asterisk could not be reached for so long, or refuses to continue the channel.
    """
    give_up = asyncio.get_running_loop().time() + GIVE_UP_AFTER
    variables = channel_variables(outcome)
    while True:
        try:
            try:
                await channel.set_variables(variables)
            except (AriNotFound, AriConflict):
                return False
            except AriError as error:
                if error.retryable:
                    raise
                # Refused for a reason of its own, such as a size. The caller still goes on, with the word to decide by.
                await channel.set_variables({"AI_ERROR": error.code, "AI_STATUS": "ERROR"})
            await channel.continue_in_dialplan()
        except (AriNotFound, AriConflict):
            return False
        except AriError as error:
            if not error.retryable or asyncio.get_running_loop().time() > give_up:
                raise
            await asyncio.sleep(RETRY_EVERY)
        else:
            return True
