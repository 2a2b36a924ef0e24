"""The clock: a wrong one breaks TLS to the providers, and two different ones make logs hard to read."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

from app.ari.errors import AriError
from app.ari.requests import Request
from app.doctor.asterisk import ari_of, ask
from app.doctor.check import Subject
from app.doctor.finding import Finding, fail, ok, warn

# This version did not exist before.
EARLIEST: Final = datetime(2026, 1, 1, tzinfo=UTC)
# Seconds between Asterisk's clock and ours that make no difference to a reader.
TOLERANCE: Final = 2.0


async def check_clock(subject: Subject) -> Sequence[Finding]:
    """Ours against this version's age, and against Asterisk's where it can be asked."""
    now = datetime.now(UTC)
    if now < EARLIEST:
        return [fail("Clock", f"it says {now:%Y-%m-%d}", "Set it: timedatectl set-ntp true")]
    if subject.settings.asterisk_ari_url:
        try:
            async with ari_of(subject.settings) as ari:
                difference = _difference(await ask(ari, Request("GET", "asterisk/ping")))
        except AriError:
            difference = None  # said by the check of Asterisk
        if difference is not None and abs(difference) > TOLERANCE:
            side = "ahead of" if difference > 0 else "behind"
            detail = f"Asterisk's is {abs(difference):.0f} s {side} this machine's"
            return [warn("Clock", detail, "On both machines: timedatectl set-ntp true")]
        if difference is not None:
            return [ok("Clock", f"{now:%Y-%m-%d %H:%M:%S} UTC, as Asterisk's")]
    return [ok("Clock", f"{now:%Y-%m-%d %H:%M:%S} UTC")]


def _difference(answer: Any) -> float | None:
    """Seconds by which Asterisk's clock is ahead."""
    try:
        theirs = datetime.strptime(answer["timestamp"], "%Y-%m-%dT%H:%M:%S.%f%z")
    except (KeyError, TypeError, ValueError):
        return None
    return (theirs - datetime.now(UTC)).total_seconds()
