"""What a check is, and what it is given."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from app.core.settings import Settings
from app.doctor.finding import Finding


@dataclass(frozen=True, slots=True)
class Subject:
    """The installation that is examined.

    Attributes:
        env_file: Where the settings were read from; None: from the environment alone.
        online: Language models may be asked, which costs a few tokens.
        asterisk_config: Asterisk's configuration folder, looked at when Asterisk runs on this machine.
    """

    settings: Settings
    env_file: Path | None = None
    online: bool = False
    asterisk_config: Path = Path("/etc/asterisk")


@dataclass(frozen=True, slots=True)
class Check:
    """One part of the examination.

    Attributes:
        name: A word for programs.
        run: Looks, changes nothing, and says what it saw. It may raise: that becomes a finding too.
    """

    name: str
    run: Callable[[Subject], Awaitable[Sequence[Finding]]]
