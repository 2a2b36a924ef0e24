"""Prompts as editors see them: what is stored around the version that a turn uses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Any, Literal

from app.models.prompt import PromptRow, PromptVersionRow
from app.prompts.draft import PromptDraft
from app.prompts.prompt import DIALPLAN, Action, Prompt

# ``published``: calls can use it. ``pending``: besides, a newer draft waits. ``draft``: there are only drafts.
PromptState = Literal["published", "pending", "draft"]


@dataclass(frozen=True, slots=True)
class PromptSummary:
    """A line of the list of prompts.

    Attributes:
        latest_version: The newest version; a save says which one it was made from.
        published_version: The one that calls use; None: only drafts so far.
        updated_at: Aware, UTC.
    """

    id: int
    name: str
    is_default: bool
    latest_version: int
    published_version: int | None
    created_at: datetime
    updated_at: datetime
    updated_by: str

    @property
    def state(self) -> PromptState:
        """What an operator wants to know first."""
        if self.published_version is None:
            return "draft"
        return "published" if self.published_version == self.latest_version else "pending"


@dataclass(frozen=True, slots=True)
class PromptRecord:
    """One prompt with its newest version (or the one that was asked for).

    Attributes:
        note: Why that version was made.
        created_at, created_by: Of that version.
    """

    summary: PromptSummary
    prompt: Prompt
    note: str
    created_at: datetime
    created_by: str


@dataclass(frozen=True, slots=True)
class PromptVersionSummary:
    """A line of the list of versions, newest first."""

    number: int
    note: str
    created_at: datetime
    created_by: str
    published: bool


@dataclass(frozen=True, slots=True)
class PublishedPrompts:
    """All prompts that calls can use, for :class:`app.prompts.catalog.PromptCatalog`."""

    revision: int
    prompts: Sequence[Prompt]


def summary_of(row: PromptRow) -> PromptSummary:
    """The line for ``row``."""
    return PromptSummary(
        id=row.id,
        name=row.name,
        is_default=row.default_mark is not None,
        latest_version=row.latest_version,
        published_version=row.published_version,
        created_at=row.created_at,
        updated_at=row.updated_at,
        updated_by=row.updated_by,
    )


def record_of(row: PromptRow, version: PromptVersionRow) -> PromptRecord:
    """``row`` with ``version``."""
    return PromptRecord(
        summary=summary_of(row),
        prompt=prompt_of(row, version),
        note=version.note,
        created_at=version.created_at,
        created_by=version.created_by,
    )


def prompt_of(row: PromptRow, version: PromptVersionRow) -> Prompt:
    """The frozen version that a turn uses."""
    return Prompt(
        id=row.id,
        name=row.name,
        version=version.number,
        content=version.content,
        is_default=row.default_mark is not None,
        metadata=version.meta,
        model=version.model,
        temperature=version.temperature,
        tools=None if version.tools is None else tuple(version.tools),
        actions=tuple(
            Action(
                action["name"],
                action.get("description", ""),
                tuple(action.get("targets", ())),
                # What versions from before these fields have not.
                action.get("via", DIALPLAN),
                action.get("place", ""),
                action.get("caller_id", ""),
            )
            for action in version.actions
        ),
        output_schema=version.output_schema,
        fallback=version.fallback,
        timeout=version.timeout,
        greeting=version.greeting,
    )


def draft_of(prompt: Prompt) -> PromptDraft:
    """What an operator wrote of it, without the note."""
    return PromptDraft(**{each.name: getattr(prompt, each.name) for each in fields(PromptDraft) if each.name != "note"})


def version_values(draft: PromptDraft) -> dict[str, Any]:
    """The columns of a version that come from ``draft``. What was left blank is None, so that the default holds."""
    return {
        "content": draft.content,
        "meta": dict(draft.metadata),
        "model": _blank_is_none(draft.model),
        "temperature": draft.temperature,
        "tools": None if draft.tools is None else list(draft.tools),
        "actions": [asdict(action) | {"targets": list(action.targets)} for action in draft.actions],
        "output_schema": None if draft.output_schema is None else dict(draft.output_schema),
        "fallback": _blank_is_none(draft.fallback),
        "timeout": draft.timeout,
        "greeting": _blank_is_none(draft.greeting),
        "note": draft.note,
    }


def facts_of(row: PromptRow, version: PromptVersionRow) -> dict[str, Any]:
    """What the audit log compares: the prompt with that version."""
    return {
        "name": row.name,
        "version": version.number,
        "published_version": row.published_version,
        "content": version.content,
        "metadata": version.meta,
        "model": version.model,
        "temperature": version.temperature,
        "tools": version.tools,
        "actions": version.actions,
        "output_schema": version.output_schema,
        "fallback": version.fallback,
        "timeout": version.timeout,
        "greeting": version.greeting,
        "note": version.note,
    }


def _blank_is_none(text: str | None) -> str | None:
    return text.strip() or None if text else None
