"""``/api/prompts/check``: what a form shows beside its fields while somebody types."""

from __future__ import annotations

import asyncio
import difflib
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from fastapi import APIRouter

from app.api.access import needs
from app.api.parts import Parts, PartsDep
from app.api.prompt_files import model_problem
from app.api.responses import BODY
from app.core.permissions import Permission
from app.models.names import name_key
from app.prompts.draft import PromptDraft
from app.prompts.errors import PromptNotFound, PromptTemplateError
from app.prompts.render import variable_lines
from app.schemas.prompt_check import CheckBody, CheckResultBody, FindingBody, VariableBody
from app.schemas.prompt_fields import Finding, read_fields

router = APIRouter(prefix="/prompts", tags=["prompts"])

# What every call has; as app.calls.call.channel_facts.
CALL_VARIABLES: Final[Mapping[str, str]] = {
    "caller_number": "The caller's number",
    "caller_name": "The caller's name, where the telephone network sends one",
    "called_number": "The extension that was dialled",
    "channel_id": "The channel's unique id",
    "channel_name": "The channel's name, such as PJSIP/100-00000001",
    "language": "The channel's language, such as en",
}
# Texts longer than this are not searched for the column of a variable.
_LONGEST_LINE: Final = 10_000
# Findings of one kind that a form shows; the rest would be scrolled past.
_MOST: Final = 100


@router.post("/check", summary="Check a prompt", responses=BODY)
@needs(Permission.EDIT_PROMPTS)
async def check_prompt(parts: PartsDep, body: CheckBody) -> CheckResultBody:
    """All that is wrong with it or doubtful, field by field, and the variables of its content. Nothing is stored."""
    return await run_check(parts, body.fields, prompt_id=body.id)


async def run_check(parts: Parts, typed: Mapping[str, Any], *, prompt_id: int | None) -> CheckResultBody:
    """As :func:`check_prompt`, for a form."""
    draft, problems = await asyncio.to_thread(read_fields, typed)
    wrong = {finding.field.partition(".")[0] for finding in problems}
    if "name" not in wrong and (taken := await _name_taken(parts, draft.name, prompt_id)):
        problems.append(taken)
    if "model" not in wrong and (problem := model_problem(parts.models, draft.model)):
        problems.append(Finding("model", problem, "unknown_model"))
    known = await known_variables(parts)
    used, unknown = await asyncio.to_thread(_variables, "" if "content" in wrong else draft.content, known)
    warnings = [*unknown, *doubts_of(parts, draft)]
    return CheckResultBody(
        problems=[_body(finding) for finding in problems[:_MOST]],
        warnings=[_body(finding) for finding in warnings[:_MOST]],
        variables=used,
    )


async def known_variables(parts: Parts) -> Mapping[str, str]:
    """What every call has, and what recent calls had besides, with descriptions."""
    recent = await parts.history.recent_variables()
    return dict(CALL_VARIABLES) | {name: "From the dialplan" for name in recent if name not in CALL_VARIABLES}


def doubts_of(parts: Parts, draft: PromptDraft) -> list[Finding]:
    """What can be saved, and would not work as it stands today."""
    doubts = []
    if not model_problem(parts.models, draft.model) and (draft.model or "").strip():
        provider = parts.models.resolve(draft.model).provider
        status = next((each for each in parts.models.statuses() if each.name == provider), None)
        if status is not None and not status.configured:
            doubts.append(Finding("model", f"{provider} cannot be used yet: {status.detail}", "not_configured"))
    tools = {name_key(tool.name): tool for tool in parts.tool_catalog.all()}
    for name in draft.tools or ():
        tool = tools.get(name_key(name))
        if tool is None:
            doubts.append(Finding("tools", f"There is no tool {name}; calls go on without it.", "unknown_tool"))
        elif not tool.enabled:
            doubts.append(Finding("tools", f"The tool {name} is disabled; calls go on without it.", "disabled_tool"))
    return doubts


async def _name_taken(parts: Parts, name: str, prompt_id: int | None) -> Finding | None:
    try:
        other = await parts.prompts.find_summary(name)
    except PromptNotFound:
        return None
    if other.id == prompt_id:
        return None
    message = f"There is a prompt named {other.name} already (capital letters do not count); choose another name."
    return Finding("name", message, "prompt_name_taken")


def _variables(content: str, known: Mapping[str, str]) -> tuple[list[VariableBody], list[Finding]]:
    """All variables to show, and a finding for each place of an unknown one."""
    try:
        used = variable_lines(content)
    except PromptTemplateError:  # said already, as a problem of the content
        used = {}
    shown = [
        VariableBody(name=name, description=text, known=True, lines=list(used.get(name, ())))
        for name, text in known.items()
    ]
    lines = content.split("\n")
    unknown = []
    for name in sorted(set(used) - set(known))[:_MOST]:
        shown.append(VariableBody(name=name, description="", known=False, lines=list(used[name])))
        message = _unknown(name, known)
        unknown += [
            Finding("content", message, "unknown_variable", line, _column(lines, line, name)) for line in used[name]
        ]
    return shown, sorted(unknown, key=lambda finding: (finding.line or 0, finding.column or 0))


def _unknown(name: str, known: Mapping[str, str]) -> str:
    near = difflib.get_close_matches(name.lower(), known, n=1, cutoff=0.75)
    if near:
        return f"No call has had a variable {name}. Did you mean {near[0]}?"
    if name != name.lower():
        return f"No call has had a variable {name}: names from the dialplan come in small letters, as {name.lower()}."
    return (
        f"No recent call has had a variable {name}. It stays empty unless the dialplan passes it: "
        f"Stasis(...,{name.upper()}=value)."
    )


def _column(lines: Sequence[str], line: int, name: str) -> int | None:
    text = lines[line - 1] if 0 < line <= len(lines) else ""
    start = max(0, text.find("{"))
    found = re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text[start : start + _LONGEST_LINE])
    return start + found.start() + 1 if found else None


def _body(finding: Finding) -> FindingBody:
    return FindingBody(
        field=finding.field, message=finding.message, type=finding.type, line=finding.line, column=finding.column
    )
