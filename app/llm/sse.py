"""Server-sent events: bytes in, the data of each event out. No I/O.

The rules are those of the HTML standard, 9.2.6 "Interpreting an event stream": lines end with LF, CR or CRLF; a line
that begins with a colon is a comment; the ``data`` fields of an event are joined with LF; an empty line ends the
event; an event that the end of the stream cuts off is dropped.
"""

from __future__ import annotations

_BOM = b"\xef\xbb\xbf"


class EventTooLarge(Exception):
    """One event, or one line without an end, is larger than the decoder's limit."""


class SseDecoder:
    """Cuts a byte stream into events. It may be fed at any byte boundary.

    Args:
        max_event_bytes: The largest event that is held in memory.
    """

    def __init__(self, max_event_bytes: int = 2_097_152) -> None:
        self._max = max_event_bytes
        self._buffer = b""
        self._scanned = 0  # no line ends in the buffer before this offset
        self._data: list[bytes] = []  # the data lines of the event that is being read
        self._data_bytes = 0
        self._started = False  # whether the byte order mark has been looked for

    def feed(self, chunk: bytes) -> list[bytes]:
        """The data of every event that ``chunk`` completes.

        Raises:
            EventTooLarge: The limit is passed. The decoder must not be used afterwards.
        """
        buffer = self._buffer + chunk if self._buffer else chunk
        if not self._started:
            if len(buffer) < len(_BOM) and _BOM.startswith(buffer):
                self._buffer = buffer
                return []
            self._started = True
            buffer = buffer.removeprefix(_BOM)
        events: list[bytes] = []
        start, scan = 0, self._scanned
        while True:
            end, following = _line_end(buffer, scan)
            if end < 0:
                break
            self._line(buffer[start:end], events)
            start = scan = following
        self._buffer = buffer[start:]
        # A final CR is looked at again with the next chunk, since an LF may follow it.
        self._scanned = max(0, len(self._buffer) - 1)
        if len(self._buffer) > self._max:
            raise EventTooLarge
        return events

    def _line(self, line: bytes, events: list[bytes]) -> None:
        if not line:
            if self._data:
                events.append(self._data[0] if len(self._data) == 1 else b"\n".join(self._data))
                self._data = []
                self._data_bytes = 0
            return
        if not line.startswith(b"data"):
            return
        if line.startswith(b"data: "):
            value = line[6:]
        elif line.startswith(b"data:"):
            value = line[5:]
        elif line == b"data":
            value = b""
        else:
            return
        self._data.append(value)
        self._data_bytes += len(value)
        if self._data_bytes > self._max:
            raise EventTooLarge


def _line_end(buffer: bytes, start: int) -> tuple[int, int]:
    """Where the line ends and where the next one begins; (-1, -1) when its end has not arrived."""
    feed = buffer.find(b"\n", start)
    carriage = buffer.find(b"\r", start, feed if feed >= 0 else len(buffer))
    if carriage < 0:
        return (feed, feed + 1) if feed >= 0 else (-1, -1)
    if carriage == len(buffer) - 1:
        return -1, -1
    return carriage, carriage + (2 if buffer[carriage + 1 : carriage + 2] == b"\n" else 1)
