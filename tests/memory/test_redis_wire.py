"""Names of keys and the form of elements."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.memory.redis_wire import Stamp, pack, redis_keys, unpack


@given(st.text(max_size=300))
def test_every_key_becomes_a_short_plain_name_in_one_hash_slot(key: str) -> None:
    turns, meta = redis_keys(key)
    assert meta == turns + ":meta"
    assert turns.isascii()
    assert turns.isprintable()
    assert len(turns) <= 220
    assert turns.startswith("ai:conv:{")
    assert turns.endswith("}")
    assert "}" not in turns[:-1]


@given(st.text(max_size=20), st.text(max_size=20))
def test_different_keys_have_different_names(one: str, other: str) -> None:
    assert (redis_keys(one) == redis_keys(other)) == (one == other)


def test_the_hash_of_a_key_cannot_be_taken_by_a_plain_one() -> None:
    hashed = redis_keys("a b")[0].removeprefix("ai:conv:{").removesuffix("}")
    assert redis_keys(hashed) != redis_keys("a b")


def test_a_channel_id_stays_readable() -> None:
    assert redis_keys("pbx1:1763800000.42")[0] == "ai:conv:{pbx1:1763800000.42}"


@given(st.integers(0, 2**50), st.from_regex(r"[0-9a-f]{16}", fullmatch=True), st.integers(1, 2**50), st.binary())
def test_an_element_gives_back_what_was_packed(at: int, writer: str, seq: int, data: bytes) -> None:
    assert unpack(pack(Stamp(at, writer, seq), data)) == (Stamp(at, writer, seq), data)


@pytest.mark.parametrize(
    "element", [b"", b"{}", b"2 1 w 1\nx", b"1 1 w\nx", b"1 x w 1\ny", b"1 1 \xff 1\nx", b"1 1 w 1"]
)
def test_what_is_no_element_is_refused(element: bytes) -> None:
    with pytest.raises(ValueError):
        unpack(element)
