"""The filter of the list of calls, as it stands in the page's address. What is wrong is said beside its field, and the
rest still filters."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, get_args
from urllib.parse import urlencode

from app.api.calls import within
from app.history.record import FAILED
from app.history.store import CallFilter, ConversationSort
from app.web.call_words import STATUSES
from app.web.forms import Form

# Quick choices: word, and how far back. "today" begins at midnight, where the browser is.
PERIODS: Final = {
    "hour": ("Last hour", timedelta(hours=1)),
    "today": ("Today", timedelta()),
    "7d": ("Last 7 days", timedelta(days=7)),
    "30d": ("Last 30 days", timedelta(days=30)),
}
STATUS_CHOICES: Final = (
    ("", "Any"),
    (FAILED, "Any failure"),
    *((status, f"{words.word} ({status})") for status, words in STATUSES.items()),
)
SORTS: Final = get_args(ConversationSort)

_LONGEST: Final = {"number": 80, "prompt": 100, "tool": 100, "text": 100}
_FAR_OFF: Final = 14 * 60  # minutes that a zone is east or west of UTC, at most
_CONTROL: Final = re.compile(r"[\x00-\x1f]")


@dataclass(frozen=True, slots=True)
class Active:
    """One filter that is in force, for the summary above the list.

    Attributes:
        names: The query's parameters that make it; without them it is gone.
        moment: Shown after ``text``, in the browser's zone.
    """

    names: tuple[str, ...]
    text: str
    moment: datetime | None = None


@dataclass(frozen=True, slots=True)
class CallQuery:
    """What the address asks for.

    Attributes:
        period: The quick choice that is in force, of :data:`PERIODS`; empty: none.
        form: What was typed, with what is wrong.
    """

    which: CallFilter
    sort: ConversationSort
    page: int
    period: str
    form: Form
    active: tuple[Active, ...]

    @classmethod
    def read(cls, pairs: Iterable[tuple[str, str]], now: datetime | None = None) -> CallQuery:
        """Never raises: what cannot be read does not filter."""
        form = Form(pairs)
        active: list[Active] = []
        since, until, period = _times(form, now or datetime.now(UTC), active)
        words = {name: _words(form, name, most) for name, most in _LONGEST.items()}
        status = form.text("status")
        if status and status not in dict(STATUS_CHOICES):
            form.note("status", "There is no such status. Choose one of the list.")
            status = ""
        if status:
            active.append(Active(("status",), f"Status: {dict(STATUS_CHOICES)[status]}"))
        for name, label in (("number", "Number"), ("prompt", "Prompt"), ("tool", "Tool"), ("text", "Said")):
            if words[name]:
                active.append(Active((name,), f"{label}: {words[name]}"))
        which = CallFilter(since, until, words["number"], words["prompt"], status, words["tool"], words["text"])
        sort = form.text("sort")
        page = form.text("page")
        return cls(
            which=which,
            sort=next((each for each in SORTS if each == sort), "-last_at"),
            page=min(max(int(page), 1), 20_000) if page.isascii() and page.isdigit() and len(page) < 9 else 1,
            period=period,
            form=form,
            active=tuple(active),
        )

    def for_api(self) -> str:
        """The same filter as a query of ``/api/calls``."""
        which = self.which
        values = {
            "from": which.since and which.since.isoformat(),
            "to": which.until and which.until.isoformat(),
            "number": which.number,
            "prompt": which.prompt,
            "status": which.status,
            "tool": which.tool,
            "text": which.text,
        }
        return urlencode({name: value for name, value in values.items() if value})


def _times(form: Form, now: datetime, active: list[Active]) -> tuple[datetime | None, datetime | None, str]:
    since, until = _moment(form, "from"), _moment(form, "to")
    period = form.text("when") if since is None and form.text("when") in PERIODS else ""
    if period:
        since = _midnight(form, now) if period == "today" else now - PERIODS[period][1]
        active.append(Active(("when", "offset"), PERIODS[period][0]))
    elif since is not None:
        active.append(Active(("from",), "From", since))
    if until is not None:
        active.append(Active(("to",), "Until", until))
        if since is not None and since >= until:
            form.note("to", "This is before the beginning, so nothing is found.")
    return since, until, period


def _moment(form: Form, name: str) -> datetime | None:
    typed = form.text(name).strip()
    if not typed:
        return None
    try:
        moment = datetime.fromisoformat(typed)
    except ValueError:
        form.note(name, "Write a date and a time, such as 2026-11-22T14:30.")
        return None
    return within(moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC))


def _midnight(form: Form, now: datetime) -> datetime:
    offset = form.text("offset")
    digits = offset.removeprefix("-")
    east = int(offset) if digits.isascii() and digits.isdigit() and len(digits) < 5 else 0
    shift = timedelta(minutes=max(-_FAR_OFF, min(east, _FAR_OFF)))
    there = now.astimezone(UTC) + shift
    return there.replace(hour=0, minute=0, second=0, microsecond=0) - shift


def _words(form: Form, name: str, most: int) -> str:
    typed = form.text(name).strip()
    if len(typed) > most or _CONTROL.search(typed):
        form.note(name, f"At most {most} characters fit here, on one line.")
        return ""
    return typed
