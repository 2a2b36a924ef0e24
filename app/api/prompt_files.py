"""``/api/prompts/export`` and ``/api/prompts/import``: prompts that live in git."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response

from app.api.access import needs
from app.api.guard import UserDep
from app.api.parts import Parts, PartsDep
from app.api.problems import ProblemError
from app.api.responses import BODY, problems
from app.core.permissions import Permission
from app.llm.errors import UnknownModel
from app.llm.registry import Models
from app.prompts.portable import document
from app.schemas.problem import FieldProblem
from app.schemas.prompt_files import ImportBody, ImportResultBody, PromptFile, read_prompt_file

router = APIRouter(prefix="/prompts", tags=["prompts"])

Format = Literal["yaml", "json"]
TYPES = {"yaml": "application/yaml", "json": "application/json"}


@router.get(
    "/export",
    summary="Export prompts",
    response_class=Response,
    responses={
        200: {
            "description": "A file. The same prompts always give the same text.",
            "content": {
                "application/yaml": {"schema": {"type": "object"}},
                "application/json": {"schema": {"type": "object"}},
            },
        },
        **problems(404, 422),
    },
)
@needs(Permission.READ)
async def export_prompts(
    parts: PartsDep,
    format: Annotated[Format, Query(description="Of the file.")] = "yaml",
    name: Annotated[
        list[Annotated[str, Query(max_length=100)]] | None,
        Query(max_length=200, description="Only the prompts of these names.", examples=[["reception"]]),
    ] = None,
) -> Response:
    """All prompts, or those named, each as calls use it; of a prompt that was never published, the newest draft.

    No ids, versions or moments are in it, so that it changes only where a prompt does.
    """
    text = await export_text(parts, format, name)
    filename = f'attachment; filename="prompts.{format}"'
    return Response(text, media_type=TYPES[format], headers={"Content-Disposition": filename})


async def export_text(parts: Parts, format: Format, names: Sequence[str] | None) -> str:
    """The file. Raises PromptNotFound."""
    records = await parts.prompts.export(names)
    return await asyncio.to_thread(document, records, as_json=format == "json")


@router.post("/import", summary="Import prompts", responses=BODY)
@needs(Permission.EDIT_PROMPTS)
async def import_prompts(parts: PartsDep, user: UserDep, body: ImportBody) -> ImportResultBody:
    """Create prompts, and save versions of those that differ; all, or nothing. Others stay as they are.

    The same file again changes nothing and makes no version. Where some prompt is wrong, a dry run says so in its
    `errors`; else the answer is 422.
    """
    file, result = await run_import(parts, body, by=user.name)
    if file.findings and not body.dry_run:
        errors = tuple(
            FieldProblem(field=f"{file.names[place]}.{each.field}", message=each.message, type=each.type)
            for place, findings in file.findings.items()
            for each in findings
        )
        detail = f"Nothing was imported, because {len(file.findings)} of {len(file.names)} prompts are wrong."
        raise ProblemError(422, "prompt_file_invalid", detail, errors=errors)
    return result


async def run_import(parts: Parts, body: ImportBody, *, by: str) -> tuple[PromptFile, ImportResultBody]:
    """Read the file and write what differs. Nothing is written where the file has findings.

    Raises:
        PromptFileInvalid: it is no file with prompts.
        PromptInvalid: the default prompt is to be one that has only drafts.
    """
    file = await asyncio.to_thread(read_prompt_file, body.text, lambda model: model_problem(parts.models, model))
    dry_run = body.dry_run or bool(file.findings)
    imported = await parts.prompts.import_all(file.entries, by=by, note=body.note, dry_run=dry_run)
    return file, ImportResultBody.of(file, imported, applied=not dry_run)


def model_problem(models: Models, model: str | None) -> str | None:
    """Why ``model`` names no provider; None: it does."""
    try:
        models.resolve(model)
    except UnknownModel as error:
        # An unusable default is the installation's own trouble, not that of a prompt which names no model.
        return str(error) if model and model.strip() else None
    return None
