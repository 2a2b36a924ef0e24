"""How a copy and what Redis has become one again."""

from __future__ import annotations

import asyncio

from app.memory.copies import Copy, Remote, Stored, Unsaved
from app.memory.redis_wire import Stamp

MAX = 4


def stored(at: int, writer: str = "me") -> Stored[str]:
    return Stored(Stamp(at, writer, at), f"{writer}{at}", size=10)


def remote(epoch: str | None, *turns: Stored[str], count: int | None = None, forgotten_at: int = 0) -> Remote[str]:
    return Remote(epoch, len(turns) if count is None else count, turns, forgotten_at, 60.0)


def copy(*turns: Stored[str], epoch: str | None = "e", unsaved: int = 0, count: int | None = None) -> Copy[str]:
    """A copy whose last ``unsaved`` turns wait."""
    loop = asyncio.get_running_loop()
    waiting = [Unsaved(turn.stamp, b"", loop.create_future()) for turn in turns[len(turns) - unsaved :]]
    return Copy(list(turns), len(turns) if count is None else count, epoch=epoch, synced=0, unsaved=waiting)


def texts(made: Copy[str]) -> list[str]:
    return [turn.turn for turn in made.turns]


async def test_in_the_same_epoch_redis_is_right_and_waiting_turns_stand_behind() -> None:
    made = copy(stored(1), stored(9), unsaved=1)
    made.merge(remote("e", stored(1), stored(20, "other")), MAX)
    assert texts(made) == ["me1", "other20", "me9"]
    assert (made.count, made.synced, made.restore, len(made.unsaved)) == (3, 2, False, 1)


async def test_what_redis_has_trimmed_does_not_come_back() -> None:
    made = copy(stored(1), stored(2))
    made.merge(remote("e", stored(2), stored(3, "other"), count=3), MAX)
    assert (texts(made), made.count, made.restore) == (["me2", "other3"], 3, False)


async def test_a_turn_that_redis_has_after_all_waits_no_longer() -> None:
    made = copy(stored(1), unsaved=1, epoch=None)
    waiting = made.unsaved[0]
    made.merge(remote("e", stored(1)), MAX)
    assert made.unsaved == []
    assert waiting.number.result() == 1


async def test_an_emptied_redis_gets_all_back_and_the_count_goes_on() -> None:
    made = copy(stored(57), stored(58), count=58)
    made.merge(remote(None), MAX)
    assert (texts(made), made.count, made.restore, made.synced) == (["me57", "me58"], 58, True, None)


async def test_an_emptied_redis_in_which_others_wrote_is_put_in_the_order_of_time() -> None:
    made = copy(stored(1), stored(3), count=10)
    made.merge(remote("new", stored(2, "other"), stored(4, "other")), MAX)
    assert texts(made) == ["me1", "other2", "me3", "other4"]
    assert (made.count, made.restore) == (12, True)


async def test_a_conversation_that_was_forgotten_elsewhere_does_not_come_back() -> None:
    made = copy(stored(1), stored(2), stored(9), unsaved=1)
    made.merge(remote("new", forgotten_at=5), MAX)
    assert (texts(made), made.count, made.restore, len(made.unsaved)) == (["me9"], 1, False, 1)


async def test_merging_twice_changes_nothing_more() -> None:
    made = copy(stored(1), stored(3), count=10)
    there = remote("new", stored(2, "other"))
    made.merge(there, MAX)
    once = (texts(made), made.count, made.restore)
    made.merge(there, MAX)
    assert (texts(made), made.count, made.restore) == once


async def test_more_waiting_turns_than_are_kept_are_sent_as_a_whole() -> None:
    made: Copy[str] = Copy()
    loop = asyncio.get_running_loop()
    for at in range(1, MAX + 2):
        turn = stored(at)
        made.add(turn, Unsaved(turn.stamp, b"", loop.create_future()), MAX)
    assert (len(made.turns), len(made.unsaved), made.count, made.restore) == (MAX, MAX, MAX + 1, True)


async def test_a_first_turn_after_forgetting_is_added_as_to_nothing_when_redis_was_emptied() -> None:
    made = copy(stored(1), epoch="forgotten", unsaved=1)
    made.merge(remote(None), MAX)
    # With the old epoch every write would be refused, for ever.
    assert (made.epoch, made.restore, len(made.unsaved)) == (None, False, 1)
