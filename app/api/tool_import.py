"""``/api/tools/import``: tools from the documents of other services."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import Final

from fastapi import APIRouter

from app.api.access import needs
from app.api.guard import UserDep
from app.api.parts import Parts, PartsDep
from app.api.problems import ProblemError
from app.api.responses import BODY, problems
from app.api.tool_work import providers_of
from app.core.permissions import Permission
from app.models.names import name_key
from app.schemas.problem import FieldProblem
from app.schemas.tool_import import DraftTool, ImportedToolBody, OpenApiImport, OpenApiResult, OperationBody, State
from app.schemas.tools import WarningBody
from app.tools.definition import ToolDefinition
from app.tools.errors import OpenApiInvalid
from app.tools.openapi.merging import onto
from app.tools.openapi.operations import Operation, Plan, read_plan
from app.tools.provider_rules import warnings_of
from app.tools.records import version_values
from app.tools.writes import MAX_NOTE_BYTES, ImportedTool

router = APIRouter(prefix="/tools/import", tags=["tools"])

# Documents read at a time: each may take a second of the processor that calls need, too.
MAX_READING: Final = 2


@router.post("/openapi", summary="Import tools from an OpenAPI document", responses={**BODY, **problems(409)})
@needs(Permission.EDIT_TOOLS)
async def import_openapi(parts: PartsDep, user: UserDep, body: OpenApiImport) -> OpenApiResult:
    """OpenAPI 3.0 and 3.1. Without `operations` it shows what the document offers, and saves nothing. With them, all
    are imported, or none. Nothing is fetched: a `$ref` to another document is left out.

    With `update` a tool that is there gets a new version, where it differs: name, whether it is enabled, timeout, and
    headers and query parameters that the document does not know stay as they are."""
    if _reading.now >= MAX_READING:
        raise ProblemError(503, "busy", "Other documents are being read. Try again in a moment.", retry_after=5)
    _reading.now += 1
    try:
        there = {name_key(tool.name): tool for tool in parts.tool_catalog.all()}
        plan, operations = await asyncio.to_thread(_read, body, there, providers_of(parts))
    finally:
        _reading.now -= 1
    imported = None
    if body.operations is not None:
        imported = await _import(parts, user.name, plan, body)
    return OpenApiResult(
        title=plan.title,
        version=plan.version,
        server=plan.server,
        servers=list(plan.servers),
        problems=list(plan.notes),
        operations=operations,
        imported=imported,
    )


class _Reading:
    now = 0


_reading = _Reading()


def _read(
    body: OpenApiImport, there: Mapping[str, ToolDefinition], providers: Collection[str]
) -> tuple[Plan, list[OperationBody]]:
    plan = read_plan(body.document, base_url=body.base_url, headers=body.headers)
    wanted = plan.operations
    if body.operations is not None:
        chosen = set(body.operations)
        wanted = [operation for operation in plan.operations if operation.id in chosen]
    return plan, [_shown(operation, there, providers) for operation in wanted]


def _shown(operation: Operation, there: Mapping[str, ToolDefinition], providers: Collection[str]) -> OperationBody:
    tool = operation.tool
    existing = None if tool is None else there.get(name_key(tool.name))
    state: State = "impossible" if tool is None else "new"
    if tool is not None and existing is not None:
        same = version_values(onto(tool, existing)) == version_values(existing)
        state = "unchanged" if same else "changed"
    return OperationBody.model_construct(
        id=operation.id,
        method=operation.method,
        path=operation.path,
        summary=operation.summary,
        tags=list(operation.tags),
        deprecated=operation.deprecated,
        tool=None if tool is None else DraftTool.of(tool),
        problems=list(operation.notes),
        warnings=[] if tool is None else [WarningBody.of(each) for each in warnings_of(tool, providers)],
        exists=existing is not None,
        state=state,
    )


async def _import(parts: Parts, by: str, plan: Plan, body: OpenApiImport) -> list[ImportedToolBody]:
    chosen = _chosen(plan, list(dict.fromkeys(body.operations or ())))
    drafts = [ImportedTool(tool, _onto(tool)) for _, tool in chosen]
    # A title of 200 characters may have four times as many bytes.
    note = f"From {plan.title or 'an OpenAPI document'} {plan.version}".strip().encode()[:MAX_NOTE_BYTES]
    brought = await parts.tools.bring_in(drafts, by=by, note=note.decode(errors="ignore"), update=body.update)
    return [
        ImportedToolBody(operation=id, tool_id=record.summary.id, name=record.summary.name, outcome=outcome)
        for (id, _), (record, outcome) in zip(chosen, brought, strict=True)
    ]


def _onto(tool: ToolDefinition) -> Callable[[ToolDefinition], ToolDefinition]:
    return partial(onto, tool)


def _chosen(plan: Plan, ids: list[str]) -> list[tuple[str, ToolDefinition]]:
    """The tools of the operations, or a problem for each that there is none of."""
    found = {operation.id: operation for operation in plan.operations}
    errors, chosen = [], []
    for index, id in enumerate(ids):
        operation = found.get(id)
        if operation is None:
            words = f"The document has no operation {id[:100]}."
        elif operation.tool is None:
            words = " ".join(operation.notes)
        else:
            chosen.append((id, operation.tool))
            continue
        errors.append(FieldProblem(field=f"operations.{index}", message=words, type=OpenApiInvalid.code))
    if errors:
        raise ProblemError(422, OpenApiInvalid.code, errors[0].message, errors=tuple(errors))
    return chosen
