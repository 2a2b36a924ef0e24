"""Server-sent events, cut at any byte."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.llm.sse import EventTooLarge, SseDecoder

LINE_ENDS = st.sampled_from(["\n", "\r\n", "\r"])


def feed_in_pieces(decoder: SseDecoder, stream: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted(cut % (len(stream) + 1) for cut in cuts), len(stream)]
    events: list[bytes] = []
    for start, end in pairwise(edges):
        events += decoder.feed(stream[start:end])
    return events


@given(
    data=st.lists(st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"])), max_size=6),
    end=LINE_ENDS,
    cuts=st.lists(st.integers(min_value=0), max_size=12),
)
def test_events_survive_every_cut_and_every_kind_of_line_end(data: list[str], end: str, cuts: list[int]) -> None:
    # The LF after the last event lets the decoder see that a final CR was not the half of a CRLF.
    stream = "".join(f"data: {text}{end}{end}" for text in data).encode() + b"\n"
    assert feed_in_pieces(SseDecoder(), stream, cuts) == [text.encode() for text in data]


@given(stream=st.binary(max_size=400), cuts=st.lists(st.integers(min_value=0), max_size=12))
def test_cutting_changes_nothing_for_any_bytes(stream: bytes, cuts: list[int]) -> None:
    assert feed_in_pieces(SseDecoder(), stream, cuts) == SseDecoder().feed(stream)


@pytest.mark.parametrize(
    ("stream", "events"),
    [
        (b"data:no space\n\n", [b"no space"]),
        (b"data: two\ndata: lines\n\n", [b"two\nlines"]),
        (b": a comment\n\ndata: x\n\n", [b"x"]),
        (b"event: ping\nid: 7\nretry: 5\ndata: x\n\n", [b"x"]),
        (b"datax: other field\n\n", []),
        (b"\xef\xbb\xbfdata: after a byte order mark\n\n", [b"after a byte order mark"]),
        (b"data: never ended", []),
        (b"data\n\n", [b""]),
    ],
)
def test_fields_are_read_as_the_standard_says(stream: bytes, events: list[bytes]) -> None:
    assert SseDecoder().feed(stream) == events


@pytest.mark.parametrize("chunk", [b"x" * 100, b"data: " + b"x" * 100 + b"\n"])
def test_a_line_or_an_event_without_end_is_refused(chunk: bytes) -> None:
    with pytest.raises(EventTooLarge):
        feed_in_pieces(SseDecoder(max_event_bytes=1000), chunk * 20, list(range(0, 2000, 100)))
