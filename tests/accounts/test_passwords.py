"""Passwords: hashed, checked beside the event loop, remembered for a moment."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from argon2 import PasswordHasher

from app.accounts.errors import SignInBusy, UserInvalid
from app.accounts.passwords import REMEMBER, Passwords, check_password


class Counting(PasswordHasher):
    """Counts what is slow."""

    checks = 0

    def verify(self, hash: Any, password: Any) -> Any:
        self.checks += 1
        return super().verify(hash, password)


def counting() -> Counting:
    return Counting(time_cost=1, memory_cost=8, parallelism=1)


async def test_a_right_password_is_hashed_once_however_often_it_comes() -> None:
    hasher, now = counting(), [0.0]
    passwords = Passwords(hasher, clock=lambda: now[0])
    stored = await passwords.hash("a long password")
    assert stored.startswith("$argon2id$")
    found = await asyncio.gather(*(passwords.verify(stored, "ann", "a long password") for _ in range(10)))
    assert all(found)
    assert hasher.checks == 1
    now[0] = REMEMBER + 1
    assert await passwords.verify(stored, "ann", "a long password")
    assert hasher.checks == 2


async def test_what_is_remembered_of_one_hash_says_nothing_of_another() -> None:
    passwords = Passwords(counting())
    old, new = await passwords.hash("the old password"), await passwords.hash("the new password")
    assert await passwords.verify(old, "ann", "the old password")
    assert not await passwords.verify(new, "ann", "the old password")
    assert await passwords.verify(new, "ann", "the new password")


async def test_nobody_costs_one_hash_as_somebody_does_and_each_name_anew() -> None:
    hasher = counting()
    passwords = Passwords(hasher)
    stored = await passwords.hash("a long password")
    for number, (who, hashed) in enumerate([("ann", stored), ("bob", None), ("carl", None)], 1):
        assert not await passwords.verify(hashed, who, "wrong")
        assert hasher.checks == number
    assert not await passwords.verify(stored, "ann", "x" * 100_000)
    assert hasher.checks == 4


async def test_the_same_letter_typed_in_two_ways_is_one_password() -> None:
    passwords = Passwords(counting())
    assert await passwords.verify(
        await passwords.hash("caf\u00e9 caf\u00e9 caf\u00e9"), "ann", "cafe\u0301 " * 2 + "cafe\u0301"
    )


async def test_more_guesses_than_there_is_time_for_are_turned_away() -> None:
    passwords = Passwords(PasswordHasher(time_cost=1, memory_cost=8_000, parallelism=1))
    stored = await passwords.hash("a long password")
    guesses = [passwords.verify(stored, "ann", f"guess {n}") for n in range(60)]
    found = await asyncio.gather(*guesses, return_exceptions=True)
    assert sum(isinstance(each, SignInBusy) for each in found) == 60 - 16
    assert [each for each in found if not isinstance(each, SignInBusy)] == [False] * 16
    assert await passwords.verify(stored, "ann", "a long password")


async def test_the_hash_of_the_service_is_slow_enough_and_the_loop_goes_on_meanwhile() -> None:
    passwords = Passwords()
    stored = await passwords.hash("a long password")
    took, ticks = [], 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(0.001)
            ticks += 1

    ticker = asyncio.create_task(tick())
    for n in range(3):
        start = time.perf_counter()
        assert not await passwords.verify(stored, "ann", f"guess {n}")
        took.append(time.perf_counter() - start)
    ticker.cancel()
    await asyncio.wait((ticker,))
    assert 0.005 < min(took) < 0.5  # it is 0.05 on an idle machine
    assert ticks >= 5


@pytest.mark.parametrize(
    "password",
    ["hunter2", "Change-Me", "administrator", "Administrator1!", "a" * 1_001, "with a \0 in it", "\ud800" * 10],
)
def test_a_password_that_anybody_would_try_or_that_cannot_be_kept_is_refused(password: str) -> None:
    with pytest.raises(UserInvalid) as raised:
        check_password(password, name="Administrator")
    assert raised.value.field == "password"
    assert password not in str(raised.value)
