"""Slowing down who guesses passwords."""

from __future__ import annotations

from app.api.throttle import FORGET_AFTER, FREE_GUESSES, FREE_GUESSES_IN_ALL, LoginThrottle


def guess(throttle: LoginThrottle, address: str, times: int, now: float = 0.0, start: int = 0) -> None:
    for number in range(start, start + times):
        throttle.wrong(address, "admin", f"guess {number}", now)


def test_a_few_mistakes_cost_nothing() -> None:
    throttle = LoginThrottle()
    guess(throttle, "192.0.2.1", FREE_GUESSES)
    assert throttle.wait("192.0.2.1", "admin", 0.0) == 0


def test_each_further_guess_doubles_the_wait_up_to_a_minute() -> None:
    throttle = LoginThrottle()
    guess(throttle, "192.0.2.1", FREE_GUESSES)
    waits = []
    for number in range(8):
        guess(throttle, "192.0.2.1", 1, start=100 + number)
        waits.append(throttle.wait("192.0.2.1", "admin", 0.0))
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60]
    assert throttle.wait("192.0.2.1", "admin", 59.5) == 1
    assert throttle.wait("192.0.2.1", "admin", 60.0) == 0


def test_the_same_wrong_password_again_is_no_guess() -> None:
    throttle = LoginThrottle()
    for second in range(100):
        throttle.wrong("192.0.2.1", "admin", "the one of before the restart", float(second))
    assert throttle.wait("192.0.2.1", "admin", 100.0) == 0


def test_the_right_password_and_time_forgive() -> None:
    throttle = LoginThrottle()
    guess(throttle, "192.0.2.1", FREE_GUESSES)
    throttle.right("192.0.2.1", "admin", 0.0)
    guess(throttle, "192.0.2.1", 1)
    assert throttle.wait("192.0.2.1", "admin", 0.0) == 0
    guess(throttle, "192.0.2.2", FREE_GUESSES)
    guess(throttle, "192.0.2.2", 1, now=FORGET_AFTER + 1, start=50)
    assert throttle.wait("192.0.2.2", "admin", FORGET_AFTER + 1) == 0


def test_an_ipv6_host_cannot_change_its_address_within_its_network() -> None:
    throttle = LoginThrottle()
    for number in range(FREE_GUESSES + 1):
        throttle.wrong(f"2001:db8::{number:x}", "admin", f"guess {number}", 0.0)
    assert throttle.wait("2001:db8::ffff", "admin", 0.0) == 1
    assert throttle.wait("2001:db8:0:1::1", "admin", 0.0) == 0


def test_the_table_is_bounded_and_drops_the_quietest() -> None:
    throttle = LoginThrottle(max_guessers=3)
    guess(throttle, "192.0.2.1", FREE_GUESSES + 1)
    for last in range(2, 5):
        guess(throttle, f"192.0.2.{last}", 1)
    assert len(throttle) == 3
    assert throttle.wait("192.0.2.1", "admin", 0.0) == 0


def test_what_is_no_address_takes_no_more_memory_than_one() -> None:
    throttle = LoginThrottle()
    guess(throttle, "x" * 60_000, FREE_GUESSES + 1)
    assert throttle.wait("x" * 60_000, "admin", 0.0) == 1
    assert max(len(address) + len(name) for address, name in throttle._pairs) <= 128


def test_who_guesses_at_one_name_locks_out_neither_another_name_nor_another_address() -> None:
    throttle = LoginThrottle()
    guess(throttle, "192.0.2.1", FREE_GUESSES + 4)
    assert throttle.wait("192.0.2.1", "ADMIN ", 0.0) > 0
    assert throttle.wait("192.0.2.1", "ann", 0.0) == 0
    assert throttle.wait("192.0.2.2", "admin", 0.0) == 0


def test_who_tries_many_names_is_slowed_down_but_not_those_who_signed_in_from_there() -> None:
    throttle = LoginThrottle()
    throttle.right("192.0.2.1", "ann", 0.0)
    for number in range(FREE_GUESSES_IN_ALL + 3):
        throttle.wrong("192.0.2.1", f"name {number}", "summer", 1.0)
    assert throttle.wait("192.0.2.1", "bob", 1.0) == 4
    assert throttle.wait("192.0.2.1", "ann", 1.0) == 0
    throttle.right("192.0.2.1", "own login of the guesser", 1.0)
    assert throttle.wait("192.0.2.1", "bob", 1.0) == 4
