"""The protocol without I/O: recorded messages in, events and answers out; requests in, frames out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.ari.counters import AriCounters
from app.ari.errors import AriTooLarge
from app.ari.events import (
    ApplicationReplaced,
    ChannelDestroyed,
    ChannelHangupRequest,
    ChannelVarset,
    Event,
    PlaybackFinished,
    StasisEnd,
    StasisStart,
    UnknownEvent,
)
from app.ari.protocol import MAX_FRAME, Answered, AriProtocol
from app.ari.requests import Request

RECORDED = Path(__file__).parent / "recorded"


def recorded(name: str) -> list[str]:
    messages: list[str] = json.loads((RECORDED / f"{name}.json").read_text())
    return messages


@pytest.fixture
def protocol() -> AriProtocol[str]:
    return AriProtocol(AriCounters())


def counters(protocol: AriProtocol[str]) -> AriCounters:
    return protocol._counters


def events(protocol: AriProtocol[str], name: str) -> list[Event]:
    received = [protocol.receive(text.encode()) for text in recorded(name)]
    return [message for message in received if isinstance(message, Event)]


@pytest.mark.parametrize("name", ["asterisk-22", "asterisk-16"])
def test_a_recorded_call_reads_the_same_from_both_servers(protocol: AriProtocol[str], name: str) -> None:
    call = events(protocol, name)

    start = next(event for event in call if isinstance(event, StasisStart))
    assert start.args == ("a", "b")
    assert start.channel.id == "one"
    assert start.channel.state == "Up"
    assert start.channel.dialplan.app_data.endswith(",a,b")
    assert start.application == "ai_ari_app"
    assert start.timestamp.startswith("20")
    assert start.channel_ids() == ("one",)
    word = [event for event in call if isinstance(event, ChannelVarset) and event.variable == "WORD"]
    assert all(event.value == 'grüße, "quoted"' for event in word)
    played = next(event for event in call if isinstance(event, PlaybackFinished))
    assert (played.playback.id, played.channel_ids()) == ("tone-1", ("one",))
    assert {event.channel.id for event in call if isinstance(event, StasisEnd)} == {"one", "one;2"}
    assert "one" in {event.channel.id for event in call if isinstance(event, ChannelHangupRequest)}
    destroyed = [event for event in call if isinstance(event, ChannelDestroyed) and event.channel.id == "one"]
    assert (destroyed[0].cause, destroyed[0].cause_txt) == (0, "Unknown")
    assert isinstance(call[-1], ApplicationReplaced)
    assert counters(protocol).malformed == 0


@pytest.mark.parametrize("name", ["asterisk-22", "asterisk-16"])
def test_a_type_without_a_class_arrives_whole(protocol: AriProtocol[str], name: str) -> None:
    unknown = [event for event in events(protocol, name) if isinstance(event, UnknownEvent)]

    assert [event.type for event in unknown] == ["ChannelUserevent"]
    assert unknown[0].event_type == "ChannelUserevent"
    assert unknown[0].raw["eventname"] == "Weather"
    assert unknown[0].application == "ai_ari_app"
    assert unknown[0].channel_ids() == ("one",)
    assert counters(protocol).unknown_events == 1


def test_recorded_answers_find_those_who_asked(protocol: AriProtocol[str]) -> None:
    for waiter in ("ping", "nobody", "answer", "variable"):
        protocol.send(Request("GET", "whatever"), waiter)

    received = [protocol.receive(text) for text in recorded("asterisk-22")]
    answers = {each.waiter: each.response for each in received if isinstance(each, Answered)}

    assert answers["ping"].status_code == 200
    assert json.loads(answers["ping"].message_body or "")["ping"] == "pong"
    assert (answers["nobody"].status_code, answers["nobody"].reason_phrase) == (404, "Not Found")
    assert (answers["answer"].status_code, answers["answer"].message_body) == (204, None)
    assert json.loads(answers["variable"].message_body or "") == {"value": 'grüße, "quoted"'}
    assert protocol.pending == 0


def test_answers_may_come_in_any_order(protocol: AriProtocol[str]) -> None:
    first, _ = protocol.send(Request("GET", "a"), "first")
    second, _ = protocol.send(Request("GET", "b"), "second")

    order = [protocol.receive(answer_to(request_id)) for request_id in (second, first)]

    assert [each.waiter for each in order if isinstance(each, Answered)] == ["second", "first"]


def test_a_frame_is_what_asterisk_documents(protocol: AriProtocol[str]) -> None:
    request = Request("POST", "channels/1.2/variable", {"variable": "A b", "report_events": True}, {"value": 'ü"'})

    request_id, frame = protocol.send(request, "me")

    assert json.loads(frame) == {
        "type": "RESTRequest",
        "transaction_id": request_id,
        "request_id": request_id,
        "method": "POST",
        "uri": "channels/1.2/variable",
        "query_strings": [{"name": "variable", "value": "A b"}, {"name": "report_events", "value": "true"}],
        "content_type": "application/json",
        "message_body": '{"value":"ü\\""}',
    }


def test_a_request_without_a_body_says_nothing_of_one(protocol: AriProtocol[str]) -> None:
    _, frame = protocol.send(Request("GET", "asterisk/ping"), "me")

    assert set(json.loads(frame)) == {"type", "transaction_id", "request_id", "method", "uri"}


def test_the_longest_frame_that_asterisk_takes_is_sent_and_no_longer_one(protocol: AriProtocol[str]) -> None:
    _, empty = protocol.send(Request("POST", "x", body=""), "probe")
    room = MAX_FRAME - len(empty)

    _, longest = protocol.send(Request("POST", "x", body="v" * room), "fits")
    assert len(longest) == MAX_FRAME
    with pytest.raises(AriTooLarge, match="65535"):
        protocol.send(Request("POST", "x", body="v" * (room + 1)), "too long")
    assert protocol.pending == 2


def test_an_answer_that_nobody_waits_for_is_dropped_and_counted(protocol: AriProtocol[str]) -> None:
    request_id, _ = protocol.send(Request("GET", "a"), "gone")
    protocol.forget(request_id)

    assert protocol.receive(answer_to(request_id)) is None
    assert counters(protocol).late_answers == 1
    assert protocol.receive(answer_to("never asked")) is None
    assert counters(protocol).late_answers == 2
    assert counters(protocol).malformed == 0


def test_a_request_that_asterisk_could_not_read_is_counted_as_our_fault(protocol: AriProtocol[str]) -> None:
    text = (
        '{"type":"RESTResponse","transaction_id":"","request_id":"","status_code":400,'
        '"reason_phrase":"Failed to parse request message JSON","uri":""}'
    )

    assert protocol.receive(text) is None
    assert counters(protocol).malformed == 1


def test_at_a_loss_all_who_wait_are_named_in_their_order_and_then_forgotten(protocol: AriProtocol[str]) -> None:
    for waiter in ("first", "second", "third"):
        protocol.send(Request("GET", waiter), waiter)

    assert protocol.lose() == ["first", "second", "third"]
    assert protocol.lose() == []
    assert protocol.receive(answer_to("2")) is None


def test_fields_that_nobody_knows_do_no_harm(protocol: AriProtocol[str]) -> None:
    text = json.dumps(
        {
            "type": "StasisStart",
            "args": [],
            "mood": {"a": [1]},
            "channel": {"id": "c", "tenantid": "t", "future": None, "caller": {"name": "", "number": "7", "x": 1}},
        }
    )

    event = protocol.receive(text)

    assert isinstance(event, StasisStart)
    assert event.channel.caller.number == "7"


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"no json",
        b"[]",
        b"{}",
        b'{"type":7}',
        b'{"type":"StasisStart"}',
        b'{"type":"StasisStart","channel":{"id":5}}',
        b'{"type":"StasisStart","args":"x","channel":{"id":"c"}}',
        b'{"type":"RESTResponse","request_id":"1"}',
        b'{"type":"Unknown","a":',
        b'{"type":"StasisStart","args":["\xff\xfe"],"channel":{"id":"c"}}',
        b"[" * 100_000,
    ],
)
def test_a_malformed_message_is_skipped_and_counted_and_the_next_one_is_read(
    protocol: AriProtocol[str], text: bytes
) -> None:
    assert protocol.receive(text) is None
    assert counters(protocol).malformed == 1
    assert isinstance(protocol.receive('{"type":"StasisEnd","channel":{"id":"c"}}'), StasisEnd)


@given(
    st.binary(max_size=60)
    | st.recursive(st.none() | st.integers() | st.text(), st.lists, max_leaves=4).map(
        lambda value: json.dumps(value).encode()
    )
)
def test_nothing_that_asterisk_could_send_raises(text: bytes) -> None:
    AriProtocol[str](AriCounters()).receive(text)


@given(
    st.dictionaries(
        st.sampled_from(["type", "channel", "args", "request_id", "status_code"]),
        st.text() | st.integers() | st.just("StasisStart") | st.just({"id": "x"}),
    )
)
def test_no_mixture_of_fields_raises(message: dict[str, Any]) -> None:
    AriProtocol[str](AriCounters()).receive(json.dumps(message))


def answer_to(request_id: str) -> str:
    return json.dumps({"type": "RESTResponse", "request_id": request_id, "status_code": 204})
