"""What pages share of the state: each thing is read for all of them together."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from app.api.examination import Examinations
from app.api.sampling import Sampled, Watchers
from app.core.security import readable_password

if TYPE_CHECKING:
    from app.schemas.calls import BucketBody, StatisticsBody
    from app.schemas.setup import SetupBody
    from app.schemas.status import StatusBody

# Seconds between two looks at the state, and at what the history's tables are counted for. What is drawn from them adds
# little to their age.
STATE_EVERY: Final = 1.0
COUNTED_EVERY: Final = 10.0
DRAWN_EVERY: Final = 0.5
# Hours that the dashboard shows.
RANGES: Final = (1, 24, 168)


@dataclass(slots=True)
class Samples:
    """All of them.

    Attributes:
        today: None: the database does not answer.
        statistics: By hours up to now.
        openapi: The document about the API, as it is sent. Drawn once: it cannot change while the service runs.
        suggested_password: For a user in Asterisk, where there is none yet; the same on every page until a restart.
        rendered: Parts of pages by name, as they are sent to all who watch.
    """

    status: Sampled[StatusBody] = field(default_factory=lambda: Sampled(STATE_EVERY))
    setup: Sampled[SetupBody] = field(default_factory=lambda: Sampled(STATE_EVERY))
    today: Sampled[BucketBody | None] = field(default_factory=lambda: Sampled(COUNTED_EVERY))
    statistics: dict[int, Sampled[StatisticsBody]] = field(
        default_factory=lambda: {hours: Sampled(COUNTED_EVERY) for hours in RANGES}
    )
    rendered: dict[str, Sampled[bytes]] = field(
        default_factory=lambda: {name: Sampled(DRAWN_EVERY) for name in ("api", "dashboard", "start")}
    )
    openapi: Sampled[bytes] = field(default_factory=lambda: Sampled(math.inf))
    examinations: Examinations = field(default_factory=Examinations)
    watchers: Watchers = field(default_factory=Watchers)
    suggested_password: str = field(default_factory=readable_password, repr=False)
