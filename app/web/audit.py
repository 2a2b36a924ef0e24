"""The audit log: who changed what, with what it was before."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Final

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import HTMLResponse

from app.accounts.audit import AuditEntry, AuditFilter, AuditSort
from app.api.access import needs
from app.api.parts import PartsDep
from app.core.permissions import Permission
from app.web.differences import Difference, Line, differences, lines
from app.web.forms import Form
from app.web.pages import render

router = APIRouter(prefix="/ui/audit")

PAGE_SIZE: Final = 25

# What a kind is called, and where such a thing is; {} is its id.
_KINDS: Final = {
    "prompt": ("the prompt", "/ui/prompts/{}"),
    "tool": ("the tool", "/ui/tools/{}"),
    "user": ("the user", "/ui/users/{}"),
    "token": ("the API token", ""),
    "secret": ("the secret", "/ui/secrets/{}"),
}
_ACTIONS: Final = {
    "create": "made",
    "save": "changed",
    "delete": "deleted",
    "revoke": "revoked",
    "publish": "chose the published version of",
    "default": "made the default",
    "password": "set the password of",
    "value": "replaced the value of",
    "enable": "enabled",
    "disable": "disabled",
}
# After these it is not there any more.
_ENDS: Final = frozenset({"delete", "revoke"})


@dataclass(frozen=True, slots=True)
class Shown:
    """An entry as the page shows it.

    Attributes:
        did, what: ``changed``, ``the prompt``.
        address: Of the thing; empty where it has no page, or is gone.
    """

    entry: AuditEntry
    did: str
    what: str
    address: str
    differences: list[Difference]


@dataclass(frozen=True, slots=True)
class Compared:
    """A field that differs; ``lines`` where it is a text of several, compared line by line."""

    difference: Difference
    lines: list[Line] | None


@router.get("")
@needs(Permission.READ_AUDIT)
async def audit(request: Request, parts: PartsDep, page: Annotated[int, Query(ge=1, le=100_000)] = 1) -> HTMLResponse:
    """A page of it. A filter that cannot be read is said beside its field, and left out."""
    form = Form.of(dict(request.query_params))
    wanted = _filter(form)
    sort: AuditSort = "at" if form.text("sort") == "at" else "-at"
    found = await parts.accounts.audit.list(wanted, offset=(page - 1) * PAGE_SIZE, limit=PAGE_SIZE, sort=sort)
    words = await parts.accounts.audit.words()
    return render(
        request,
        "audit/list.html",
        status_code=form.status if form.errors else 200,
        form=form,
        entries=await asyncio.to_thread(lambda: [_shown(entry) for entry in found.items]),
        total=found.total,
        page=page,
        size=PAGE_SIZE,
        sort=sort,
        kinds=[("", "anything"), *((kind, _what(kind).removeprefix("the ")) for kind in words.kinds)],
        actions=[("", "any way"), *((action, _did(action)) for action in words.actions)],
        filtered=any(value for name, value in form.values.items() if name not in ("page", "sort")),
    )


@router.get("/{entry_id}")
@needs(Permission.READ_AUDIT)
async def entry(request: Request, parts: PartsDep, entry_id: Annotated[int, Path(ge=1, le=2**31 - 1)]) -> HTMLResponse:
    """One change, with long texts line by line."""
    shown = _shown(await parts.accounts.audit.get(entry_id))
    compared = await asyncio.to_thread(lambda: [_compared(each) for each in shown.differences])
    return render(request, "audit/entry.html", shown=shown, compared=compared)


def _filter(form: Form) -> AuditFilter:
    item_id = form.whole("item_id")
    if item_id is not None and not 0 < item_id < 2**31:
        form.note("item_id", "Write the number of the thing, such as 3.")
        item_id = None
    return AuditFilter(
        actor=_word(form, "actor"),
        kind=_word(form, "kind"),
        action=_word(form, "action"),
        item_id=item_id,
        search=_word(form, "search"),
        since=_moment(form, "since"),
        until=_moment(form, "until"),
    )


def _word(form: Form, name: str) -> str | None:
    typed = form.optional(name)
    if typed is not None and (len(typed) > 100 or not typed.isprintable()):
        form.note(name, "At most 100 characters, none of them a control character.")
        return None
    return typed


def _moment(form: Form, name: str) -> datetime | None:
    typed = form.optional(name)
    if typed is None:
        return None
    try:
        moment = datetime.fromisoformat(typed)
        # Browsers send what was typed without a time zone; all times of these pages are UTC.
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        form.note(name, "Write a day and a time, such as 2026-01-31T08:00 (UTC).")
        return None


def _shown(entry: AuditEntry) -> Shown:
    _, address = _KINDS.get(entry.kind, ("", ""))
    there = address and entry.item_id is not None and entry.action not in _ENDS
    return Shown(
        entry,
        _did(entry.action),
        _what(entry.kind),
        address.format(entry.item_id) if there else "",
        differences(entry.before, entry.after),
    )


def _what(kind: str) -> str:
    return _KINDS.get(kind, (f"the {kind.replace('_', ' ')}", ""))[0]


def _did(action: str) -> str:
    return _ACTIONS.get(action, action.replace("_", " "))


def _compared(difference: Difference) -> Compared:
    before, after = difference.before, difference.after
    if difference.hidden or before is None or after is None or not ("\n" in before or "\n" in after):
        return Compared(difference, None)
    return Compared(difference, lines(before, after))
