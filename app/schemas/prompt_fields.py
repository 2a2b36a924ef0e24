"""What somebody typed for a prompt, right or wrong: all that is wrong with it, and what there is of it otherwise.

Two places read it so: the check while somebody types, and the import of files.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from pydantic import ValidationError

from app.prompts.draft import PromptDraft, problems_of
from app.schemas.prompts import PromptCreate, PromptFields
from app.schemas.wording import sentence

NAMES: Final = (*PromptFields.model_fields, "note")
# Stand in for a field that is wrong, while the others are looked at. The others may be left out.
_REQUIRED: Final[Mapping[str, Any]] = {"name": "name", "content": "content"}
_JSON: Final = ("metadata", "output_schema", "actions")


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong, or doubtful, with one field.

    Attributes:
        field: Path of the field, such as ``actions.0.name``.
        line, column: Where in its text, from 1; None where that is not known.
    """

    field: str
    message: str
    type: str
    line: int | None = None
    column: int | None = None


def read_fields(typed: Mapping[str, Any]) -> tuple[PromptDraft, list[Finding]]:
    """The draft, with stand-ins for what is wrong, and everything that is wrong; of each field the first thing.

    Metadata, output schema and actions may be texts, which are read as JSON; an empty text is a field left out. Takes
    up to some tenths of a second: not for the event loop.
    """
    fields, findings = _with_json(typed)
    fields, wrong = _of_the_right_types(fields)
    findings += wrong
    draft = PromptCreate.model_validate(fields).draft()
    found = {finding.field.partition(".")[0] for finding in findings}
    findings += [
        Finding(each.field, str(each), each.code, each.line) for each in problems_of(draft) if each.field not in found
    ]
    findings.sort(key=lambda finding: _place(finding.field))
    return draft, findings


def _with_json(typed: Mapping[str, Any]) -> tuple[dict[str, Any], list[Finding]]:
    fields: dict[str, Any] = {}
    findings = []
    for name, value in typed.items():
        if value == "" and name not in _REQUIRED:
            continue
        if name in _JSON and isinstance(value, str):
            try:
                fields[name] = json.loads(value)
            except json.JSONDecodeError as error:
                message = f"Line {error.lineno}: this is no JSON: {error.msg[:1].lower()}{error.msg[1:]}."
                findings.append(Finding(name, message, "json_invalid", error.lineno, error.colno))
            except RecursionError:
                findings.append(Finding(name, "This JSON is nested too deeply.", "json_invalid"))
            except ValueError:  # of an integer with thousands of digits
                findings.append(Finding(name, "This JSON holds a number with too many digits.", "json_invalid"))
        else:
            fields[name] = value
    return fields, findings


def _of_the_right_types(fields: Mapping[str, Any]) -> tuple[dict[str, Any], list[Finding]]:
    """The fields that are of the right type, with stand-ins, and what is wrong with the others."""
    try:
        PromptCreate.model_validate(dict(_REQUIRED) | dict(fields))
    except ValidationError as error:
        findings: dict[str, Finding] = {}
        for detail in error.errors(include_url=False, include_input=False):
            path = ".".join(map(str, detail["loc"]))
            findings.setdefault(path, Finding(path, _sentence(detail), detail["type"]))
        wrong = {path.partition(".")[0] for path in findings}
        return dict(_REQUIRED) | {n: v for n, v in fields.items() if n not in wrong}, _with_missing(fields, findings)
    return dict(_REQUIRED) | dict(fields), _with_missing(fields, {})


def _with_missing(fields: Mapping[str, Any], findings: Mapping[str, Finding]) -> list[Finding]:
    missing = [Finding(n, "Write something here: it is needed.", "missing") for n in _REQUIRED if n not in fields]
    return [*missing, *findings.values()]


def _sentence(detail: Mapping[str, Any]) -> str:
    if detail["type"] == "extra_forbidden":
        return f"There is no field of this name. There are: {', '.join(NAMES)}."
    return sentence(detail)


def _place(field: str) -> int:
    name = field.partition(".")[0]
    return NAMES.index(name) if name in NAMES else len(NAMES)
