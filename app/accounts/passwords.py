"""Passwords: argon2id, computed beside the event loop, and what was found kept for a moment.

HTTP Basic sends the password with every request, and a page makes several at once.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import time
import unicodedata
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from app.accounts.errors import SignInBusy, UserInvalid
from app.core.settings import PLACEHOLDER_SECRETS
from app.db.values import text_problem

# 19 MiB and one lane, as OWASP's cheat sheet on password storage has it, with one pass more than it asks for: about
# 50 ms on a small server, which has calls to serve. argon2-cffi's own default takes 270 ms and four threads there.
_HASHER: Final = PasswordHasher(time_cost=3, memory_cost=19_456, parallelism=1)

SHORTEST: Final = 10  # characters
MAX_BYTES: Final = 1_000
# Characters that a password has beside the user's name, if that is in it.
_BESIDES_NAME: Final = 6
REMEMBER: Final = 300.0  # seconds
_MAX_REMEMBERED: Final = 1_024
_MAX_WAITING: Final = 16


def check_password(password: str, *, name: str) -> None:
    """Raise UserInvalid for a password that is too easy, or that cannot be kept."""
    problem = text_problem(password, max_bytes=MAX_BYTES)
    if problem is None and len(password) < SHORTEST:
        problem = f"is shorter than {SHORTEST} characters"
    if problem is None and password.casefold() in PLACEHOLDER_SECRETS:
        problem = "is the first that anybody would try; choose another one"
    if problem is None and _little_more_than(name.strip().casefold(), password.casefold()):
        problem = "is little more than the name; choose one that the name does not tell"
    if problem:
        raise UserInvalid(f"The password {problem}.", field="password")


def _little_more_than(name: str, password: str) -> bool:
    return bool(name) and name in password and len(password.replace(name, "")) < _BESIDES_NAME


class Passwords:
    """Makes and checks hashes, one at a time, each in a thread: what calls need of the processor goes first.

    What was checked is remembered by a digest that is keyed with a random key of this process, and made of the stored
    hash too: a changed password is never answered from memory. Wrong ones are remembered as well, so that a forgotten
    browser tab costs nothing.
    """

    def __init__(self, hasher: PasswordHasher = _HASHER, clock: Callable[[], float] = time.monotonic) -> None:
        self._hasher = hasher
        self._clock = clock
        self._key = secrets.token_bytes(32)
        self._known: OrderedDict[bytes, tuple[bool, float]] = OrderedDict()
        self._one = asyncio.Lock()
        self._waiting = 0
        # What a name that is nobody's is checked against, so that it takes the same time. Made at first need.
        self._nobody: str | None = None

    async def hash(self, password: str) -> str:
        """The hash to store. Cancelled, it stops waiting; the thread ends by itself."""
        async with self._one:
            return await asyncio.to_thread(self._hasher.hash, _normal(password))

    def outdated(self, stored: str) -> bool:
        """Whether the hash was made with other parameters than today's, and should be made again."""
        try:
            return self._hasher.check_needs_rehash(stored)
        except InvalidHashError:
            return True

    async def verify(self, stored: str | None, name_key: str, password: str) -> bool:
        """Whether ``password`` belongs to ``stored``. None, for nobody, takes the same time and is always wrong.

        Raises:
            SignInBusy: too many are waiting.
        """
        digest = self._digest(stored, name_key, password)
        known = self._remembered(digest)
        if known is not None:
            return known
        if self._waiting >= _MAX_WAITING:
            raise SignInBusy("Too many sign-ins at once. Try again in a few seconds.")
        self._waiting += 1
        try:
            async with self._one:
                known = self._remembered(digest)  # another request of the same page was first
                if known is not None:
                    return known
                right = await asyncio.to_thread(self._check, stored, password)
        finally:
            self._waiting -= 1
        self._known[digest] = (right, self._clock() + REMEMBER)
        while len(self._known) > _MAX_REMEMBERED:
            self._known.popitem(last=False)
        return right

    def _check(self, stored: str | None, password: str) -> bool:
        if self._nobody is None:
            self._nobody = self._hasher.hash(secrets.token_hex(16))
        if len(password.encode("utf-8", "replace")) > MAX_BYTES:
            stored, password = None, ""
        try:
            self._hasher.verify(stored or self._nobody, _normal(password))
        except (VerificationError, InvalidHashError):
            return False
        return stored is not None

    def _digest(self, stored: str | None, name_key: str, password: str) -> bytes:
        text = f"{stored or ''}\0{name_key}\0{password}".encode("utf-8", "replace")
        return hashlib.blake2b(text, key=self._key, digest_size=32).digest()

    def _remembered(self, digest: bytes) -> bool | None:
        found = self._known.get(digest)
        if found is None or found[1] < self._clock():
            return None
        return found[0]


def _normal(password: str) -> str:
    # The same letter can be typed as one code point or as two, by keyboard and system.
    return unicodedata.normalize("NFC", password)
