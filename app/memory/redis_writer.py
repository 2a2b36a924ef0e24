"""What goes to Redis: new turns, whole conversations that it has lost, and the word that one was forgotten."""

from __future__ import annotations

import asyncio
import secrets
from contextlib import suppress
from itertools import islice
from typing import Final, Generic, TypeVar

import structlog

from app.memory.copies import Copy, Unsaved
from app.memory.errors import MemoryFailure
from app.memory.interface import Codec
from app.memory.redis_server import Appending, RedisServer, Replacing, WrongType
from app.memory.redis_wire import pack
from app.memory.shelf import Shelf

T = TypeVar("T")
log = structlog.get_logger(__name__)

# Conversations in one round trip.
BATCH: Final = 64


class RedisWriter(Generic[T]):
    """Writes what the shelf calls dirty. One task at a time may use it; what fails stays dirty.

    Attributes:
        emptied: Redis was seen to be empty of something that we have: all copies are to be compared.
    """

    def __init__(self, shelf: Shelf[T], server: RedisServer[T], codec: Codec[T], *, max_turns: int) -> None:
        self._shelf = shelf
        self._server = server
        self._codec = codec
        self._max_turns = max_turns
        self.emptied = False

    async def write_all(self, timeout: float) -> None:
        """Until nothing is dirty. ``timeout``: seconds for each question. Raises MemoryFailure."""
        while self.emptied or self._shelf.dirty:
            if self.emptied:
                await self._compare_all(timeout)
            await self._write_batch(timeout)

    async def _compare_all(self, timeout: float) -> None:
        """Find the conversations that Redis has lost, so that they are restored before another instance asks."""
        shelf = self._shelf
        keys = [key for key, copy in shelf.copies.items() if copy.epoch is not None and key not in shelf.dirty]
        self.emptied = False
        try:
            for start in range(0, len(keys), BATCH):
                part = keys[start : start + BATCH]
                for key, epoch in zip(part, await self._server.epochs(part, timeout), strict=True):
                    copy = shelf.copies.get(key)
                    now = asyncio.get_running_loop().time()
                    if copy is not None and copy.turns and epoch is None and copy.expires_at > now:
                        copy.restore = True
                        shelf.dirty[key] = None
        except MemoryFailure:
            self.emptied = True
            raise

    async def _write_batch(self, timeout: float) -> None:
        shelf = self._shelf
        sent: list[tuple[Copy[T], list[Unsaved], int]] = []
        request: list[Appending] = []
        for key in list(islice(shelf.dirty, BATCH)):
            if key in shelf.forgets:
                await self._write_forget(key, timeout)
            copy = shelf.copies.get(key)
            if copy is None or not (copy.unsaved or copy.restore):
                shelf.written(key)
            elif copy.restore:
                await self._write_whole(key, copy, timeout)
            else:
                waiting = list(copy.unsaved)
                sent.append((copy, waiting, copy.count))
                turns = [(item.stamp.seq, item.element) for item in waiting]
                request.append(Appending(key, copy.epoch, _epoch(), turns))
        if not request:
            return
        answers = await self._server.append(request, timeout)
        for asked, (copy, waiting, count), answer in zip(request, sent, answers, strict=True):
            if isinstance(answer, MemoryFailure):
                self._refused(asked.key, answer)
            elif answer[1] < 0:
                copy.restore = True
                self.emptied = self.emptied or not answer[0]
            else:
                with shelf.counting(copy):
                    copy.confirmed(waiting, count, *answer)
            shelf.written(asked.key)

    async def _write_whole(self, key: str, copy: Copy[T], timeout: float) -> None:
        """Merge with what Redis has, and put the result in place if it lacks something of it."""
        shelf = self._shelf
        try:
            remote = await self._server.read(key, timeout)
            with shelf.counting(copy):
                copy.merge(remote, self._max_turns)
            if copy.restore and shelf.copies.get(key) is copy:
                waiting, count, epoch = list(copy.unsaved), copy.count, _epoch()
                writable = [stored for stored in copy.turns if stored.size]
                elements = [pack(stored.stamp, self._codec.dumps(stored.turn)) for stored in writable]
                item = Replacing(key, remote.epoch, remote.count, epoch, count, copy.last_seqs(), elements)
                if await self._server.replace(item, timeout):
                    with shelf.counting(copy):
                        copy.restore = False
                        copy.confirmed(waiting, count, epoch, count)
                    log.info("memory.conversation_restored", conversation=key, turns=len(elements))
        except WrongType as error:
            self._refused(key, error)
        shelf.written(key)

    async def _write_forget(self, key: str, timeout: float) -> None:
        moment = self._shelf.forgets[key]
        with suppress(WrongType):
            await self._server.forget(key, _epoch(), moment, timeout)
        if self._shelf.forgets.get(key) == moment:
            del self._shelf.forgets[key]

    def _refused(self, key: str, error: MemoryFailure) -> None:
        """Redis will never take this conversation: go on with the copy alone."""
        log.error("memory.conversation_refused", conversation=key, error=str(error))
        self._shelf.give_up(key)


def _epoch() -> str:
    return secrets.token_hex(6)
