"""Runs the doctor for the web interface: one examination at a time, and not anew for everybody who looks."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from app.core.settings import Settings
from app.doctor.check import Check, Subject
from app.doctor.finding import Finding
from app.doctor.in_force import masked_for
from app.doctor.run import CHECKS, examine

# Seconds that findings are shown again without a new look, and those within which two presses of a button are one.
FRESH: Final = 30.0
AT_ONCE: Final = 3.0


@dataclass(frozen=True, slots=True)
class Examination:
    """What the doctor saw.

    Attributes:
        at: When it was over; aware, UTC.
        online: Language models were asked, too.
    """

    at: datetime
    online: bool
    findings: Sequence[Finding]

    def of(self, *checks: str) -> list[Finding]:
        """The findings of these checks."""
        return [finding for finding in self.findings if finding.check in checks]


class Examinations:
    """The last one, and the next.

    Attributes:
        last: None: there was none since the start.
    """

    def __init__(self, checks: Sequence[Check] = CHECKS) -> None:
        self._checks = checks
        self._lock = asyncio.Lock()
        self.last: Examination | None = None

    async def get(self, settings: Settings, *, online: bool = False, no_older_than: float = FRESH) -> Examination:
        """One that is not older than so many seconds: the last, or a new one, which takes up to half a minute.

        Args:
            online: Language models are to be asked, which costs a few tokens.
        """
        async with self._lock:
            last = self.last
            if last is not None and last.online >= online and _age(last) <= timedelta(seconds=no_older_than):
                return last
            found = await examine(Subject(settings, settings.read_from, online), self._checks)
            safe = [
                replace(each, detail=masked_for(settings, each.detail), remedy=masked_for(settings, each.remedy))
                for each in found
            ]
            self.last = Examination(datetime.now(UTC), online, safe)
            return self.last


def _age(examination: Examination) -> timedelta:
    return datetime.now(UTC) - examination.at
