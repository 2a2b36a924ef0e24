"""Files with prompts, in requests and answers."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from app.models.names import name_key
from app.prompts.errors import PromptFileInvalid
from app.prompts.portable import FORMAT, MAX_PROMPTS, Entry, Imported
from app.prompts.yaml_text import YamlError, load
from app.schemas.problem import FieldProblem
from app.schemas.prompt_fields import Finding, read_fields

MAX_FILE_CHARS: Final = 8_000_000


@dataclass(frozen=True, slots=True)
class PromptFile:
    """What a file holds.

    Attributes:
        entries: In the order of the file; where there are findings, only those that can be kept.
        names: Of all, in the order of the file; for what has no name that can be read, its place.
        findings: By the place in ``names``.
    """

    entries: Sequence[Entry]
    names: Sequence[str]
    findings: Mapping[int, Sequence[Finding]]


def read_prompt_file(text: str, model_problem: Callable[[str], str | None] = lambda _: None) -> PromptFile:
    """Read YAML, or JSON (which begins with ``{``). Seconds for megabytes: not for the event loop.

    Args:
        model_problem: Why a model cannot be named in this installation; None: it can.

    Raises:
        PromptFileInvalid: it is neither, or is no file with prompts. Its ``line`` says where.
    """
    items = _items(_parsed(text))
    entries: list[Entry] = []
    names: list[str] = []
    findings: dict[int, Sequence[Finding]] = {}
    seen: set[str] = set()
    default_of = ""
    for place, item in enumerate(items):
        entry, wrong = _entry(item)
        name = item.get("name") if isinstance(item, Mapping) else None
        names.append(name.strip()[:100] if isinstance(name, str) and name.strip() else f"prompt {place + 1}")
        if entry.draft.model and (problem := model_problem(entry.draft.model)):
            wrong.append(Finding("model", problem, "unknown_model"))
        if name_key(names[-1]) in seen:
            wrong.append(Finding("name", f"{names[-1]} is in the file twice.", "name_twice"))
        seen.add(name_key(names[-1]))
        if entry.default and default_of:
            wrong.append(
                Finding("default", f"{default_of} is marked as default, too; only one can be.", "two_defaults")
            )
        if entry.default:
            default_of = names[-1]
        if wrong:
            findings[place] = wrong
        else:
            entries.append(replace(entry, checked=True))
    return PromptFile(entries, names, findings)


def refuse_findings(file: PromptFile) -> None:
    """Raise PromptFileInvalid, with all of them in its sentence, where the file has any."""
    if file.findings:
        told = [
            f"{file.names[place]}: {finding.field}: {finding.message}"
            for place, findings in file.findings.items()
            for finding in findings
        ]
        raise PromptFileInvalid("Nothing was imported. " + " ".join(told), field="text")


def _parsed(text: str) -> Any:
    if len(text) > MAX_FILE_CHARS:
        raise PromptFileInvalid(
            f"The file has more than {MAX_FILE_CHARS // 1_000_000} million characters.", field="text"
        )
    text = text.removeprefix("\ufeff")
    try:
        if text.lstrip().startswith("{"):
            return json.loads(text, object_pairs_hook=_no_key_twice)
        return load(text)
    except json.JSONDecodeError as error:
        message = f"Line {error.lineno}, column {error.colno}: this is no JSON: {error.msg[:1].lower()}{error.msg[1:]}."
        raise PromptFileInvalid(message, field="text", line=error.lineno) from error
    except YamlError as error:
        where = f"Line {error.line}, column {error.column}: " if error.line else ""
        raise PromptFileInvalid(f"{where}this cannot be read: {error}.", field="text", line=error.line) from error
    except RecursionError as error:
        raise PromptFileInvalid("The file is nested too deeply.", field="text") from error
    except ValueError as error:  # of an integer with thousands of digits
        raise PromptFileInvalid("The file holds a number with too many digits.", field="text") from error


def _no_key_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(name for name, count in Counter(name for name, _ in pairs).items() if count > 1)
        raise PromptFileInvalid(f"The key {twice[:100]} is there twice in one object.", field="text")
    return found


def _items(value: Any) -> Sequence[Any]:
    if not isinstance(value, Mapping) or not isinstance(value.get("prompts"), list):
        raise PromptFileInvalid(
            f"This is no file with prompts: it needs `format: {FORMAT}` and a list `prompts:`, as an export has them.",
            field="text",
        )
    if value.get("format") != FORMAT:
        raise PromptFileInvalid(f"The file needs a line `format: {FORMAT}`; this service reads no other.", field="text")
    if extra := [str(name)[:60] for name in value if name not in ("format", "prompts")]:
        raise PromptFileInvalid(
            f"The file has unknown fields: {', '.join(extra[:10])}. There are format and prompts.", field="text"
        )
    items: list[Any] = value["prompts"]
    if len(items) > MAX_PROMPTS:
        raise PromptFileInvalid(f"The file has more than {MAX_PROMPTS:,} prompts; cut it into several.", field="text")
    return items


def _entry(item: Any) -> tuple[Entry, list[Finding]]:
    if not isinstance(item, Mapping):
        draft, _ = read_fields({})
        return Entry(draft), [Finding("prompt", "A prompt is a list of fields: name, content, ...", "prompt_invalid")]
    fields = dict(item)
    marks = {"default": fields.pop("default", False), "published": fields.pop("published", True)}
    wrong = [
        Finding(name, "Write true or false.", "bool_type") for name, mark in marks.items() if type(mark) is not bool
    ]
    if "note" in fields:
        wrong.append(
            Finding("note", "A note belongs to one version; give one for the whole import.", "extra_forbidden")
        )
        del fields["note"]
    # In a file only what is meant as JSON is JSON.
    wrong += [
        Finding(name, "This must be written as fields, not as one text.", "type_error")
        for name in ("metadata", "output_schema", "actions")
        if isinstance(fields.get(name), str)
    ]
    draft, findings = read_fields(fields)
    draft = replace(draft, note="")
    return Entry(draft, default=marks["default"] is True, published=marks["published"] is not False), wrong + findings


class ImportBody(BaseModel):
    """A file to import."""

    model_config = ConfigDict(extra="forbid")

    text: str = Field(
        description="YAML or JSON, as an export writes it.",
        examples=["format: asterisk-ai prompts 1\nprompts:\n  - name: night\n    content: You answer at night.\n"],
    )
    dry_run: bool = Field(default=False, description="Only say what would be done.")
    note: str = Field(
        default="Imported", max_length=500, description="Why the versions were made.", examples=["Release 12"]
    )


class ImportedPromptBody(BaseModel):
    """What became of one prompt."""

    name: str = Field(examples=["night"])
    outcome: Literal["created", "changed", "unchanged", "error"] = Field(examples=["changed"])
    changes: list[str] = Field(
        description="The fields that differ; `published` and `default` where only these do.", examples=[["content"]]
    )
    id: int | None = Field(description="Null for what is not stored.", examples=[4])
    version: int | None = Field(description="The version that is as the file says.", examples=[3])
    errors: list[FieldProblem] = Field(description="Why nothing can be imported.")


class ImportResultBody(BaseModel):
    """What an import did, or would do."""

    applied: bool = Field(description="False: a dry run, or some prompt is wrong.")
    prompts: list[ImportedPromptBody] = Field(description="In the order of the file.")

    @classmethod
    def of(cls, file: PromptFile, imported: Sequence[Imported], *, applied: bool) -> ImportResultBody:
        """From what was read and what the store did with it."""
        waiting = iter(imported)
        prompts = []
        for place, name in enumerate(file.names):
            if place in file.findings:
                errors = [FieldProblem(field=f.field, message=f.message, type=f.type) for f in file.findings[place]]
                prompts.append(
                    ImportedPromptBody(name=name, outcome="error", changes=[], id=None, version=None, errors=errors)
                )
                continue
            done = next(waiting)
            stored = applied or done.outcome != "created"
            prompts.append(
                ImportedPromptBody(
                    name=done.name,
                    outcome=done.outcome,
                    changes=list(done.changes),
                    id=done.prompt_id if stored else None,
                    version=done.version if applied or done.outcome == "unchanged" else None,
                    errors=[],
                )
            )
        return cls(applied=applied, prompts=prompts)
