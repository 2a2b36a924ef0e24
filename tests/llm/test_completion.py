"""The stream of a chat completion, without a network."""

from __future__ import annotations

import contextlib
from itertools import pairwise
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.llm import completion
from app.llm.completion import UNREADABLE, CompletionStream, ErrorEvent, Finish, Malformed, read_whole

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
ARGUMENTS = st.dictionaries(TEXT, st.one_of(TEXT, st.integers(-(2**53), 2**53), st.booleans()), max_size=3)


def event(delta: dict[str, Any] | None = None, finish: str | None = None, **more: Any) -> bytes:
    choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish}]
    return b"data: " + orjson.dumps({"model": "m", "choices": choices, **more}) + b"\n\n"


DONE = b"data: [DONE]\n\n"


def read(stream: bytes, cuts: list[int] | None = None) -> tuple[str, Finish]:
    edges = [0, *sorted(cut % (len(stream) + 1) for cut in cuts or []), len(stream)]
    reader = CompletionStream()
    text = "".join([reader.feed(stream[start:end]) for start, end in pairwise(edges)])
    return text, reader.end()


def call(index: int, *, name: str | None = None, arguments: str = "", id: str | None = None) -> dict[str, Any]:
    function = {"arguments": arguments} if name is None else {"name": name, "arguments": arguments}
    part: dict[str, Any] = {"index": index, "function": function}
    return {"tool_calls": [part if id is None else {**part, "id": id, "type": "function"}]}


@given(
    texts=st.lists(TEXT, max_size=5),
    calls=st.lists(ARGUMENTS, max_size=3),
    split=st.integers(0, 100),
    cuts=st.lists(st.integers(min_value=0), max_size=20),
)
def test_any_answer_survives_every_cut(
    texts: list[str], calls: list[dict[str, Any]], split: int, cuts: list[int]
) -> None:
    stream = event({"role": "assistant", "content": ""}) + b"".join(event({"content": text}) for text in texts)
    for index, arguments in enumerate(calls):
        whole = orjson.dumps(arguments).decode()
        middle = split % (len(whole) + 1)
        stream += event(call(index, name=f"tool_{index}", id=f"c{index}"))
        stream += event(call(index, arguments=whole[:middle])) + event(call(index, arguments=whole[middle:]))
    stream += event({}, "tool_calls" if calls else "stop")
    stream += event(usage={"prompt_tokens": 3, "completion_tokens": 4}) + DONE

    text, finish = read(stream, cuts)

    assert text == "".join(texts)
    assert [orjson.loads(made.arguments) for made in finish.tool_calls] == calls
    assert [made.id for made in finish.tool_calls] == [f"c{index}" for index in range(len(calls))]
    assert finish.usage == {"prompt_tokens": 3, "completion_tokens": 4}


@given(
    whole=st.just(
        event({"content": "Hello"})
        + event(call(0, name="get_order", id="c", arguments='{"order_id": "A1042"}'))
        + event({}, "tool_calls")
    ),
    data=st.data(),
)
def test_an_answer_that_stops_before_its_finish_reason_is_never_taken_for_whole(whole: bytes, data: Any) -> None:
    length = data.draw(st.integers(0, len(whole) - 2))
    with pytest.raises(Malformed, match="middle"):
        read(whole[:length])


def test_interleaved_calls_are_put_together_by_their_index() -> None:
    stream = event(call(0, name="a", id="x", arguments='{"n"')) + event(call(1, name="b", id="y", arguments='{"m"'))
    stream += event(call(1, arguments=": 2}")) + event(call(0, arguments=": 1}")) + event({}, "tool_calls") + DONE
    _, finish = read(stream)
    assert [(made.name, made.arguments) for made in finish.tool_calls] == [("a", '{"n": 1}'), ("b", '{"m": 2}')]


def test_calls_without_an_index_are_taken_one_by_one() -> None:
    parts = [{"id": f"c{n}", "function": {"name": "t", "arguments": f'{{"n": {n}}}'}} for n in range(2)]
    _, finish = read(b"".join(event({"tool_calls": [part]}) for part in parts) + event({}, "tool_calls") + DONE)
    assert [made.arguments for made in finish.tool_calls] == ['{"n": 0}', '{"n": 1}']


