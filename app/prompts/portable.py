"""Prompts outside the database: what an export holds, and what an import makes of it.

An entry has what an operator wrote, and nothing that differs from one installation to the next: no ids, no versions,
no moments. What has its default is left out. So the same prompts always give the same text, which is what git wants.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from app.prompts.draft import PromptDraft
from app.prompts.prompt import DIALPLAN, Prompt
from app.prompts.records import PromptRecord, draft_of, version_values
from app.prompts.yaml_text import dump

FORMAT: Final = "asterisk-ai prompts 1"
MAX_PROMPTS: Final = 1_000

Outcome = Literal["created", "changed", "unchanged", "error"]

# In the order of an entry: what one looks for first, and the long texts behind it. As in ``version_values``, but for
# ``meta``.
_FIELDS: Final = (
    "content",
    "model",
    "temperature",
    "timeout",
    "greeting",
    "fallback",
    "tools",
    "actions",
    "output_schema",
    "metadata",
)
# What of an action is left out.
_ACTION_DEFAULTS: Final[Mapping[str, tuple[Any, ...]]] = {
    "description": ("",),
    "targets": ([],),
    "via": (DIALPLAN, ""),
    "place": ("",),
    "caller_id": ("",),
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One prompt of a file.

    Attributes:
        default: It is to be the default prompt. False says nothing about it.
        published: Calls are to use it; else it is kept as a draft.
        checked: The draft was found right when it was read, and need not be looked at again.
    """

    draft: PromptDraft
    default: bool = False
    published: bool = True
    checked: bool = False


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import did with one prompt, or would do.

    Attributes:
        changes: The fields that differ; ``published`` where only that does, ``default`` for the default mark.
        prompt_id: None where it is not stored.
        version: The one that is in force, or kept as a draft, afterwards.
    """

    name: str
    outcome: Outcome
    changes: Sequence[str] = ()
    prompt_id: int | None = None
    version: int | None = None


def entry_of(record: PromptRecord) -> dict[str, Any]:
    """A prompt as an entry: JSON values in a fixed order. The operator's own JSON keeps the order of its keys: in an
    output schema it is the order in which models fill the fields."""
    prompt = record.prompt
    entry: dict[str, Any] = {"name": prompt.name}
    if record.summary.is_default:
        entry["default"] = True
    if record.summary.published_version is None:
        entry["published"] = False
    values = written(prompt)
    return entry | {name: values[name] for name in _FIELDS if values[name] not in (None, {}) and _said(name, values)}


def _said(name: str, values: Mapping[str, Any]) -> bool:
    # Of lists only the actions have "none" as their default: no tools is another thing than all of them.
    return name != "actions" or bool(values[name])


def written(prompt: Prompt | PromptDraft) -> dict[str, Any]:
    """What an operator wrote, by field, as JSON values; of what is versioned everything but the note."""
    values = version_values(prompt if isinstance(prompt, PromptDraft) else draft_of(prompt))
    values["metadata"] = values.pop("meta")
    del values["note"]
    values["actions"] = [
        {key: value for key, value in action.items() if key == "name" or value not in _ACTION_DEFAULTS[key]}
        for action in values["actions"]
    ]
    return {name: values[name] for name in _FIELDS}


def differences(left: Prompt | PromptDraft, right: Prompt | PromptDraft) -> tuple[str, ...]:
    """The versioned fields that differ. Compared as text, so the order of keys counts, and 1 is not true."""
    one, other = written(left), written(right)
    return tuple(name for name in _FIELDS if _text(one[name]) != _text(other[name]))


def _text(value: Any) -> str:
    # Of 1 and 1.0 some databases make the same.
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def document(records: Sequence[PromptRecord], *, as_json: bool = False) -> str:
    """The file. Tenths of a second for megabytes: not for the event loop."""
    value = {"format": FORMAT, "prompts": [entry_of(record) for record in records]}
    return json.dumps(value, ensure_ascii=False, indent=2) + "\n" if as_json else dump(value)
