"""Reading the log of a gateway that runs as a process."""

from __future__ import annotations

import io
import json
from pathlib import Path

from lab.service import Service


def test_the_log_is_skipped_by_lines_seen_also_when_old_ones_are_forgotten(tmp_path: Path) -> None:
    service = Service(tmp_path, {})
    capacity = service.log.maxlen
    assert capacity is not None
    service._read(_lines(0, capacity + 10))
    before = service.seen
    assert before == capacity + 10
    assert service.lines(skip=before) == []
    service._read(_lines(before, before + 2))
    assert [line["number"] for line in service.lines(skip=before)] == [before, before + 1]
    assert [line["number"] for line in service.lines(skip=before + 1)] == [before + 1]
    assert len(service.lines(skip=3)) == capacity


def _lines(first: int, last: int) -> io.BytesIO:
    return io.BytesIO(b"".join(json.dumps({"event": "x", "number": n}).encode() + b"\n" for n in range(first, last)))
