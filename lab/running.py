"""Where a lab that somebody started by hand can be called."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from lab.asterisk import Asterisk
from lab.roots import lab_folder


@dataclass(frozen=True)
class Running:
    """What ``up`` leaves for ``call``: where Asterisk listens for SIP."""

    host: str
    sip_port: int

    @staticmethod
    def file(version: str = "forky") -> Path:
        """Where it is kept."""
        return lab_folder() / f"{version}.running.json"

    @classmethod
    @contextmanager
    def announce(cls, asterisk: Asterisk) -> Iterator[None]:
        """Leave it for ``python -m lab call``, for the length of a block."""
        place = cls.file(asterisk.version)
        place.write_text(json.dumps(asdict(cls(asterisk.host, asterisk.sip_port))))
        try:
            yield
        finally:
            place.unlink(missing_ok=True)
