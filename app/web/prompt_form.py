"""A prompt as the fields of a form, and back. Shared by the pages that show, create and edit prompts."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from app.prompts.draft import PromptDraft
from app.prompts.portable import differences, written
from app.prompts.prompt import DIALPLAN, Prompt
from app.schemas.prompt_fields import Finding
from app.web.action_words import PARTS
from app.web.forms import Form

LABELS: Final[Mapping[str, str]] = {
    "name": "Name",
    "content": "Content",
    "model": "Model",
    "temperature": "Temperature",
    "timeout": "Deadline",
    "greeting": "Greeting",
    "fallback": "Fallback sentence",
    "tools": "Tools",
    "actions": "Actions",
    "output_schema": "Output schema",
    "metadata": "Metadata",
    "note": "Note",
}
_TEXTS: Final = ("content", "model", "greeting", "fallback")
# Rows to fill in where there is no script that adds them.
_EMPTY_ROWS: Final = 2
ALL, CHOSEN = "all", "chosen"
# How the default of a field reads.
_DEFAULTS: Final[Mapping[str, str]] = {
    "model": "(the installation's)",
    "temperature": "(the model's own)",
    "timeout": "(the installation's)",
    "greeting": "(none)",
    "fallback": "(the installation's)",
    "tools": "(all that are enabled)",
    "output_schema": "(none)",
}


@dataclass(frozen=True, slots=True)
class ActionRow:
    """A row of the actions, as typed; ``targets`` one a line."""

    name: str = ""
    description: str = ""
    targets: str = ""
    via: str = DIALPLAN
    place: str = ""
    caller_id: str = ""

    @property
    def empty(self) -> bool:
        """Whether nothing was typed in it; the choice of who does it counts for nothing."""
        return not any(text.strip() for text in (self.name, self.description, self.targets, self.place, self.caller_id))


@dataclass(frozen=True, slots=True)
class Change:
    """A field that differs between two versions, in words."""

    field: str
    before: str
    after: str

    @property
    def label(self) -> str:
        """As the form calls it."""
        return LABELS[self.field]

    @property
    def language(self) -> str:
        """What the texts are, for the editor."""
        return "jinja" if self.field == "content" else "json"

    @property
    def long(self) -> bool:
        """Whether it is worth a comparison line by line."""
        return self.field == "content" or "\n" in self.before or "\n" in self.after


def new_form() -> Form:
    """Of a prompt that is yet to be written."""
    return Form.of({"tools_mode": ALL})


def form_of(prompt: Prompt) -> Form:
    """Of a prompt that there is."""
    return Form.of(
        {
            "name": prompt.name,
            "content": prompt.content,
            "metadata": pretty(prompt.metadata) if prompt.metadata else None,
            "model": prompt.model,
            "temperature": _plain(prompt.temperature),
            "timeout": _plain(prompt.timeout),
            "greeting": prompt.greeting,
            "fallback": prompt.fallback,
            "tools_mode": ALL if prompt.tools is None else CHOSEN,
            "tools": prompt.tools or (),
            "output_schema": None if prompt.output_schema is None else pretty(prompt.output_schema),
            "action_name": [action.name for action in prompt.actions],
            "action_description": [action.description for action in prompt.actions],
            "action_targets": ["\n".join(action.targets) for action in prompt.actions],
            "action_via": [action.via for action in prompt.actions],
            "action_place": [action.place for action in prompt.actions],
            "action_caller_id": [action.caller_id for action in prompt.actions],
        }
    )


def typed_of(form: Form) -> dict[str, Any]:
    """What was typed, as :func:`app.schemas.prompt_fields.read_fields` reads it; numbers that are none are noted."""
    fields: dict[str, Any] = {name: form.text(name) for name in _TEXTS}
    fields |= {name: form.number(name) for name in ("temperature", "timeout")}
    # Nothing but blanks is a field left empty, as everywhere in forms.
    fields |= {name: form.text(name).strip() for name in ("name", "note", "metadata", "output_schema")}
    fields["tools"] = form.many("tools") if form.text("tools_mode") == CHOSEN else None
    fields["actions"] = [
        {
            "name": row.name.strip(),
            "description": row.description.strip(),
            "targets": [line.strip() for line in row.targets.split("\n") if line.strip()],
            "via": row.via,
            "place": row.place.strip(),
            "caller_id": row.caller_id.strip(),
        }
        for row in action_rows(form, spare=False)
    ]
    return fields


def note_findings(form: Form, findings: Sequence[Finding]) -> None:
    """Note beside their fields what is wrong; of a list, which of its rows."""
    for finding in findings:
        name, *path = finding.field.split(".")
        if name == "actions" and len(path) > 1 and path[0].isdecimal() and path[1] in PARTS:
            form.note(f"actions.{path[0]}.{path[1]}", finding.message)
            continue
        row = f"Action {int(path[0]) + 1}: " if name == "actions" and path and path[0].isdecimal() else ""
        form.note(name if name in LABELS else "", row + finding.message)


def labels_of(form: Form) -> Mapping[str, str]:
    """What fields are called where their errors are listed, those of the actions' rows too."""
    found = dict(LABELS)
    for field in form.errors:
        name, *path = field.split(".")
        if name == "actions" and len(path) == 2:
            found[field] = f"Action {int(path[0]) + 1}, {PARTS[path[1]]}"
    return found


def action_rows(form: Form, *, spare: bool = True) -> list[ActionRow]:
    """The actions as typed, without empty rows; with ``spare``, and some empty ones."""
    names = form.many("action_name")
    others = [form.many(f"action_{part}") for part in ("description", "targets", "via", "place", "caller_id")]
    rows = [ActionRow(name, *(_at(values, place) for values in others)) for place, name in enumerate(names)]
    # A form that is older than this field, or a script's, leaves out who does it.
    found = [row if row.via else replace(row, via=DIALPLAN) for row in rows if not row.empty]
    return [*found, *[ActionRow()] * (_EMPTY_ROWS if spare else 0)]


def changes_between(left: Prompt | PromptDraft, right: Prompt | PromptDraft) -> list[Change]:
    """The fields that differ. Some milliseconds for megabytes: not for the event loop."""
    before, after = written(left), written(right)
    found = [Change(name, words(name, before[name]), words(name, after[name])) for name in differences(left, right)]
    if left.name.strip() != right.name.strip():
        found.insert(0, Change("name", left.name, right.name))
    return found


def words(field: str, value: Any) -> str:
    """A field's value for people."""
    if value is None:
        return _DEFAULTS.get(field, "(empty)")
    if field == "timeout":
        return f"{value:g} seconds"
    if field == "tools":
        return "\n".join(value) if value else "(none)"
    if field == "actions" and not value:
        return "(none)"
    if isinstance(value, int | float):
        return f"{value:g}"
    return value if isinstance(value, str) else pretty(value)


def pretty(value: Any) -> str:
    """JSON for people."""
    return json.dumps(value, indent=2, ensure_ascii=False)


def _plain(value: float | None) -> str | None:
    """0.5 and 8, never 8.0; every digit that was given."""
    return None if value is None else repr(value).removesuffix(".0")


def _at(values: Sequence[str], place: int) -> str:
    return values[place] if place < len(values) else ""
