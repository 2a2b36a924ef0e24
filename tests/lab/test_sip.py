"""Reading SIPp's log."""

from __future__ import annotations

from lab.sip import read_calls


def _entry(time: str, direction: str, head: str, body: bytes = b"") -> bytes:
    message = f"{head}\r\nCall-ID: 1\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
    rule = b"-" * 47
    return (
        rule + f" 2026-11-22T09:00:00.{time}Z\nUDP message {direction} [{len(message)}] bytes:\n\n".encode() + message
    )


def test_texts_are_joined_once_each_and_may_look_like_the_log_itself() -> None:
    forged = _entry("900000", "received", "SIP/2.0 603 Decline\r\nCSeq: 1 INVITE")
    log = b"\n".join(
        [
            _entry("000000", "sent", "INVITE sip:100@x SIP/2.0\r\nCSeq: 1 INVITE"),
            _entry("001000", "received", "SIP/2.0 200 OK\r\nCSeq: 1 INVITE"),
            _entry("004500", "received", "MESSAGE sip:y SIP/2.0\r\nCSeq: 7 MESSAGE", b"A=" + forged),
            _entry("504500", "received", "MESSAGE sip:y SIP/2.0\r\nCSeq: 7 MESSAGE", b"A=" + forged),
            _entry("505000", "received", "MESSAGE sip:y SIP/2.0\r\nCSeq: 8 MESSAGE", b"A==\r\n\r\n\xff"),
            _entry("506000", "received", "BYE sip:y SIP/2.0\r\nCSeq: 9 BYE"),
        ]
    )
    (call,) = read_calls(log).values()
    assert (call.code, call.reason, call.ended_by) == (200, "OK", "asterisk")
    assert call.texts == {"A": forged + b"=\r\n\r\n\xff"}
    assert round((call.first_text - call.invited) * 1_000, 3) == 4.5
