"""Where the labs that somebody started by hand can be called."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from lab.asterisk import Asterisk
from lab.process import lives
from lab.roots import lab_folder


@dataclass(frozen=True)
class Running:
    """What ``up`` and the demo leave for ``call``: where their Asterisk listens for SIP."""

    host: str
    sip_port: int

    @staticmethod
    def file(version: str, pid: int) -> Path:
        """Where the lab of the process ``pid`` keeps it."""
        return lab_folder() / f"{version}.running.{pid}.json"

    @classmethod
    @contextmanager
    def announce(cls, asterisk: Asterisk) -> Iterator[None]:
        """Leave it for ``python -m lab call``, for the length of a block."""
        place = cls.file(asterisk.version, os.getpid())
        place.write_text(json.dumps(asdict(cls(asterisk.host, asterisk.sip_port))))
        try:
            yield
        finally:
            place.unlink(missing_ok=True)

    @classmethod
    def living(cls, version: str = "forky") -> list[Running]:
        """The labs whose process lives, the newest first. What dead ones left is removed."""
        found: list[tuple[int, Running]] = []
        for place in lab_folder().glob(f"{version}.running.*.json"):
            with suppress(OSError, ValueError):  # it ended while we looked, or is just being written
                if lives(int(place.name.split(".")[2])):
                    found.append((place.stat().st_mtime_ns, cls(**json.loads(place.read_text()))))
                else:
                    place.unlink()
        return [running for _, running in sorted(found, key=lambda pair: pair[0], reverse=True)]