def test_arguments_sent_as_an_object_are_read() -> None:
    part = {"index": 0, "id": "c", "function": {"name": "t", "arguments": {"n": 1}}}
    _, finish = read(event({"tool_calls": [part]}, "tool_calls") + DONE)
    assert orjson.loads(finish.tool_calls[0].arguments) == {"n": 1}


@pytest.mark.parametrize("arguments", ['{"order_id": "A1', "[1]", '"A1"', "{order_id: A1}"])
def test_broken_arguments_come_through_as_something_that_nobody_can_complete(arguments: str) -> None:
    stream = event(call(0, name="get_order", id="c", arguments=arguments)) + event({}, "tool_calls") + DONE
    _, finish = read(stream)
    assert [(made.name, made.arguments) for made in finish.tool_calls] == [("get_order", UNREADABLE)]


def test_a_call_without_a_name_is_malformed() -> None:
    with pytest.raises(Malformed, match="name"):
        read(event(call(0, id="c", arguments="{}")) + event({}, "tool_calls") + DONE)


@pytest.mark.parametrize("index", [{"index": 0}, {}], ids=["always 0", "none"])
@pytest.mark.parametrize("whole", [True, False])
def test_calls_that_only_their_ids_tell_apart_stay_apart(index: dict[str, int], whole: bool) -> None:
    parts: list[dict[str, Any]] = []
    for n in range(3):
        first = "" if not whole else f'{{"n": {n}}}'
        parts.append({**index, "id": f"c{n}", "function": {"name": "t", "arguments": first}})
        if not whole:
            parts += [{**index, "function": {"arguments": text}} for text in ('{"n": ', f"{n}}}")]
    _, finish = read(b"".join(event({"tool_calls": [part]}) for part in parts) + event({}, "tool_calls") + DONE)
    assert [(made.id, made.arguments) for made in finish.tool_calls] == [(f"c{n}", f'{{"n": {n}}}') for n in range(3)]


def test_an_id_and_a_name_that_are_repeated_with_each_piece_are_one_call() -> None:
    parts = [{"index": 0, "id": "c", "function": {"name": "t", "arguments": text}} for text in ('{"n"', ": 1}")]
    _, finish = read(b"".join(event({"tool_calls": [part]}) for part in parts) + event({}, "tool_calls") + DONE)
    assert [made.arguments for made in finish.tool_calls] == ['{"n": 1}']


@pytest.mark.parametrize("reason", ["length", "content_filter", "insufficient_system_resource"])
def test_tool_calls_of_an_answer_that_was_cut_off_are_dropped(reason: str) -> None:
    stream = event({"content": "Let me see."}) + event(
        call(0, name="get_order", id="c", arguments='{"order_id": "A1"}')
    )
    text, finish = read(stream + event({}, reason) + DONE)
    assert (text, finish.reason, finish.tool_calls) == ("Let me see.", reason, ())


def test_a_finish_reason_is_enough_without_done() -> None:
    assert read(event({"content": "Hi"}) + event({}, "stop"))[0] == "Hi"


@pytest.mark.parametrize(
    "tail",
    [
        b"data: {oops\n\n",
        b"data: 7\n\n",
        b'data: {"error": {"message": "too late"}}\n\n',
        event({"content": " More."}),
        event(usage={"prompt_tokens": "many"}),
    ],
)
def test_what_follows_the_finish_reason_takes_nothing_back_and_adds_nothing(tail: bytes) -> None:
    text, finish = read(event({"content": "Hi"}) + event({}, "stop") + tail)
    assert (text, finish.reason) == ("Hi", "stop")


