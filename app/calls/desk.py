"""Answers to the model's questions about the telephone system, read over ARI from functions of the dialplan."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from app.ari.errors import AriRequestFailed
from app.ari.handles import Channel
from app.calls.errors import CannotTell

# What EXTENSION_STATE() says, in words for the model (Asterisk 16 to 22).
_STATES: Final[Mapping[str, str]] = {
    "NOT_INUSE": "free",
    "INUSE": "in a call",
    "BUSY": "busy",
    "RINGING": "ringing",
    "RINGINUSE": "in a call, and ringing",
    "ONHOLD": "in a call that is on hold",
    "HOLDINUSE": "in a call, with another on hold",
    "UNAVAILABLE": "not reachable now",
}


class ChannelDesk:
    """Asks by the caller's channel, which is in our application for as long as the turn runs."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    async def ask(self, kind: str, target: str) -> str:
        """See :meth:`app.agent.desk.CallDesk.ask`. ``target`` is on the prompt's list, and safe in a function."""
        return await (self._queue(target) if kind == "queue_state" else self._extension(target))

    async def _extension(self, target: str) -> str:
        state = await self._read(f"EXTENSION_STATE({target})", "func_extstate")
        if state not in _STATES:
            raise CannotTell(
                f"Asterisk knows no state of {target} (it says {state or 'nothing'}): the extension needs a hint in "
                "that context. Try: asterisk -rx 'core show hints'. On FreePBX hints are in ext-local."
            )
        return f"{target.partition('@')[0]} is {_STATES[state]}."

    async def _queue(self, queue: str) -> str:
        if await self._read(f"QUEUE_EXISTS({queue})", "app_queue") != "1":
            raise CannotTell(f"Asterisk has no queue {queue}. Try: asterisk -rx 'queue show'.")
        ready = await self._read(f"QUEUE_MEMBER({queue},ready)", "app_queue")
        logged = await self._read(f"QUEUE_MEMBER({queue},logged)", "app_queue")
        waiting = await self._read(f"QUEUE_WAITING_COUNT({queue})", "app_queue")
        return f"In the queue {queue}: callers waiting {waiting}, agents to be reached {logged}, of these free {ready}."

    async def _read(self, function: str, module: str) -> str:
        try:
            return await self._channel.get_variable(function) or ""
        except AriRequestFailed as error:
            if error.status != 500:
                raise
            raise CannotTell(f"Asterisk cannot read {function}: is the module {module}.so loaded?") from error
