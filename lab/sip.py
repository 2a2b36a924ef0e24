"""What SIPp logged of its calls, read back: a state of the calls from the messages, without I/O.

The log (``-trace_msg``) is a sequence of ``-----... <time>``, ``UDP message received [<bytes>] bytes:``, an empty line
and the message as it was on the wire.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

_ENTRY = re.compile(rb"-{20,} (\S+?)Z?\r?\nUDP message (sent|received) \[(\d+)\] bytes ?:\r?\n\r?\n")


@dataclass(frozen=True, slots=True)
class Message:
    """One SIP message of the log. ``time`` is in seconds."""

    time: float
    sent: bool
    start_line: str
    headers: dict[str, str]
    body: bytes


@dataclass(slots=True)
class Call:
    """What happened in one call, as far as its messages tell. Times are seconds on one clock.

    Attributes:
        code, reason: The final answer to the INVITE; 0 when none came.
        texts: What Asterisk sent, by name; several pieces of one name are joined.
        digits: DTMF that Asterisk sent as SIP INFO.
        ended_by: ``asterisk``, ``caller``, or empty when nobody hung up.
    """

    invited: float = 0.0
    first_text: float = 0.0
    code: int = 0
    reason: str = ""
    ended_by: str = ""
    digits: str = ""
    texts: dict[str, bytes] = field(default_factory=dict)
    _seen: set[str] = field(default_factory=set)

    def take(self, message: Message) -> None:
        """Note one message."""
        method = message.headers.get("cseq", "").rpartition(" ")[2]
        if message.start_line.startswith("SIP/2.0"):
            code = int(message.start_line.split()[1])
            if method == "INVITE" and not message.sent and code >= 200:
                self.code, self.reason = code, message.start_line.split(" ", 2)[2]
        elif method == "INVITE" and message.sent:
            self.invited = self.invited or message.time
        elif method == "BYE":
            self.ended_by = self.ended_by or ("caller" if message.sent else "asterisk")
        elif method == "MESSAGE" and not message.sent:
            self._take_text(message)
        elif method == "INFO" and not message.sent:
            self._take_digit(message)

    def _take_digit(self, message: Message) -> None:
        if message.headers["cseq"] in self._seen:
            return
        self._seen.add(message.headers["cseq"])
        for line in message.body.decode("utf-8", "replace").splitlines():
            name, _, value = line.partition("=")
            if name.strip().lower() == "signal":
                self.digits += value.strip()

    def _take_text(self, message: Message) -> None:
        number = message.headers["cseq"]
        if number in self._seen:  # sent again, because our answer was late
            return
        self._seen.add(number)
        self.first_text = self.first_text or message.time
        name, _, value = message.body.partition(b"=")
        key = name.decode("utf-8", "replace")
        self.texts[key] = self.texts.get(key, b"") + value


def read_calls(log: bytes) -> dict[str, Call]:
    """The calls in a log, by their Call-ID."""
    calls: dict[str, Call] = {}
    for message in read_messages(log):
        calls.setdefault(message.headers.get("call-id", ""), Call()).take(message)
    return calls


def read_messages(log: bytes) -> Iterator[Message]:
    """The messages in a log, in its order."""
    position = 0
    while entry := _ENTRY.search(log, position):
        position = entry.end() + int(entry[3])
        head, _, rest = log[entry.end() : position].partition(b"\r\n\r\n")
        start, *lines = head.decode("utf-8", "replace").split("\r\n")
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        # SIPp ends its own messages with an empty line that Content-Length does not count.
        body = rest[: int(headers.get("content-length", len(rest)))]
        moment = datetime.fromisoformat(entry[1].decode()).timestamp()
        yield Message(moment, entry[2] == b"sent", start, headers, body)