@pytest.mark.parametrize(
    ("said", "heard"),
    [
        ("<think>The caller wants < 3.</think>\n\nHello.", "Hello."),
        ("\n<think>\n</think>Hello. </think>", "Hello. </think>"),
        ("<think>It never ends", ""),
        ("<thin", "<thin"),
        ("< 3 is <think>", "< 3 is <think>"),
        (" Hello.", " Hello."),
        ("", ""),
    ],
)
@pytest.mark.parametrize("size", [1, 3, 100])
def test_thoughts_are_not_spoken(said: str, heard: str, size: int) -> None:
    pieces = [said[start : start + size] for start in range(0, len(said), size)]
    reader = CompletionStream()
    chunks = [*(event({"content": piece}) for piece in pieces), event({}, "stop"), DONE]
    assert "".join(reader.feed(chunk) for chunk in chunks).lstrip("\n") == heard
    message = {"role": "assistant", "content": said}
    text, _ = read_whole(orjson.dumps({"choices": [{"message": message, "finish_reason": "stop"}]}))
    assert text.lstrip("\n") == heard


def test_an_empty_answer_is_an_answer() -> None:
    text, finish = read(event({}, "stop") + DONE)
    assert (text, finish.reason) == ("", "stop")


def test_nothing_at_all_is_not() -> None:
    with pytest.raises(Malformed):
        read(b"")


def test_a_refusal_is_spoken() -> None:
    assert read(event({"refusal": "I will not."}) + event({}, "stop"))[0] == "I will not."


def test_a_line_that_is_no_field_is_ignored_and_an_event_that_is_no_json_is_not() -> None:
    assert read(b"garbage\n\n" + event({"content": "Hi"}, "stop"))[0] == "Hi"
    with pytest.raises(Malformed, match="not JSON"):
        read(b"data: {oops\n\n")


@pytest.mark.parametrize(
    "data", [b"[]", b"7", b'{"choices": 7}', b'{"choices": [7]}', b'{"choices": [{"delta": "x"}]}']
)
def test_json_of_another_form_is_malformed_or_ignored_but_never_a_crash(data: bytes) -> None:
    with pytest.raises(Malformed):
        read(b"data: " + data + b"\n\n")


def test_what_was_said_is_not_in_an_error() -> None:
    with pytest.raises(Malformed) as caught:
        read(b'data: {"choices": [{"delta": {"content": "Your PIN is 4711"}}]\n\n')
    assert "PIN" not in str(caught.value)
    with pytest.raises(Malformed, match="upstream connect error"):
        read(b"data: upstream connect error\n\n")


KEYS = st.sampled_from(
    ["choices", "delta", "tool_calls", "function", "content", "arguments", "index", "usage", "finish_reason", "name"]
)
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)


@given(value=ANY_JSON)
def test_no_json_value_makes_the_reader_crash(value: Any) -> None:
    with contextlib.suppress(Malformed, ErrorEvent):
        read(b"data: " + orjson.dumps(value) + b"\n\n")


def test_an_error_in_the_middle_of_the_stream_is_reported() -> None:
    with pytest.raises(ErrorEvent) as caught:
        read(event({"content": "Hi"}) + b'data: {"error": {"message": "overloaded", "code": 503}}\n\n')
    assert caught.value.body["error"]["code"] == 503


def feed_100_times(reader: CompletionStream, chunk: bytes) -> None:
    for _ in range(100):
        reader.feed(chunk)


def test_an_endless_text_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(completion, "MAX_TEXT", 1000)
    reader = CompletionStream()
    with pytest.raises(Malformed, match="more than 1,000 characters"):
        feed_100_times(reader, event({"content": "word " * 10}))


def test_endless_bytes_that_say_nothing_are_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(completion, "MAX_BYTES", 1000)
    reader = CompletionStream()
    with pytest.raises(Malformed, match="without end"):
        feed_100_times(reader, b": keep-alive\n\n")


def test_an_answer_that_was_not_streamed_is_read() -> None:
    message = {"role": "assistant", "content": "Hello", "tool_calls": None}
    body = orjson.dumps({"model": "m", "choices": [{"message": message, "finish_reason": "stop"}], "usage": None})
    text, finish = read_whole(body)
    assert (text, finish.reason, finish.usage) == ("Hello", "stop", None)
